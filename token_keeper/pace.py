"""A token bucket that keeps callers under a quota, so that a small run bursts and a large one flows."""

from __future__ import annotations

import threading
import time


class Pace:
    """At most `burst + rate * t` calls in any `t` seconds, whoever makes them."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next call may be made. Callers are served in the order in which they ask."""
        with self._lock:
            now = time.monotonic()
            self._level = min(self._burst, self._level + (now - self._at) * self._rate) - 1
            self._at = now
            delay = -self._level / self._rate
        if delay > 0:
            time.sleep(delay)
