"""The two functions as in the cloud, but with the clock and the numbers that the environment names.

A source file for functions-framework, in the place of main.py. `make run`, the tests and the benchmark serve it:

    python -m sandbox.functions oauth --port 8080 --clock .sandbox/clock.json

`KEEPER_CLOCK` is the file of the sandbox's clock. `KEEPER_LIMITS` is a JSON object with numbers of
`token_keeper.limits.Limits`, such as {"workers": 1}.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import functions_framework
from flask import Request, Response
from functions_framework._http import create_server

import main
from sandbox.clock import Clock
from token_keeper import web
from token_keeper.clients import Clients
from token_keeper.limits import Limits


def _clients() -> Clients:
    path, limits = os.environ.get("KEEPER_CLOCK"), json.loads(os.environ.get("KEEPER_LIMITS", "{}"))
    return Clients(Limits(**limits), Clock(Path(path)) if path else None)


_OAUTH, _REFRESH = main.OAuth(_clients()), main.Refresh(_clients())


@functions_framework.http
def oauth(request: Request) -> Response:
    """Return what the public function answers."""
    return _OAUTH(request)


@functions_framework.http
def refresh(request: Request) -> Response:
    """Return what the private function answers."""
    return _REFRESH(request)


web.take_over({"oauth": _OAUTH, "refresh": _REFRESH})


def serve() -> None:
    """Serve one of the two functions on loopback."""
    parser = argparse.ArgumentParser(prog="sandbox.functions", description="Serve one of the two functions.")
    parser.add_argument("target", choices=["oauth", "refresh"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", type=Path, help="the file of the sandbox's clock; without one, the system's clock")
    args = parser.parse_args()
    if args.clock:
        os.environ["KEEPER_CLOCK"] = str(args.clock)
    app = functions_framework.create_app(args.target, __file__, "http")
    create_server(app, debug=False).run("127.0.0.1", args.port)


if __name__ == "__main__":
    serve()
