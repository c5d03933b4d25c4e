"""The faults that a test can ask for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, call_all, debug, exchange_code, exchange_token, fresh_code, me, refresh
from tests.support.timing import allowed


@pytest.mark.parametrize(
    ("name", "status", "code", "subcode"),
    [
        ("unknown_error", 500, 1, None),
        ("unavailable", 503, 2, None),
        ("throttled", 400, 4, None),
        ("throttled_17", 400, 17, None),
        ("throttled_32", 400, 32, None),
        ("throttled_341", 400, 341, None),
        ("throttled_613", 400, 613, None),
        ("retry_after", 429, 4, None),
        ("blocked", 400, 368, None),
        ("app_removed", 400, 190, 458),
        ("checkpoint", 400, 190, 459),
        ("password_changed", 400, 190, 460),
        ("expired", 400, 190, 463),
        ("unconfirmed", 400, 190, 464),
        ("invalidated", 400, 190, 467),
        ("session_492", 400, 190, 492),
        ("session", 400, 102, None),
        ("unauthorized", 401, 190, None),
        ("permission", 400, 10, None),
        ("permission_200", 403, 200, None),
        ("permission_299", 403, 299, None),
        ("bad_app", 400, 101, None),
        ("bad_secret", 400, 1, None),
        ("redirect_uri_191", 400, 191, None),
        ("no_resource", 400, 24, None),
        ("no_resource_100", 400, 100, None),
    ],
)
def test_every_class_of_error_can_be_asked_for_in_every_shape(
    threads: LocalThreads, name: str, status: int, code: int, subcode: int | None
) -> None:
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    replies = []
    for shape in (1, 2, 3, 4):
        threads.control.fail("refresh", name, shape=shape)
        replies.append(refresh(threads, token))
    assert [reply.status_code for reply in replies] == [status] * 4
    one, two, three, four = (reply.json() for reply in replies)
    assert (one["code"], set(one)) == (status, {"error_type", "code", "error_message"})
    assert (two["error"]["code"], two["error"].get("error_subcode")) == (code, subcode)
    assert {"message", "type", "fbtrace_id"} < set(two["error"])
    assert (three["error_code"], set(three)) == (code, {"error_message", "error_code"})
    assert set(four) == {"error", "error_description"}
    assert refresh(threads, token).json()["access_token"] == "THalice-2"


def test_a_transient_error_says_so_and_429_says_when_to_come_back(threads: LocalThreads) -> None:
    threads.control.fail("me", "transient_flag")
    threads.control.fail("me", "retry_after")
    assert me(threads, "x").json()["error"]["is_transient"] is True
    assert me(threads, "x").headers["Retry-After"] == "30"


def test_a_fault_comes_as_often_as_asked_for_whom_it_was_asked(threads: LocalThreads) -> None:
    hers, his = threads.tokens.issue_long_lived("alice"), threads.tokens.issue_long_lived("bob")
    threads.control.fail("me", "unavailable", times=2, username="alice")
    threads.control.fail("debug", "html_502", times=None)
    assert me(threads, his).status_code == 200
    assert [me(threads, hers).status_code for _ in range(3)] == [503, 503, 200]
    assert [debug(threads, his).status_code for _ in range(3)] == [502, 502, 502]
    threads.control.clear_faults()
    assert debug(threads, his).status_code == 200


@pytest.mark.parametrize("call", ["authorize", "exchange_code", "exchange_token", "refresh", "me", "debug", "probe"])
def test_every_call_can_fail_alone_and_is_written_down(threads: LocalThreads, call: str) -> None:
    threads.control.fail(call, "unavailable", times=None)
    assert call_all(threads) == {name: 503 if name == call else 200 for name in call_all(threads)}
    assert threads.control.calls[:7] == [
        ("authorize", None),
        ("exchange_code", "alice"),
        ("exchange_token", "alice"),
        ("refresh", "alice"),
        ("me", "alice"),
        ("debug", "alice"),
        ("probe", None),
    ]


def test_replies_that_look_well_and_are_not(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    for name in ("error_in_200", "no_token", "html", "html_502", "empty", "redirect"):
        threads.control.fail("refresh", name)
    in_200, no_token, html, html_502, empty, elsewhere = (refresh(threads, token) for _ in range(6))
    assert (in_200.status_code, in_200.json()["error"]["code"]) == (200, 190)
    assert (no_token.status_code, "access_token" in no_token.json()) == (200, False)
    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (html_502.status_code, html_502.text[:15]) == (502, "<!doctype html>")
    assert (empty.status_code, empty.content) == (200, b"")
    assert (elsewhere.status_code, elsewhere.headers["Location"]) == (302, "/sandbox/elsewhere")
    assert threads.tokens.by_username()["alice"][-1].value == token


def test_whoever_follows_a_redirect_is_seen(threads: LocalThreads) -> None:
    threads.control.fail("me", "redirect")
    requests.get(threads.url + "/v1.0/me", timeout=5)
    assert threads.control.calls == [("me", None), ("elsewhere", None)]


def test_a_truncated_and_a_lost_reply_come_after_the_deed(threads: LocalThreads) -> None:
    threads.control.switches.old_token_dies = True
    first, second = (threads.tokens.issue_long_lived(name, age=DAY) for name in ("alice", "bob"))
    threads.control.fail("refresh", "truncated")
    threads.control.fail("refresh", "lost_reply")
    with pytest.raises(requests.JSONDecodeError):
        refresh(threads, first).json()
    with pytest.raises(requests.ConnectionError):
        refresh(threads, second)
    assert [threads.tokens.alive(token) for token in (first, second, "THalice-2", "THbob-2")] == [
        False,
        False,
        True,
        True,
    ]


def test_a_lost_reply_to_the_code_exchange_has_spent_the_code(threads: LocalThreads) -> None:
    code = fresh_code(threads)
    threads.control.fail("exchange_code", "lost_reply")
    with pytest.raises(requests.ConnectionError):
        exchange_code(threads, code)
    assert "already used" in exchange_code(threads, code).json()["error_message"]


def test_a_delayed_a_dripping_and_a_hanging_answer(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    threads.control.fail("me", "delay", seconds=0.3)
    before = time.monotonic()
    assert me(threads, token).status_code == 200
    assert time.monotonic() - before > 0.29

    threads.control.fail("me", "drip", seconds=0.02)
    before = time.monotonic()
    assert me(threads, token).json()["username"] == "alice"
    assert time.monotonic() - before > 0.02 * 40

    threads.control.fail("me", "hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(threads.url + "/me", timeout=0.3)
    assert me(threads, token).status_code == 200


def test_stopping_lets_go_of_calls_that_hang_drip_or_wait(clock: Clock) -> None:
    with ThreadPoolExecutor(3) as pool:
        with LocalThreads(clock) as threads:
            for name in ("hang", "drip", "delay"):
                threads.control.fail("me", name, seconds=60)
            waiting = [pool.submit(lambda: requests.get(threads.url + "/me", timeout=20)) for _ in range(3)]
            while len(threads.control.calls) < 3:
                time.sleep(0.01)
            before = time.monotonic()
        assert time.monotonic() - before < allowed(1)
        for one in waiting:
            one.exception(timeout=5)
        assert time.monotonic() - before < allowed(2)


def test_a_reply_may_be_about_another_person(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    for call in ("refresh", "me", "debug", "exchange_code", "exchange_token"):
        threads.control.fail(call, "another_person")
    other = refresh(threads, token).json()["access_token"]
    assert threads.tokens.owner(other) == "mallory"
    assert me(threads, token).json() == {"id": "17841405793187009", "username": "mallory"}
    assert debug(threads, token).json()["data"]["user_id"] == "17841405793187009"
    assert exchange_code(threads, fresh_code(threads)).json()["user_id"] == 17841405793187009
    long_lived = exchange_token(threads, threads.tokens.issue_short_lived("alice")).json()["access_token"]
    assert me(threads, long_lived).json()["username"] == "mallory"
    assert me(threads, token).json()["username"] == "alice"


def test_a_refresh_may_give_a_short_lived_token(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    threads.control.fail("refresh", "short_lived")
    reply = refresh(threads, token).json()
    assert reply == {"access_token": "THalice-short-1", "token_type": "bearer", "expires_in": 3600}
    data = debug(threads, "THalice-short-1").json()["data"]
    assert data["expires_at"] - data["issued_at"] == 3600


@pytest.mark.parametrize(
    "wanted",
    [
        {"call": "nothing", "fault": "expired"},
        {"call": "refresh", "fault": "nothing"},
        {"call": "probe", "fault": "another_person"},
        {"call": "refresh", "fault": "expired", "shape": 5},
        {"call": "refresh", "fault": "expired", "times": 0},
        {"call": "refresh", "fault": "expired", "status": 99},
        {"call": "refresh", "fault": "delay", "seconds": -1},
        {"call": "refresh", "fault": "expired", "colour": "red"},
    ],
)
def test_a_fault_that_cannot_be_is_400_and_sets_nothing(threads: LocalThreads, wanted: dict[str, Any]) -> None:
    reply = requests.post(threads.url + "/sandbox/faults", json=wanted, timeout=5)
    assert reply.status_code == 400
    assert reply.json()["error"]
    assert threads.control.faults == []
