"""The sandbox's one clock: the system's, moved forward as far as somebody asked for.

The local Threads, the local Secret Manager and, locally, the two functions tell the time by it, each in a process
of its own: what they share is one small file that holds the offset.

    python -m sandbox.clock            # what time is it there?
    python -m sandbox.clock 60d        # sixty days later; also 90m, 12h, 1w and sums such as 59d23h
"""

from __future__ import annotations

import argparse
import json
import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

DEFAULT_PATH = Path(".sandbox/clock.json")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


class Clock:
    """The time in the sandbox. With a path the offset is kept there and shared by every process that uses it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._offset = timedelta()
        self._read_at = -1
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the sandbox's time, aware, in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._current_offset()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def forward(self, by: timedelta) -> datetime:
        """Move the clock on by `by`, which is not negative, and give the new time."""
        if by < timedelta():
            raise ValueError("the sandbox's clock only moves forward")
        with self._lock:
            self._offset = self._current_offset() + by
            if self._path:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                draft = self._path.with_suffix(f".{os.getpid()}.tmp")
                draft.write_text(json.dumps({"offset_seconds": self._offset.total_seconds()}))
                draft.replace(self._path)
                self._read_at = self._path.stat().st_mtime_ns
            return datetime.now(UTC) + self._offset

    def _current_offset(self) -> timedelta:
        if self._path and self._path.exists() and self._path.stat().st_mtime_ns != self._read_at:
            self._read_at = self._path.stat().st_mtime_ns
            self._offset = timedelta(seconds=json.loads(self._path.read_text())["offset_seconds"])
        return self._offset


def parse_duration(text: str) -> timedelta:
    """Read `60d`, `90m`, `59d23h59m`; raise ValueError on anything else."""
    if not re.fullmatch(r"(\d{1,6}[wdhms])+", text):
        raise ValueError(f"not a duration: {text!r}; write 60d, 12h or 59d23h")
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in re.findall(r"(\d+)([wdhms])", text)), timedelta())


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.clock", description="Show or move the sandbox's clock.")
    parser.add_argument("by", nargs="?", type=_duration, default=timedelta(), help="how far forward: 60d, 12h, 59d23h")
    parser.add_argument("--file", type=Path, default=DEFAULT_PATH, help="where the offset is kept")
    args = parser.parse_args()
    clock = Clock(args.file)
    now = clock.forward(args.by) if args.by else clock.now()
    print(f"In the sandbox it is {now:%Y-%m-%d %H:%M:%S} UTC.")


if __name__ == "__main__":
    main()
