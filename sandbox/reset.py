"""`make reset`: forget what `make run` stored, so that the next run starts as the first did.

What belongs to the real Threads, in `.sandbox/real/`, stays: those tokens cannot be made again without their people.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sandbox import state_lock

STATE = Path(".sandbox")
_KEPT = ("real", "lock")


def main() -> None:
    if not STATE.is_dir():
        print("There is nothing to forget.")
        return
    try:
        with state_lock.hold(STATE / "lock"):
            for path in STATE.iterdir():
                if path.name not in _KEPT:
                    _remove(path)
    except state_lock.Held as held:
        sys.exit(f"`make run` is running in this folder ({held}). Stop it first.")
    kept = f" The tokens of the real Threads in {STATE}/real/ stay." if (STATE / "real").exists() else ""
    print(f"Forgotten: accounts, tokens and the moved clock of the local Threads.{kept}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    main()
