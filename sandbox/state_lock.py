"""Locks for what the sandbox writes: one writer at a time, and the next one learns which process that is.

A lock is a file of its own, since a state file is replaced as a whole. The kernel frees it when the last process that
has it open is gone, however that ended, so no lock is ever left over.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO


class Held(Exception):
    """Another process holds the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"process {holder}" if holder else "another process")
        self.holder = holder

    @property
    def is_alive(self) -> bool:
        """Whether the process that took the lock lives; if not, processes that it started still hold it."""
        try:
            os.kill(int(self.holder or "0"), 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it lives, as another user
            pass
        return True


def hold(path: Path) -> TextIO:
    """Return the locked file, which this process and those that inherit it hold; raise Held where others do."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            raise Held(file.read().strip()) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def hold_state(path: Path) -> TextIO:
    """Return the lock of this state file; exit with a sentence where another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return hold(path.with_name(f"{path.name}.lock"))
    except Held as held:
        raise SystemExit(
            f"The state {path} is in use by {held}. Stop that one first, or name another --state."
        ) from None
