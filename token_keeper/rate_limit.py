"""How this keeper keeps to Threads' own rate limits: it stops asking instead of asking again and again."""

from __future__ import annotations

import threading
from types import TracebackType

from token_keeper.clock import Clock
from token_keeper.errors import PassingError, Throttled


class RateLimit:
    """Allows calls until Threads has refused `in_a_row` of them in a row, or asks for a pause.

    `pause` is for how many seconds nothing is asked after that, unless a new run begins.
    """

    def __init__(self, clock: Clock, in_a_row: int, pause: float) -> None:
        self._clock, self._in_a_row, self._pause = clock, in_a_row, pause
        self._refused, self._paused_until, self._asked_to_wait_until = 0, 0.0, 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Begin to count anew, for a new run. What Threads asked for is kept to."""
        with self._lock:
            self._refused, self._paused_until = 0, 0.0

    def __enter__(self) -> None:
        """Raise Throttled if this call must not be made now."""
        with self._lock:
            left = max(self._paused_until, self._asked_to_wait_until) - self._clock.monotonic()
        if left > 0:
            raise Throttled("Threads limits the rate of calls, so it was not asked again.", left)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = self._clock.monotonic()
        with self._lock:
            self._refused = self._refused + 1 if isinstance(error, Throttled) else 0
            if self._refused >= self._in_a_row:
                self._paused_until = now + self._pause
            if isinstance(error, PassingError) and error.retry_after:
                # The longest counts: answers to calls that were made at the same time come in any order.
                asked_until = now + min(error.retry_after, 24 * 3600)
                self._asked_to_wait_until = max(self._asked_to_wait_until, asked_until)
