"""Time that passes only when somebody waits: a year of retries, quotas and budgets in a minute, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.clock import Clock

START = datetime(2027, 1, 1, tzinfo=UTC)


class SimulatedClock(Clock):
    """The sandbox's clock without the system's. `waited` is called whenever somebody has waited.

    What waits for a socket or a lock does not ask here; those answer at once in this world.
    """

    def __init__(self, waited: Callable[[], None]) -> None:
        super().__init__()
        self._waited = waited

    def now(self) -> datetime:
        return START + self._offset

    def forward(self, by: timedelta) -> datetime:
        self._offset += by
        return self.now()

    def monotonic(self) -> float:
        return self._offset.total_seconds()

    def sleep(self, seconds: float) -> None:
        self.forward(timedelta(seconds=seconds))
        self._waited()
