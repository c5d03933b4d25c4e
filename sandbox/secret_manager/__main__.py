"""Run a local Secret Manager until it is told to stop.

python -m sandbox.secret_manager --port 8083 --rest-port 8084 --state .sandbox/secrets.json --project demo
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from queue import SimpleQueue

from sandbox import state_lock
from sandbox.clock import DEFAULT_PATH as CLOCK_PATH
from sandbox.clock import Clock
from sandbox.secret_manager.server import DEFAULT_PORT, DEFAULT_PROJECT, DEFAULT_REST_PORT, SecretManager

DEFAULT_STATE = Path(".sandbox/secrets.json")


def main() -> None:
    args = _arguments()
    lock = state_lock.hold_state(args.state)
    ended: SimpleQueue[int] = SimpleQueue()  # a handler may interrupt even its own put, which an Event's set forbids
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ended.put(number))
    manager = SecretManager(Clock(args.clock), args.state, args.project, port=args.port, rest_port=args.rest_port)
    try:
        manager.start()
    except OSError as error:
        sys.exit(f"The local Secret Manager cannot listen on {error.filename}: {error.strerror}.")
    where = f"{manager.address}, REST on {manager.rest_url}, state {args.state}"
    print(f"The local Secret Manager of {args.project} listens on {where}.", flush=True)
    ended.get()
    manager.stop()
    lock.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sandbox.secret_manager",
        description="Run a local Secret Manager. Every user of this machine can read what it stores.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of gRPC; 0 takes a free one")
    parser.add_argument("--rest-port", type=int, default=DEFAULT_REST_PORT, help="of REST; 0 takes a free one")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="the file that keeps the secrets")
    parser.add_argument("--clock", type=Path, default=CLOCK_PATH, help="the file of the sandbox's clock")
    parser.add_argument("--project", default=DEFAULT_PROJECT, help="the project's id")
    return parser.parse_args()


if __name__ == "__main__":
    main()
