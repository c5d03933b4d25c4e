"""Measure warm requests: what a running instance adds to the time that Threads and Secret Manager take."""

from __future__ import annotations

import statistics

from bench.cold import CHAIN, callback
from bench.figures import Figure
from bench.process import Request, Server, function
from bench.stand_ins import StandIns

GROUP = "Warm"
ROUNDS = 15


def measure(both: StandIns) -> list[Figure]:
    both.set()
    figures = []
    with (
        Server(function("hello", "bench/hello.py"), both.environ) as hello,
        Server(function("oauth"), both.environ) as oauth,
        Server(function("refresh"), both.environ) as refresh,
    ):
        local = {"start page": Request("/"), "`/login`": Request("/login", 302)}
        for name, request in local.items():
            pairs = [(oauth.timed(request), hello.timed(Request("/"))) for _ in range(10 * ROUNDS)][ROUNDS:]
            ratio = statistics.median(one / other for one, other in pairs)
            figures.append(Figure(GROUP, name, ratio, "x hello", note="a new connection each"))
        remote = {
            "a whole callback": (oauth, callback(both), CHAIN, "x its longest chain of remote calls", 1.05),
            "refresh of one account": (refresh, Request("/", method="POST"), 1, "x the remote calls' own delays", None),
        }
        for name, (server, request, chain, unit, at_most) in remote.items():
            server.ask(request)
            both.held()
            ratios = []
            for _ in range(ROUNDS):
                seconds = server.timed(request)
                ratios.append(seconds / (both.held() * chain))
            figures.append(Figure(GROUP, name, statistics.median(ratios), unit, at_most))
    return figures
