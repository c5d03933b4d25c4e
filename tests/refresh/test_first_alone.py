"""A store that fails costs one account at most, and a run never answers while a token waits to be stored."""

from __future__ import annotations

import threading
import time
from itertools import groupby

import pytest
from grpc import StatusCode

from tests.refresh.test_many_accounts import describe_many
from tests.refresh.world import ALICE, ALICE_NAME, DAY, HOUR, World, account
from tests.support.app import serve
from tests.support.timing import allowed


@pytest.fixture
def dying(world: World) -> World:
    """A world in which a refresh ends the old token."""
    world.threads.control.turn({"old_token_dies": True})
    return world


def living(world: World) -> int:
    """Return how many accounts have a living token in an enabled version."""
    secrets = [f"threads-token-{person.username}" for person in world.threads.people if _exists(world, person.username)]
    return sum(any(world.threads.tokens.alive(p.decode()) for p in world.manager.payloads(s).values()) for s in secrets)


def _exists(world: World, username: str) -> bool:
    return username.startswith("user")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED"])
def test_a_store_that_fails_costs_one_account_and_not_forty(
    empty: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    empty.threads.control.turn({"old_token_dies": True})
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "2")
    describe_many(empty, 40, lambda n: 30)
    empty.manager.fail("AddSecretVersion", StatusCode[code], times=None)
    reply = serve("refresh", refusal_patience=60).post("/")
    assert reply.status_code in (500, 503)
    assert living(empty) >= 39
    empty.manager.heal()
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "60")
    outcomes = (serve("refresh").post("/").json or {})["outcomes"]
    assert outcomes["refreshed"] >= 39


def test_after_a_token_could_not_be_stored_accounts_go_one_by_one_until_one_is(empty: World) -> None:
    usernames = describe_many(empty, 12, lambda n: 30 + n)
    empty.manager.deny(["AddSecretVersion"], match=usernames[0])
    refresh = serve("refresh", workers=1)
    body = refresh.post("/").json or {}
    assert body["outcomes"] == {"misconfigured": 1, "refreshed": 11, "not_signed_in": 3}
    refreshed = [name for call, name in empty.threads.control.calls if call == "refresh"]
    assert refreshed[:2] == usernames[:2]
    # What failed goes last in the next run.
    empty.manager.deny([])
    empty.clock.forward(2 * DAY)
    empty.threads.control.calls.clear()
    assert (refresh.post("/").json or {})["outcomes"]["refreshed"] == 12
    assert [name for call, name in empty.threads.control.calls if call == "refresh"][-1] == usernames[0]


def test_after_tokens_could_not_be_stored_one_account_at_a_time_is_tried(empty: World) -> None:
    describe_many(empty, 9, lambda n: 30 + n)
    adds: list[str] = []

    def hook(method: str, resource: str, when: str) -> None:
        if (method, when) == ("AddSecretVersion", "before"):
            adds.append(resource)
            empty.manager.deny(["AddSecretVersion"] if len(adds) > 1 else [])

    empty.manager.on_call = hook
    body = serve("refresh", workers=3, refusal_patience=0.5).post("/").json or {}
    assert body["outcomes"] == {"refreshed": 1, "misconfigured": 8, "not_signed_in": 3}
    refreshed = {f"projects/demo/secrets/threads-token-{name}" for call, name in empty.threads.control.calls if name}
    assert len(refreshed) <= 1 + 3, "as many as were under way when the store began to refuse"
    later = [resource for resource in adds if resource not in refreshed]
    assert len(later) > len(set(later)) >= 5, "each is tried more than once"
    assert [name for name, _ in groupby(later)] == sorted(set(later)), "and no two at a time"


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_a_right_or_a_credential_that_is_late_loses_no_token(dying: World, code: str) -> None:
    dying.manager.fail("AddSecretVersion", StatusCode[code], times=3)
    assert serve("refresh", refusal_patience=30).post("/").status_code == 200
    assert dying.threads.tokens.alive(dying.manager.newest(ALICE))


def test_a_conflict_while_adding_is_no_definite_refusal(dying: World) -> None:
    dying.manager.fail("AddSecretVersion", StatusCode.ABORTED, times=3)
    assert serve("refresh", refusal_patience=0).post("/").status_code == 200
    assert dying.threads.tokens.alive(dying.manager.newest(ALICE))


def test_adding_goes_on_until_the_end_of_the_run(dying: World) -> None:
    dying.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=None)
    threading.Timer(4.0, dying.manager.heal).start()  # longer than any other call is repeated
    assert dying.run()["outcome"] == "refreshed"
    assert dying.threads.tokens.alive(dying.manager.newest(ALICE))


def test_a_definite_refusal_that_lasts_is_reported(dying: World) -> None:
    dying.manager.deny(["AddSecretVersion"])
    found = account(dying.refresh.post("/"))
    assert (found["outcome"], dying.problem()) == ("misconfigured", "misconfigured")
    assert "PERMISSION_DENIED" in found["detail"]


def test_a_run_answers_only_once_no_token_waits_to_be_stored(dying: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "4")
    dying.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=None)
    threading.Timer(3.3, dying.manager.heal).start()  # after the last account has begun
    started = time.monotonic()
    assert serve("refresh", call_timeout=0.5).post("/").status_code == 200
    assert time.monotonic() - started > 3.2
    assert dying.threads.tokens.alive(dying.manager.newest(ALICE))


def test_an_account_whose_turn_comes_in_the_last_fifth_of_the_budget_is_not_begun(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usernames = describe_many(empty, 4, lambda n: 30 + n)
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "3")
    empty.manager.fail("AddSecretVersion", None, delay=2.5)
    reply = empty.refresh.post("/")
    assert [account(reply, name)["outcome"] for name in usernames] == ["refreshed", *["retry_later"] * 3]
    assert empty.calls().count("refresh") == 1


def test_accounts_that_nobody_signed_in_to_wait_for_no_turn(empty: World) -> None:
    for n in range(60):
        empty.manager.create(f"threads-token-nobody{n}", labels={"managed-by": "threads-token-keeper"})
    empty.manager.fail("ListSecretVersions", None, times=None, delay=0.2)
    started = time.monotonic()
    assert (empty.refresh.post("/").json or {})["outcomes"] == {"not_signed_in": 63}
    assert time.monotonic() - started < allowed(3)


def test_the_next_account_is_not_kept_waiting_by_one_that_asks_nothing_of_threads(world: World) -> None:
    world.manager.create("threads-token-aaa", labels={"managed-by": "threads-token-keeper"})
    world.manager.add("threads-token-aaa", "this is no token")
    world.clock.forward(HOUR)
    reply = world.refresh.post("/")
    assert account(reply, "aaa")["outcome"] == "misconfigured"
    assert account(reply)["outcome"] == "refreshed"
    assert ALICE_NAME in account(reply)["version"]


def test_a_store_that_still_fails_loses_no_token_of_the_next_run(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.threads.control.turn({"old_token_dies": True})
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "2")
    describe_many(empty, 10, lambda n: 30)
    empty.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=None)
    refresh = serve("refresh")
    for _ in range(3):
        assert refresh.post("/").status_code == 503
    assert living(empty) >= 9
    empty.manager.heal()
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "60")
    assert (refresh.post("/").json or {})["outcomes"]["refreshed"] >= 9
