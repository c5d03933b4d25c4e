"""Time that passes only when somebody waits: a year of retries, quotas and budgets in a minute, the same every time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.clock import Clock
from token_keeper import clock as keeper_clock

START = datetime(2027, 1, 1, tzinfo=UTC)


class SimulatedClock(Clock):
    """The sandbox's clock, cut loose from the system's."""

    def now(self) -> datetime:
        return START + self._offset

    def forward(self, by: timedelta) -> datetime:
        self._offset += by
        return self.now()

    def seconds(self) -> float:
        return self._offset.total_seconds()


def install(clock: SimulatedClock, waited: Callable[[], None]) -> None:
    """Have this process tell and spend the time by this clock: for good, so it wants a process of its own.

    What waits for a socket or a lock does not ask here; those answer at once in this world.
    """

    def sleep(seconds: float) -> None:
        clock.forward(timedelta(seconds=seconds))
        waited()

    time.sleep = sleep  # type: ignore[assignment]
    time.monotonic = clock.seconds
    keeper_clock.now = clock.now
