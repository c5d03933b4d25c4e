"""Count the remote calls for each account, with the sandbox's Threads and Secret Manager."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from bench.figures import Figure
from bench.process import Request, Server, function
from bench.stand_ins import StandIns
from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.secret_manager.service import METHODS
from sandbox.threads.server import LocalThreads
from token_keeper.account import Facts

GROUP = "Remote calls"
ACCOUNTS = 20
AGE = timedelta(days=2)


def measure(both: StandIns) -> list[Figure]:
    clock = Clock()
    with LocalThreads(clock) as threads, SecretManager(clock) as manager:
        _prepare(clock, threads, manager)
        local = {"THREADS_API_URL": threads.url, "SECRET_MANAGER_EMULATOR_HOST": manager.address}
        with Server(function("refresh"), both.environ | local) as server:
            refreshed = _counted(server, threads, manager)
            young = _counted(server, threads, manager)
    at_most = {"write": 3, "read": 2, "access": 1, "Threads": 3}
    names = {"write": "writes", "read": "reads", "access": "accesses", "Threads": "calls of Threads"}
    figures = [
        Figure(GROUP, f"{names[kind]}, a refreshed account", refreshed[kind] / ACCOUNTS, "calls", limit)
        for kind, limit in at_most.items()
    ]
    figures.append(Figure(GROUP, "all, a young account", sum(young[kind] for kind in at_most), "calls", 0))
    figures.append(Figure(GROUP, f"listing {ACCOUNTS} accounts", young["listing"], "calls"))
    return figures


def _prepare(clock: Clock, threads: LocalThreads, manager: SecretManager) -> None:
    """Add accounts that are due, as earlier runs leave them: two enabled versions, the newer one described."""
    for number in range(ACCOUNTS):
        username = f"user{number}"
        person = threads.people.add(username)
        token = threads.tokens.issue_long_lived(username, age=AGE)
        made, now = clock.now() - AGE, clock.now()
        facts = Facts(2, made, now + timedelta(days=58), now + timedelta(days=88), ("threads_basic",))
        secret = f"threads-token-{username}"
        labels = {"managed-by": "threads-token-keeper", "threads-user-id": person.id}
        manager.create(secret, labels=labels, annotations=facts.annotations(username))
        for payload in ("THAA-an-older-one", token):
            manager.add(secret, payload)


def _counted(server: Server, threads: LocalThreads, manager: SecretManager) -> Counter[str]:
    """Run one refresh and return the number of its calls by kind."""
    manager.calls.clear()
    threads.control.calls.clear()
    server.ask(Request("/", method="POST"))
    kinds = ["listing" if method == "ListSecrets" else METHODS[method] for method, _ in manager.calls]
    return Counter([*kinds, *("Threads" for _ in threads.control.calls)])
