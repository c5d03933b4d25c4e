"""Log lines for the person at a terminal: time, severity, account, message. In the cloud they stay JSON."""

from __future__ import annotations

import io
import json
import os
from datetime import datetime
from typing import Any, TextIO

_COLOURS = {"ERROR": "\033[1;31m", "WARNING": "\033[33m"}
_PLAIN = "\033[0m"


class Terminal(io.TextIOBase):
    """Standard output whose JSON log lines read as text; everything else passes through unchanged."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._coloured = out.isatty() and not os.environ.get("NO_COLOR")

    def write(self, text: str) -> int:
        """Write it, or drop it where the terminal was closed: a function goes on with its work then."""
        try:
            self._out.write("".join(map(self._readable, text.splitlines(keepends=True))))
            self._out.flush()
        except OSError:
            pass
        return len(text)

    def flush(self) -> None:
        """Do nothing: each write is flushed."""

    def fileno(self) -> int:
        return self._out.fileno()

    def isatty(self) -> bool:
        return self._out.isatty()

    def _readable(self, line: str) -> str:
        entry = _log_entry(line)
        if entry is None:
            return line
        text = readable(entry, datetime.now())
        colour = _COLOURS.get(entry["severity"]) if self._coloured else None
        end = "\n" if line.endswith("\n") else ""
        return f"{colour}{text}{_PLAIN}{end}" if colour else f"{text}{end}"


def readable(entry: dict[str, Any], now: datetime) -> str:
    """Return one log entry as a line of text."""
    severity = entry["severity"] if entry["severity"] in _COLOURS else entry["severity"].lower()
    return f"{now:%H:%M:%S}  {severity:<7}  {entry.get('username') or '-':<12}  {entry['message']}"


def _log_entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    is_log = isinstance(entry, dict) and isinstance(entry.get("severity"), str) and "message" in entry
    return entry if is_log else None
