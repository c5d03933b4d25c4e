"""A run over many accounts ends within its budget, and begins with the tokens that expire first."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from grpc import StatusCode

from tests.refresh.world import DAY, KEEPER, World, lines
from tests.support.app import serve
from tests.support.timing import allowed


def describe_many(world: World, count: int, expires_in_days: Callable[[int], int]) -> list[str]:
    """Add accounts whose tokens are due, described, and expire in the days that the function returns."""
    usernames = [f"user{n:02}" for n in range(count)]
    for n, username in enumerate(usernames):
        person = world.threads.people.add(username)
        token = world.threads.tokens.issue_long_lived(username, age=2 * DAY)
        expires_at = world.clock.now() + expires_in_days(n) * DAY
        world.manager.create(
            f"threads-token-{username}",
            labels=KEEPER | {"threads-user-id": person.id},
            annotations={
                "version": "1",
                "refreshed-at": f"{world.clock.now() - 3 * DAY:%Y-%m-%dT%H:%M:%SZ}",
                "expires-at": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            },
        )
        world.manager.add(f"threads-token-{username}", token)
    return usernames


def test_several_accounts_are_refreshed_at_the_same_time(empty: World) -> None:
    describe_many(empty, 20, lambda n: 30)
    empty.threads.control.fail("refresh", "delay", times=None, seconds=0.2)
    started = time.monotonic()
    reply = empty.refresh.post("/")
    assert reply.status_code == 200
    assert time.monotonic() - started < allowed(2)


@pytest.fixture
def a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has one second, each call of Threads has 1.5 seconds, and no call is repeated."""
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")


@pytest.mark.usefixtures("a_second")
def test_a_run_ends_within_its_budget_and_begins_with_what_expires_first(empty: World) -> None:
    usernames = describe_many(empty, 70, lambda n: 15 + (n * 37) % 70)
    soonest_first = sorted(usernames, key=lambda username: 15 + (int(username[4:]) * 37) % 70)
    empty.threads.control.fail("refresh", "hang", times=None)
    started = time.monotonic()
    reply = empty.refresh.post("/")
    assert time.monotonic() - started < allowed(1.4)
    assert reply.status_code == 503
    assert reply.json is not None
    assert reply.json["outcomes"] == {"retry_later": 70, "not_signed_in": 3}
    assert [one["username"] for one in reply.json["accounts"]] == sorted(["alice", "bob", "dotted.name", *usernames])
    assert {username for call, username in empty.threads.control.calls} == {soonest_first[0]}, "the first goes alone"
    time.sleep(0.8)  # until the calls that hang have ended


def test_no_account_is_begun_in_the_last_fifth_of_the_budget(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "3")
    describe_many(empty, 40, lambda n: 30)
    empty.threads.control.fail("refresh", "delay", times=None, seconds=1.25)
    reply = serve("refresh").post("/")
    assert reply.json is not None
    assert empty.calls().count("refresh") == 1 + 32, "the first, and then as many as there are workers"


@pytest.mark.usefixtures("a_second")
def test_a_token_near_its_end_that_the_run_did_not_reach_is_an_error(
    empty: World, capsys: pytest.CaptureFixture[str]
) -> None:
    usernames = describe_many(empty, 40, lambda n: 10)
    empty.threads.control.fail("refresh", "hang", times=None)
    empty.refresh.post("/")
    told = {line["username"] for line in lines(capsys) if line["severity"] == "ERROR"}
    time.sleep(0.8)  # until the calls that hang have ended
    assert told == set(usernames)


def test_a_listing_that_hangs_ends_within_the_budget(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")
    empty.manager.fail("ListSecrets", StatusCode.UNAVAILABLE, times=3, delay=0.9)
    started = time.monotonic()
    assert empty.refresh.post("/").status_code == 503
    assert time.monotonic() - started < allowed(2)
