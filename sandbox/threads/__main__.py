"""Serve the local Threads until SIGTERM or SIGINT: python -m sandbox.threads --port 9100"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from queue import SimpleQueue

from sandbox import state_lock
from sandbox.clock import DEFAULT_PATH, Clock
from sandbox.threads.keeper import Keeper
from sandbox.threads.server import DEFAULT_APP_ID, DEFAULT_SECRET, LocalThreads


def main() -> int:
    args = _arguments()
    lock = state_lock.hold_state(args.state) if args.state else None
    threads = LocalThreads(
        Clock(args.clock),
        app_id=args.app_id,
        app_secret=os.environ[args.app_secret_env] if args.app_secret_env else DEFAULT_SECRET,
        redirect_uris=args.redirect_uri,
        path=args.state,
        port=args.port,
        uninstall_url=args.uninstall_url,
        delete_url=args.delete_url,
        keeper=Keeper(args.keeper_url, args.refresh_url),
    )
    ended: SimpleQueue[int] = SimpleQueue()  # a handler may interrupt even its own put, which an Event's set forbids
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ended.put(number))
    try:
        threads.start()
    except OSError as error:
        print(f"local Threads: cannot listen on port {args.port}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"Local Threads is ready: {threads.url} (its control page: {threads.url}/sandbox)", flush=True)
    ended.get()
    threads.stop()
    if lock:
        lock.close()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.threads", description="Serve a local Threads on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--state", type=Path, help="keep people and tokens in this file; without it, in memory")
    parser.add_argument("--clock", type=Path, default=DEFAULT_PATH, help="the sandbox's clock file")
    parser.add_argument("--app-id", default=DEFAULT_APP_ID, help="the Threads App ID")
    parser.add_argument("--app-secret-env", metavar="NAME", help="the environment variable that holds the app secret")
    parser.add_argument("--redirect-uri", action="append", help="a registered one; may be repeated; none: any")
    parser.add_argument("--uninstall-url", help="where the uninstall callback goes")
    parser.add_argument("--delete-url", help="where the delete callback goes")
    parser.add_argument("--keeper-url", help="the keeper's sign-in function, for a link on the control page")
    parser.add_argument("--refresh-url", help="the keeper's refresh function, for a button on the control page")
    args = parser.parse_args()
    if args.app_secret_env and not os.environ.get(args.app_secret_env):
        parser.error(f"the environment variable {args.app_secret_env} is not set")
    return args


if __name__ == "__main__":
    sys.exit(main())
