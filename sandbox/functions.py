"""One of the two functions, served as in the cloud, but by the sandbox's clock.

    python -m sandbox.functions oauth --port 8080 --clock .sandbox/clock.json

The functions have no setting for this: here, before they are loaded, their clock is exchanged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from functions_framework import create_app
from functions_framework._http import create_server

from sandbox.clock import Clock
from token_keeper import clock as keeper_clock

SOURCE = Path(__file__).parent.parent / "main.py"


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.functions", description="Serve one of the two functions.")
    parser.add_argument("target", choices=["oauth", "refresh"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", type=Path, help="the file of the sandbox's clock; without one, the system's clock")
    args = parser.parse_args()
    if args.clock:
        keeper_clock.now = Clock(args.clock).now
    create_server(create_app(args.target, str(SOURCE), "http"), debug=False).run("127.0.0.1", args.port)


if __name__ == "__main__":
    main()
