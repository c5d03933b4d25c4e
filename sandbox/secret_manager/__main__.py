"""Run a local Secret Manager until it is told to stop.

python -m sandbox.secret_manager --port 8083 --state .sandbox/secrets.json --project demo
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.clock import DEFAULT_PATH as CLOCK_PATH
from sandbox.clock import Clock
from sandbox.secret_manager.server import DEFAULT_PORT, DEFAULT_PROJECT, SecretManager

DEFAULT_STATE = Path(".sandbox/secrets.json")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="sandbox.secret_manager",
        description="Run a local Secret Manager.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="the file that keeps the secrets")
    parser.add_argument("--clock", type=Path, default=CLOCK_PATH, help="the file of the sandbox's clock")
    parser.add_argument("--project", default=DEFAULT_PROJECT, help="the project's id")
    args = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    manager = SecretManager(Clock(args.clock), args.state, args.project, port=args.port)
    try:
        manager.start()
    except OSError as error:
        sys.exit(f"The local Secret Manager cannot listen on {manager.address}: {os.strerror(error.errno or 0)}.")
    print(f"The local Secret Manager of {args.project} listens on {manager.address}, state {args.state}.", flush=True)
    done.wait()
    manager.stop()


if __name__ == "__main__":
    main()
