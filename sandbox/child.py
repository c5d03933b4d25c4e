"""What every child of `make run` starts with: it ends the child when its parent is gone, however that ended.

    python -m sandbox.child /the/folder sandbox.threads --port 8082

Standard input is a pipe that nothing is ever written to. It ends when the last process that holds its other end is
gone, after a `kill -9` too, on Linux and macOS. The folder is there for whoever reads the list of processes.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from typing import TextIO, cast

from sandbox.terminal import Terminal

# Seconds until what does not end is killed. A function may have a request under way; the stores end after the
# functions, so the two together stay under ten.
FUNCTION_GRACE, STORE_GRACE = 6.0, 3.0


def main() -> None:
    del sys.argv[:2]
    grace = FUNCTION_GRACE if sys.argv[0] == "sandbox.functions" else STORE_GRACE
    # In a thread, since the module below needs the main thread for its signals. gunicorn forks without it.
    threading.Thread(target=_end_with_parent, args=(grace,), daemon=True).start()
    sys.stdout = cast(TextIO, Terminal(sys.stdout))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent(grace: float) -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # a child leads a group of its own, with its workers in it


if __name__ == "__main__":
    main()
