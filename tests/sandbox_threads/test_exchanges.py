"""The exchange of a code for a short-lived token, and of that for a long-lived one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, CALLBACK, SECRET, error, exchange_code, exchange_token, fresh_code, get


def test_a_code_becomes_a_short_lived_token_with_a_numeric_user_id_above_2_to_53(threads: LocalThreads) -> None:
    reply = exchange_code(threads, fresh_code(threads))
    assert reply.status_code == 200
    assert reply.json() == {"access_token": "THalice-short-1", "user_id": 17841405793187001}
    assert int(float(reply.json()["user_id"])) != reply.json()["user_id"]
    threads.control.switches.code_user_id_is_string = True
    assert exchange_code(threads, fresh_code(threads)).json()["user_id"] == "17841405793187001"


def test_a_code_works_once(threads: LocalThreads) -> None:
    code = fresh_code(threads)
    assert exchange_code(threads, code).status_code == 200
    again = exchange_code(threads, code)
    assert again.status_code == 400
    assert again.json() == {
        "error_type": "OAuthException",
        "code": 400,
        "error_message": "Matching code was not found or was already used",
    }


def test_two_at_once_with_one_code_get_one_token(threads: LocalThreads) -> None:
    code = fresh_code(threads)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: exchange_code(threads, code).status_code, range(8)))
    assert sorted(statuses) == [200] + [400] * 7


def test_a_code_lives_for_an_hour(threads: LocalThreads, clock: Clock) -> None:
    early, late = fresh_code(threads), fresh_code(threads)
    clock.forward(timedelta(minutes=59))
    assert exchange_code(threads, early).status_code == 200
    clock.forward(timedelta(minutes=1))
    assert "Matching code" in exchange_code(threads, late).json()["error_message"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"redirect_uri": CALLBACK + "/"}, "redirect_uri"),
        ({"client_secret": "wrong"}, "client secret"),
        ({"client_id": "1010101010101010"}, "incompatible"),
        ({"client_id": "555"}, "validating application"),
        ({"grant_type": "client_credentials"}, "Invalid parameter"),
        ({"code": "made-up"}, "Matching code was not found"),
    ],
)
def test_a_code_exchange_that_differs_from_the_request_is_refused(
    threads: LocalThreads, changes: dict[str, str], told: str
) -> None:
    reply = exchange_code(threads, fresh_code(threads), **changes)
    assert reply.status_code == 400
    assert told in reply.text
    assert "access_token" not in reply.text


def test_a_short_lived_token_becomes_one_of_60_days(threads: LocalThreads) -> None:
    short = threads.tokens.issue_short_lived("alice")
    reply = exchange_token(threads, short)
    assert reply.json() == {"access_token": "THalice-1", "token_type": "bearer", "expires_in": 5184000}
    threads.control.switches.expires_in = 5183944
    assert exchange_token(threads, short).json()["expires_in"] == 5183944


def test_the_long_lived_exchange_wants_the_secret_and_a_living_short_lived_token(
    threads: LocalThreads, clock: Clock
) -> None:
    short, long = threads.tokens.issue_short_lived("alice"), threads.tokens.issue_long_lived("alice")
    wrong = exchange_token(threads, short, secret="wrong")
    assert "client secret" in wrong.json()["error"]["message"]
    assert error(wrong) == (1, None)
    assert error(exchange_token(threads, long)) == (100, None)
    clock.forward(timedelta(hours=1))
    assert error(exchange_token(threads, short)) == (190, 463)
    assert error(exchange_token(threads, "made-up")) == (190, None)


def test_the_probe_tells_whether_app_id_and_secret_belong_together(threads: LocalThreads) -> None:
    query = {"client_id": APP, "client_secret": SECRET, "grant_type": "client_credentials"}
    reply = get(threads, "/oauth/access_token", **query).json()
    assert reply["access_token"].startswith("TH|1234567890|")
    assert reply["token_type"] == "bearer"
    wrong = get(threads, "/oauth/access_token", **query | {"client_secret": "wrong"})
    assert wrong.json()["error"]["message"] == "Error validating client secret."
    assert error(get(threads, "/oauth/access_token", **query | {"client_id": "1010101010101010"})) == (101, None)
