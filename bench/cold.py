"""Measure cold starts: from the start of a process to its first useful answer.

Measured in rounds; each value is compared with the bare hello function of the same round.
"""

from __future__ import annotations

import random
import statistics
import sys
from urllib.parse import urlencode

from bench.figures import Figure, median_ratio
from bench.process import Request, Server, cold, function, uvicorn
from bench.stand_ins import STORE_DELAY, THREADS_DELAY, StandIns
from token_keeper import clock, sign_in
from token_keeper.settings import OAuthSettings

GROUP = "Cold start"
ROUNDS = 21
# A callback asks `debug_token` beside `/me`. Its longest chain of calls that depend on each other is the exchange of
# the code, the exchange of the token, `/me`, and three calls of Secret Manager.
CHAIN = (3 * THREADS_DELAY + 3 * STORE_DELAY) / (4 * THREADS_DELAY + 3 * STORE_DELAY)
FASTAPI = uvicorn("bench.fastapi_app:app")


def callback(both: StandIns) -> Request:
    """Return the callback of a browser that comes back from Threads, with a valid `state` and its cookie."""
    state = sign_in.make_state(OAuthSettings.from_environ(both.environ), clock.now())
    path = "/callback?" + urlencode({"code": "AQ-bench-code", "state": state})
    cookie = f"__Host-threads-state-{sign_in.short_hash(state)}={state}"
    return Request(path, 303, headers={"Cookie": cookie})


def measure(both: StandIns, rounds: int = ROUNDS) -> list[Figure]:
    both.set()
    oauth, refresh = function("oauth"), function("refresh")
    starts: dict[str, tuple[list[str], Request]] = {
        "hello": (function("hello", "bench/hello.py"), Request("/")),
        "start page": (oauth, Request("/")),
        "/login": (oauth, Request("/login", 302)),
        "refused callback": (oauth, Request("/callback?code=x&state=y", 400)),
        "callback": (oauth, callback(both)),
        "refresh": (refresh, Request("/", method="POST")),
        "FastAPI /login": (FASTAPI, Request("/login", 302)),
        "FastAPI callback": (FASTAPI, Request("/callback?code=x")),
    }
    for command, request in starts.values():  # once before, so that the disk cache and the .pyc files are there
        cold(command, both.environ, request)
    took: dict[str, list[float]] = {name: [] for name in starts}
    whole: dict[str, list[float]] = {"cold callback": [], "warm callback": []}  # including the time of the remote calls
    for number in range(rounds):
        print(f"\rcold start, round {number + 1} of {rounds}", end="", file=sys.stderr)
        both.held()
        for name in random.sample(list(starts), len(starts)):
            command, request = starts[name]
            seconds = cold(command, both.environ, request)
            took[name].append(seconds - both.held() * (CHAIN if name == "callback" else 1))
            if name == "callback":
                whole["cold callback"].append(seconds)
        whole["warm callback"].append(_warm_callback(both, starts["callback"][1]))
    print(file=sys.stderr)
    return _figures(took, whole)


def _warm_callback(both: StandIns, request: Request) -> float:
    """Return the seconds of a callback at an instance that has served one before."""
    with Server(function("oauth"), both.environ) as server:
        server.ask(request)
        return server.timed(request)


def _figures(took: dict[str, list[float]], whole: dict[str, list[float]]) -> list[Figure]:
    hello = took["hello"]

    def against_hello(name: str, label: str, at_most: float | None = None, note: str = "") -> Figure:
        return Figure(GROUP, label, median_ratio(took[name], hello), "x hello", at_most, note=note)

    beyond = "beyond the remote calls"
    warm_and_start = [warm + start for warm, start in zip(whole["warm callback"], hello, strict=True)]
    return [
        Figure(GROUP, "bare hello", 1, "x hello", note=f"{statistics.median(hello) * 1000:.0f} ms here"),
        against_hello("start page", "start page", 1.2),
        against_hello("/login", "`/login`", 1.2),
        against_hello("refused callback", "a refused callback"),
        Figure(
            GROUP,
            "a whole callback, against a warm one",
            median_ratio(whole["cold callback"], warm_and_start),
            "x (warm + hello)",
            1.1,
            note="the remote calls are on both sides",
        ),
        against_hello("callback", "a whole callback", note=beyond),
        against_hello("refresh", "first refresh of one account", 2.3, note=beyond),
        against_hello("FastAPI /login", "FastAPI as people copy it: `/login`"),
        against_hello(
            "FastAPI callback", "FastAPI as people copy it: a whole callback", note=f"{beyond}; it makes fewer"
        ),
    ]
