"""A short soak with fixed seeds, and the longest outages. `make soak` runs it for minutes.

A seed that once found something stays here.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from werkzeug.test import Client

import main
from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from soak.simulated_time import SimulatedClock
from token_keeper import web
from token_keeper.clients import Clients
from token_keeper.limits import Limits

ROOT = Path(__file__).parent.parent
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ALICE = "threads-token-alice"
FOR_GOOD = 10**9


@pytest.mark.parametrize("seed", [3, 12])
def test_nothing_is_lost_in_a_short_soak(seed: int) -> None:
    command = [sys.executable, "-m", "soak", "--seed", str(seed), "--accounts", "5", "--days", "60"]
    soak = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert "losses             0" in soak.stdout


def test_a_seed_replays_exactly() -> None:
    command = [sys.executable, "-m", "soak", "--seed", "8", "--accounts", "3", "--days", "30"]
    one, two = (subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120) for _ in range(2))
    assert counts(one.stdout) == counts(two.stdout) != []


def counts(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if not line.startswith(("seed", "took"))]


# Outages in simulated time, which every wait moves on


@pytest.fixture
def clock() -> Clock:
    return SimulatedClock(lambda: None)


@pytest.fixture
def refresh(settings: None, clock: Clock) -> Client:
    """The private function, with one worker: several would wait for each other in real time."""
    return Client(web.Application(main.Refresh(Clients(Limits(workers=1), clock))))


@pytest.fixture
def kept(threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client) -> str:
    """A keeper whose token of alice was refreshed just before an outage begins."""
    for name in ("bob", "dotted-name"):
        manager.set_labels(f"threads-token-{name}", {})
    manager.add(ALICE, threads.tokens.issue_long_lived("alice", age=3 * DAY))
    assert refresh.post("/").get_json()["outcomes"] == {"refreshed": 1}
    return manager.newest(ALICE)


def test_a_token_survives_59_days_without_threads(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    for call in ("refresh", "me", "debug"):
        threads.control.fail(call, "unavailable", times=None)
    daily_runs_end_with("retry_later", 59, clock, refresh)
    threads.control.clear_faults()
    assert refresh.post("/").get_json()["outcomes"] == {"refreshed": 1}
    assert threads.tokens.alive(manager.newest(ALICE))


def test_a_token_survives_59_days_without_secret_manager(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    manager.fail("ListSecrets", grpc.StatusCode.UNAVAILABLE, times=FOR_GOOD)
    for _ in range(59):
        clock.forward(DAY)
        assert refresh.post("/").status_code == 503
    manager.heal()
    assert refresh.post("/").get_json()["outcomes"] == {"refreshed": 1}
    assert threads.tokens.alive(manager.newest(ALICE))


def test_no_token_survives_60_days_and_a_second_without_threads(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    clock.forward(60 * DAY + SECOND)
    body = refresh.post("/").get_json()
    assert body["outcomes"] == {"sign_in_again": 1}
    assert manager.newest(ALICE) == kept
    assert not threads.tokens.alive(kept)


def test_a_token_is_refreshed_in_its_last_second(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    clock.forward(60 * DAY - SECOND)
    assert refresh.post("/").get_json()["outcomes"] == {"refreshed": 1}
    assert threads.tokens.alive(manager.newest(ALICE))


def test_a_new_token_survives_one_conflict_in_secret_manager_where_the_old_one_is_dead(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    threads.control.turn({"old_token_dies": True})
    clock.forward(DAY)
    manager.fail("AddSecretVersion", grpc.StatusCode.ABORTED)
    refresh.post("/")
    assert threads.tokens.alive(manager.newest(ALICE))


def test_a_new_token_is_stored_although_secret_manager_takes_nothing_for_a_quarter_of_an_hour(
    kept: str, threads: LocalThreads, manager: SecretManager, clock: Clock, refresh: Client
) -> None:
    threads.control.turn({"old_token_dies": True})
    clock.forward(DAY)
    begun = clock.now()
    manager.fail("AddSecretVersion", grpc.StatusCode.UNAVAILABLE, times=130)
    assert refresh.post("/").get_json()["outcomes"] == {"refreshed": 1}
    assert clock.now() - begun > timedelta(minutes=12)
    assert threads.tokens.alive(manager.newest(ALICE))


def daily_runs_end_with(outcome: str, days: int, clock: Clock, refresh: Client) -> None:
    for _ in range(days):
        clock.forward(DAY)
        assert refresh.post("/").get_json()["outcomes"] == {outcome: 1}
