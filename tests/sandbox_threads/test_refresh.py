"""The refresh of a long-lived token, and its conditions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, debug, error, get, me, refresh


def test_refresh_gives_a_new_token_of_60_days_and_leaves_the_old_one_alive(threads: LocalThreads, clock: Clock) -> None:
    old = threads.tokens.issue_long_lived("alice")
    clock.forward(DAY)
    reply = refresh(threads, old)
    assert reply.json() == {"access_token": "THalice-2", "token_type": "bearer", "expires_in": 5184000}
    assert me(threads, old).status_code == 200
    clock.forward(timedelta(days=59, hours=23))
    assert error(me(threads, old)) == (190, 463)
    assert me(threads, "THalice-2").status_code == 200


def test_refresh_may_return_the_same_string(threads: LocalThreads) -> None:
    threads.control.switches.same_string = True
    old = threads.tokens.issue_long_lived("alice", age=59 * DAY)
    assert refresh(threads, old).json()["access_token"] == old
    threads.clock.forward(59 * DAY)
    assert me(threads, old).status_code == 200


def test_refresh_may_end_the_old_token(threads: LocalThreads) -> None:
    threads.control.switches.old_token_dies = True
    old = threads.tokens.issue_long_lived("alice", age=DAY)
    new = refresh(threads, old).json()["access_token"]
    assert error(me(threads, old)) == (190, 467)
    assert me(threads, new).status_code == 200


def test_a_token_under_a_day_old_is_refused_in_the_shape_that_is_switched(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice", age=timedelta(hours=23, minutes=59))
    assert error(refresh(threads, token)) == (100, None)
    threads.control.turn({"too_young_code": 24, "too_young_subcode": 7})
    assert error(refresh(threads, token)) == (24, 7)
    threads.control.turn({"too_young_shape": 4, "too_young_status": 403})
    reply = refresh(threads, token)
    assert reply.status_code == 403
    assert reply.json()["error"] == "invalid_grant"
    threads.clock.forward(timedelta(minutes=1))
    assert refresh(threads, token).status_code == 200
    assert refresh(threads, "THalice-2").status_code == 403


def test_what_cannot_be_refreshed_is_refused(threads: LocalThreads) -> None:
    issue = threads.tokens.issue_long_lived
    expired = refresh(threads, issue("alice", age=60 * DAY))
    assert error(expired) == (190, 463)
    assert expired.json()["error"]["message"].startswith("Error validating access token: Session has expired on")
    assert error(refresh(threads, issue("alice", age=2 * DAY, scopes=["threads_content_publish"]))) == (10, None)
    threads.control.switches.too_young_code = 7
    assert error(refresh(threads, threads.tokens.issue_short_lived("alice"))) == (100, None)
    assert error(refresh(threads, "made-up")) == (190, None)
    assert error(refresh(threads, "")) == (104, None)
    assert error(get(threads, "/refresh_access_token", access_token=issue("alice", age=2 * DAY))) == (100, None)


@pytest.mark.parametrize(("username", "status"), [("alice", 200), ("bob", 400)])
def test_refresh_renews_the_grant_of_a_public_profile_only(threads: LocalThreads, username: str, status: int) -> None:
    token = threads.tokens.issue_long_lived(username)
    for _ in range(2):
        threads.clock.forward(46 * DAY)
        token = refresh(threads, token).json()["access_token"]
    reply = me(threads, token)
    assert reply.status_code == status
    if status == 400:
        assert error(reply) == (10, None)
        assert debug(threads, token).json()["data"]["is_valid"] is True
        threads.clock.forward(DAY)
        assert refresh(threads, token).status_code == 200
