"""How long something may take on this machine, which may be busy with other tests."""

from __future__ import annotations

import os


def allowed(seconds: float) -> float:
    """Return the seconds that a test allows: longer where more processes want to run than there are cores."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
