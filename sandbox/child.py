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

GRACE = 4.0  # seconds for a request that is under way; the functions' and then the stores' stay under ten


def main() -> None:
    # In a thread, since the module below needs the main thread for its signals. gunicorn forks without it.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = cast(TextIO, Terminal(sys.stdout))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # a child leads a group of its own, with its workers in it


if __name__ == "__main__":
    main()
