"""The time. Only the entry points ask for it; everything below them is told, or given a clock to wait by."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class Clock(Protocol):
    """What tells the time and waits. A simulation uses a clock of its own."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return now()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def rfc3339(moment: datetime) -> str:
    """Return `2027-01-20T03:17:00Z`: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """Return the time that `rfc3339` or another offset stands for; raise ValueError if it is no time of our days."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    # One can add years to it and take years off, in every offset.
    if 1 < moment.year < 9999 and 1970 < (moment := moment.astimezone(UTC)).year < 9000:
        return moment
    raise ValueError("a time that is far away")
