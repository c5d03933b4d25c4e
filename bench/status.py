"""Measure the status page, which a person waits for: with many accounts, and with many that nobody signed in to."""

from __future__ import annotations

from bench.figures import Figure
from bench.process import Request, Server, function
from bench.stand_ins import STORE_DELAY, StandIns
from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager

GROUP = "Status page"
PAGE = Request("/", headers={"Accept": "text/html"})
LIMIT = 3  # seconds


def measure(both: StandIns) -> list[Figure]:
    both.set(accounts=10_000)
    with Server(function("refresh"), both.environ) as server:
        server.ask(Request("/is-it-there", 404))
        signed_in = server.timed(PAGE)
    both.set()
    return [
        Figure(GROUP, "150 accounts that nobody signed in to", _nobody(both, 150), "s", LIMIT, note="one read each"),
        Figure(GROUP, "10,000 accounts", signed_in, "s", LIMIT, note="the first page of 200"),
    ]


def _nobody(both: StandIns, accounts: int) -> float:
    with SecretManager(Clock()) as manager:
        for number in range(accounts):
            manager.create(f"threads-token-nobody{number}", labels={"managed-by": "threads-token-keeper"})
        manager.fail("ListSecretVersions", None, times=None, delay=STORE_DELAY)
        local = {"SECRET_MANAGER_EMULATOR_HOST": manager.address}
        with Server(function("refresh"), both.environ | local) as server:
            server.ask(Request("/is-it-there", 404))
            return server.timed(PAGE)
