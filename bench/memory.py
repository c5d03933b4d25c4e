"""Measure the memory of the whole container, and the CPU that calls of Threads use."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from bench.accounts import run
from bench.figures import Figure
from bench.process import ROOT, Request, Server, function
from bench.stand_ins import StandIns

GROUP = "Memory and CPU"
ROUNDS = 5
CALLED = 500


def measure(both: StandIns) -> list[Figure]:
    both.set()
    figures = [
        Figure(GROUP, "bare hello", _after_one(both, "hello", "bench/hello.py"), "MiB"),
        Figure(GROUP, "`oauth`, after the start page", _after_one(both, "oauth"), "MiB"),
        Figure(GROUP, "`refresh`, after one account", _after_one(both, "refresh"), "MiB", 80),
        Figure(GROUP, "`refresh`, after 1,000 accounts", run(both, 1_000).memory, "MiB", 100),
        Figure(GROUP, "`refresh`, after 10,000 accounts", run(both, 10_000).memory, "MiB", 130),
    ]
    both.set()
    spent = statistics.median(_threads_side(both) for _ in range(ROUNDS))
    note = f"refreshing and inspecting {CALLED} tokens over TLS, connecting included"
    figures.append(Figure(GROUP, "CPU on the side of Threads, an account", spent, "ms", 3.5, note=note))
    return figures


def _after_one(both: StandIns, target: str, source: str = "main.py") -> float:
    """Return the memory of a new container after its first answer, in MiB."""
    request = Request("/", method="POST" if target == "refresh" else "GET")
    with Server(function(target, source), both.environ) as server:
        server.ask(request)
        return server.memory()


def _threads_side(both: StandIns) -> float:
    """Return the milliseconds of CPU that the calls for one account use, in a process that does nothing else."""
    command = [sys.executable, "-m", "bench.threads_side", both.threads_url, str(CALLED)]
    done = subprocess.run(command, cwd=ROOT, env=both.environ, check=True, capture_output=True)
    return 1000 * float(json.loads(done.stdout)) / CALLED
