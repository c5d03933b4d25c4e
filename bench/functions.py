"""`refresh` without the quota that its client keeps to, for runs that look for the limits of everything else.

A source file for functions-framework, in the place of main.py. What is large is loaded when main.py would load it.
"""

from __future__ import annotations

import os

import main
from token_keeper import pace, run

pace.Pace.wait = lambda self: None  # type: ignore[method-assign]
run.WORKERS = int(os.environ.get("BENCH_WORKERS", run.WORKERS))

refresh = main.refresh
