"""Faults that a test makes up: any error, any header, for one token, and replies that lack what is usual."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, debug, get, me, refresh


def test_an_error_may_be_made_up_for_a_test_with_headers_of_its_own(threads: LocalThreads) -> None:
    text = "API access deactivated. To reactivate, go to the app dashboard."
    threads.control.fail(
        "me", "custom", code=200, subcode=9, type="X", message=text, status=403, headers={"Retry-After": "3600"}
    )
    reply = me(threads, "x")
    assert (reply.status_code, reply.headers["Retry-After"]) == (403, "3600")
    error = {"message": text, "type": "X", "code": 200, "error_subcode": 9, "fbtrace_id": "ALocalThreadsTraceId000"}
    assert reply.json() == {"error": error}
    threads.control.fail("me", "custom", shape=1, status=400, message="Invalid platform app")
    assert me(threads, "x").json() == {
        "error_type": "OAuthException",
        "code": 400,
        "error_message": "Invalid platform app",
    }


def test_a_named_error_may_be_changed(threads: LocalThreads) -> None:
    threads.control.fail("me", "throttled", code=80002, headers={"Retry-After": "60"})
    reply = me(threads, "x")
    assert (reply.json()["error"]["code"], reply.headers["Retry-After"]) == (80002, "60")
    assert reply.json()["error"]["type"] == "THApiException"


def test_a_fault_may_be_for_one_token_or_for_the_newest_of_its_owner(threads: LocalThreads) -> None:
    first, second = (threads.tokens.issue_long_lived("alice", age=DAY) for _ in range(2))
    threads.control.fail("me", "expired", times=None, token="ice-1")
    assert [me(threads, token).status_code for token in (first, second)] == [400, 200]
    threads.control.clear_faults()
    threads.control.fail("me", "no_resource_100", times=None, token="newest")
    threads.control.fail("debug", "permission", times=None, token="newest")
    assert [me(threads, token).status_code for token in (first, second)] == [200, 400]
    assert [debug(threads, token, by=second).status_code for token in (first, second)] == [200, 400]
    third = refresh(threads, second).json()["access_token"]
    assert [me(threads, token).status_code for token in (first, second, third)] == [200, 200, 400]
    other = threads.tokens.issue_long_lived("bob")
    threads.control.clear_faults()
    threads.control.fail("me", "expired", times=None, token="newest", username="alice")
    assert [me(threads, token).status_code for token in (second, third, other)] == [200, 400, 200]


def test_no_fault_shows_more_of_its_token_than_the_last_four_characters(threads: LocalThreads) -> None:
    threads.control.fail("me", "expired", token=threads.tokens.issue_long_lived("dotted.name"))
    assert get(threads, "/sandbox/state").json()["faults"][0]["token"] == "me-1"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_reply_may_lack_what_is_usual_or_write_it_otherwise(threads: LocalThreads, wrapped: bool) -> None:
    threads.control.turn({"wrapped": wrapped})
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    for call, name in (("refresh", "float_lifetime"), ("refresh", "no_lifetime"), ("me", "no_username")):
        threads.control.fail(call, name)
    inner = (lambda body: body["data"][0]) if wrapped else (lambda body: body)
    assert '"expires_in": 5184000.0' in refresh(threads, token).text
    assert set(inner(refresh(threads, token).json())) == {"access_token", "token_type"}
    assert set(inner(get(threads, "/me", fields="id,username", access_token=token).json())) == {"id"}
    threads.control.fail("refresh", "no_lifetime")
    assert refresh(threads, "THunknown").json()["error"]["code"] == 190


def test_an_inspection_may_fail_and_call_the_token_invalid(threads: LocalThreads) -> None:
    threads.control.fail("debug", "not_inspected")
    token = threads.tokens.issue_long_lived("alice")
    replies = [get(threads, "/debug_token", access_token=token, input_token=token).json()["data"] for _ in range(2)]
    assert [data["is_valid"] for data in replies] == [False, True]
    assert replies[0]["error"]["code"] == 100
    with pytest.raises(ValueError, match="does not fit"):
        threads.control.fail("me", "not_inspected")


@pytest.mark.parametrize(
    "details",
    [
        *({"code": "4"}, {"code": True}, {"subcode": 1.5}, {"message": ""}, {"token": 5}, {"type": 1}),
        *({"headers": {"Retry-After": 5}}, {"headers": {"X": "a\r\nY: b"}}, {"headers": "Retry-After: 5"}),
    ],
)
def test_a_fault_that_could_not_be_sent_is_refused(threads: LocalThreads, details: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        threads.control.fail("me", "custom", **details)
    given = {"call": "me", "fault": "custom", "shape": 7}
    assert requests.post(threads.url + "/sandbox/faults", json=given, timeout=5).status_code == 400
    assert threads.control.faults == []
