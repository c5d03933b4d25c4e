"""A quota that callers keep to: a small run need not wait at all, and a large one flows at the quota's speed."""

from __future__ import annotations

import threading
from collections import deque

from token_keeper.clock import Clock


class Pace:
    """At most `calls` calls in any `seconds` seconds, whoever makes them."""

    def __init__(self, calls: int, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._begun: deque[float] = deque(maxlen=calls)  # when each of the last calls was allowed to begin
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next call may be made. Callers are served in the order in which they ask."""
        with self._lock:
            now = self._clock.monotonic()
            full = len(self._begun) == self._begun.maxlen
            begins = max(now, self._begun[0] + self._seconds) if full else now
            self._begun.append(begins)
        if begins > now:
            self._clock.sleep(begins - now)
