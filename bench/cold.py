"""Cold starts: from the start of a process to its first useful answer, in rounds, each against that round's hello."""

from __future__ import annotations

import random
import statistics
import sys
from collections import Counter
from urllib.parse import urlencode

from bench.figures import Figure, median_ratio
from bench.process import Request, Server, cold, function, uvicorn
from bench.stand_ins import StandIns, delay_of
from token_keeper import clock, sign_in
from token_keeper.settings import OAuthSettings

GROUP = "Cold start"
ROUNDS = 21
FASTAPI = uvicorn("bench.fastapi_app:app")


def callback(both: StandIns) -> Request:
    """Give a browser's return from Threads: with a `state` that any instance takes, and its cookie."""
    state = sign_in.make_state(OAuthSettings.from_environ(both.environ), clock.now())
    path = "/callback?" + urlencode({"code": "AQ-bench-code", "state": state})
    return Request(path, 303, headers={"Cookie": f"__Host-threads-state={state}"})


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
    for command, request in starts.values():  # once for the disk's cache and the .pyc files
        cold(command, both.environ, request)
    took: dict[str, list[float]] = {name: [] for name in [*starts, "warm callback"]}
    for number in range(rounds):
        print(f"\rcold start, round {number + 1} of {rounds}", end="", file=sys.stderr)
        both.calls()
        for name in random.sample(list(starts), len(starts)):
            command, request = starts[name]
            with_delays = cold(command, both.environ, request)
            took[name].append(with_delays - delay_of(both.calls()))
        took["warm callback"].append(_warm_callback(both, starts["callback"][1]))
    print(file=sys.stderr)
    return _figures(took)


def _warm_callback(both: StandIns, request: Request) -> float:
    """Give the seconds of a callback at an instance that has served one before, without the remote calls' delays."""
    with Server(function("oauth"), both.environ) as server:
        server.ask(request)
        both.calls()
        return server.timed(request) - delay_of(both.calls())


def _figures(took: dict[str, list[float]]) -> list[Figure]:
    hello = took["hello"]

    def against_hello(name: str, label: str, at_most: float | None = None, note: str = "") -> Figure:
        return Figure(GROUP, label, median_ratio(took[name], hello), "x hello", at_most, note=note)

    beyond = "without the remote calls' own delays"
    # The delays come on both sides of the comparison of a cold callback with a warm one.
    delays = delay_of(Counter({"/oauth/access_token": 1, "/access_token": 1, "/v1.0/me": 1, "/v1.0/debug_token": 1}))
    delays += delay_of(Counter(["GetSecret", "AddSecretVersion", "UpdateSecret"]))
    warm_and_start = [warm + delays + start for warm, start in zip(took["warm callback"], hello, strict=True)]
    cold_callback = [value + delays for value in took["callback"]]
    return [
        Figure(GROUP, "bare hello", 1, "x hello", note=f"{statistics.median(hello) * 1000:.0f} ms here"),
        against_hello("start page", "start page", 1.2),
        against_hello("/login", "`/login`", 1.2),
        against_hello("refused callback", "a refused callback"),
        Figure(
            GROUP,
            "a whole callback",
            median_ratio(cold_callback, warm_and_start),
            "x (warm + hello)",
            1.1,
            note="remote delays on both sides",
        ),
        against_hello("callback", "a whole callback", note=beyond),
        against_hello("refresh", "first refresh of one account", 2.0, note=beyond),
        against_hello("FastAPI /login", "FastAPI as people copy it: `/login`"),
        against_hello(
            "FastAPI callback", "FastAPI as people copy it: a whole callback", note=f"{beyond}; it makes fewer"
        ),
    ]
