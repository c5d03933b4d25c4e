"""The client respects the rate limits of Threads."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from tests.threads_client.server import GOOD, TOKEN, client_of, http, serving, shape_2
from token_keeper.errors import KeeperError, ThreadsUnavailable, Throttled
from token_keeper.limits import Limits
from token_keeper.rate_limit import RateLimit
from token_keeper.refusals import Reply
from token_keeper.threads import ThreadsClient

LIMITED = http(shape_2(4), 400)
THROTTLED, GOOD_REPLY = Reply(400, b'{"error": {"code": 4}}'), Reply(200, b'{"id": "1"}')


class Hours:
    """A clock whose hours pass at once."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Wire:
    """A wire that answers with these replies in order, the last one for good, and counts the calls."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.calls = list(replies), 0

    def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply:
        self.calls += 1
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def asked(client: ThreadsClient, times: int = 1) -> list[type[Exception] | None]:
    """Ask for a profile several times, and return the outcomes."""
    found: list[type[Exception] | None] = []
    for _ in range(times):
        try:
            client.me(TOKEN)
            found.append(None)
        except KeeperError as error:
            found.append(type(error))
    return found


def test_after_three_refusals_in_a_row_nothing_is_asked_any_more() -> None:
    wire, clock = Wire(THROTTLED), Hours()
    client = ThreadsClient(wire, Limits(), clock).until(inf)
    assert asked(client, 40) == [Throttled] * 40
    assert wire.calls == 3
    clock.sleep(Limits().throttled_pause + 1)
    asked(client)
    assert wire.calls == 4


def test_a_success_between_them_begins_the_count_anew() -> None:
    wire = Wire(THROTTLED, THROTTLED, GOOD_REPLY, THROTTLED, THROTTLED, GOOD_REPLY)
    assert asked(ThreadsClient(wire, Limits(), Hours()), 9) == [Throttled, Throttled, None] * 2 + [None] * 3


def test_a_new_run_begins_the_count_anew_and_still_keeps_to_what_threads_asked_for() -> None:
    wire, clock = Wire(THROTTLED), Hours()
    client = ThreadsClient(wire, Limits(), clock)
    asked(client.until(inf), 9)
    asked(client.until(inf), 9)
    assert wire.calls == 6
    wire.replies = [THROTTLED._replace(retry_after="3600")]
    assert asked(client.until(inf), 40) == [Throttled] * 40
    assert asked(client.until(inf), 40) == [Throttled] * 40
    assert wire.calls == 7
    clock.sleep(3601)
    asked(client)
    assert wire.calls == 8


@pytest.mark.parametrize(("status", "first"), [(400, ThreadsUnavailable), (429, Throttled), (503, ThreadsUnavailable)])
def test_any_refusal_may_ask_to_wait_and_is_not_asked_again_before(status: int, first: type[Exception]) -> None:
    wire = Wire(Reply(status, b'{"error": {"code": 2}}', "3600"))
    assert asked(ThreadsClient(wire, Limits(), Hours()), 5) == [first, *[Throttled] * 4]
    assert wire.calls == 1


@pytest.mark.parametrize("body", [b'{"error": {"code": 99999}}', b"{}", b"<!doctype html>", b""])
def test_a_refusal_that_says_nothing_but_to_wait_is_a_limit(body: bytes) -> None:
    wire = Wire(Reply(403, body, "3600"))
    assert asked(ThreadsClient(wire, Limits(), Hours()), 5) == [Throttled] * 5
    assert wire.calls == 1


def test_the_longest_pause_counts_that_calls_made_at_the_same_time_were_asked_for() -> None:
    clock = Hours()
    limit = RateLimit(clock, in_a_row=3, pause=1800.0)
    with suppress(Throttled), limit:
        with suppress(Throttled), limit:
            raise Throttled("Wait for an hour.", 3600)
        raise Throttled("Wait for a minute.", 60)
    clock.sleep(3599)
    with pytest.raises(Throttled), limit:
        pytest.fail("It is asked before the hour is over.")
    clock.sleep(1)
    with limit:
        pass


@pytest.mark.parametrize("seconds", ["999999999", "9" * 12, "9" * 400, " 3600000 "])
def test_no_pause_is_longer_than_a_day(seconds: str) -> None:
    wire, clock = Wire(THROTTLED._replace(retry_after=seconds), GOOD_REPLY), Hours()
    client = ThreadsClient(wire, Limits(), clock)
    assert asked(client, 2) == [Throttled] * 2
    clock.sleep(24 * 3600 + 1)
    assert asked(client) == [None]


@pytest.mark.parametrize(
    "nonsense", ["", " ", "0", "-5", "soon", "1.5", "1e9", "120, 120", "Mon, 01 Jan 2001 00:00:00 GMT"]
)
def test_a_retry_after_that_asks_for_no_pause_is_none(nonsense: str) -> None:
    wire = Wire(THROTTLED._replace(retry_after=nonsense), GOOD_REPLY)
    assert asked(ThreadsClient(wire, Limits(), Hours()), 2) == [Throttled, None]


def test_a_date_in_retry_after_is_kept_to_over_a_real_connection() -> None:
    limited = http(shape_2(4), 429, "Retry-After: Fri, 31 Dec 2199 23:59:59 GMT")
    with serving(limited, http(GOOD)) as server:
        client = client_of(server.url)
        for _ in range(3):
            with pytest.raises(Throttled):
                client.refresh_token(TOKEN)
        assert len(server.requests) == 1


def test_a_client_whose_time_is_over_asks_nothing() -> None:
    wire, clock = Wire(GOOD_REPLY), Hours()
    client = ThreadsClient(wire, Limits(), clock).until(10.0)
    assert asked(client) == [None]
    clock.sleep(10)
    assert asked(client) == [ThreadsUnavailable]
    assert wire.calls == 1
