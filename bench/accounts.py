"""Measure whole runs over many accounts: speed with and without the quota, memory, CPU."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from functools import cache

from bench.figures import Figure, written
from bench.process import Request, Server, function
from bench.stand_ins import StandIns

GROUP = "Many accounts"
QUOTA = 600  # writes, and as many reads, of one project in a minute
WRITES = 3  # for each refreshed account
SEQUENTIAL = 20  # accounts in the run with one worker; the time for each does not depend on their number


@dataclass(frozen=True)
class Run:
    """One run: `seconds` from request to reply, and the memory and CPU of the container afterwards."""

    accounts: int
    seconds: float
    memory: float
    cpu: float
    failures: int
    refused: int

    @property
    def per_minute(self) -> float:
        return 60 * self.accounts / self.seconds


@cache
def run(both: StandIns, accounts: int, quota: int = 0, workers: int = 0) -> Run:
    """Refresh the accounts in the first run of a new instance. Without a quota, the client does not pace itself."""
    print(f"{accounts:,} accounts, {quota or 'no'} quota{', one at a time' if workers == 1 else ''}", file=sys.stderr)
    both.set(accounts=accounts, quota=quota)
    with Server(function("refresh", "main.py" if quota else "sandbox/functions.py"), _environ(both, workers)) as server:
        server.ask(Request("/is-it-there", 404))
        _wait_for_window(quota)
        begun = time.perf_counter()
        body = json.loads(server.ask(Request("/", method="POST")))
        seconds = time.perf_counter() - begun
        failures = accounts - body["outcomes"].get("refreshed", 0)
        return Run(accounts, seconds, server.memory(), server.cpu(), failures, both.calls()["refused"])


def _environ(both: StandIns, workers: int) -> dict[str, str]:
    """Return an environment without the quota that the client keeps to."""
    limits = {"quota": 10**9, **({"workers": workers} if workers else {})}
    return {**both.environ, "KEEPER_LIMITS": json.dumps(limits)}


def _wait_for_window(quota: int) -> None:
    """Wait for the middle of the quota's fixed minute, so that every run starts under the same conditions."""
    if quota:
        time.sleep((30 - time.monotonic()) % 60)


def measure(both: StandIns) -> list[Figure]:
    one_at_a_time = run(both, SEQUENTIAL, workers=1).per_minute
    return [*_without_a_quota(both, one_at_a_time), *_within_googles_quota(both, one_at_a_time)]


def _without_a_quota(both: StandIns, one_at_a_time: float) -> list[Figure]:
    figures = []
    for accounts in (1, 10, 100, 1_000, 10_000):
        free = run(both, accounts)
        note = f"{written(free.per_minute)} a minute; {1000 * free.cpu / accounts:.1f} ms of CPU each, start included"
        name = f"{accounts:,} account{'s' if accounts > 1 else ''}, no quota"
        times, target = free.per_minute / one_at_a_time, 25 if accounts == 1_000 else None
        figures.append(Figure(GROUP, name, times, "x sequential", at_least=target, note=note))
    return figures


def _within_googles_quota(both: StandIns, one_at_a_time: float) -> list[Figure]:
    small, large = run(both, 100, quota=QUOTA), run(both, 1_000, quota=QUOTA)
    times, share = small.per_minute / one_at_a_time, 100 * large.per_minute / (QUOTA / WRITES)
    brief, long = f"in {small.seconds:.1f} s", f"{written(large.per_minute)} a minute, in {large.seconds:.0f} s"
    unit = "% of what the quota allows"
    return [
        Figure(GROUP, "100 accounts, Google's quota", times, "x sequential", at_least=8, note=brief),
        Figure(GROUP, "1,000 accounts, Google's quota", share, unit, at_least=95, note=long),
        Figure(GROUP, "RESOURCE_EXHAUSTED from Secret Manager meanwhile", large.refused, "calls"),
        Figure(GROUP, "accounts that failed meanwhile", large.failures, "accounts", 0),
    ]
