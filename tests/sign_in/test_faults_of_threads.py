"""Threads fails during a sign-in: every fault of the local Threads on every call."""

from __future__ import annotations

import socket
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import (
    ALICE,
    COOKIE,
    assert_nothing_kept,
    code_calls,
    get,
    logged,
    login,
    replies_of_threads,
    start,
)
from tests.support.app import serve
from tests.support.sign_in import sign_in
from tests.support.timing import allowed
from tests.threads_client.server import serving
from token_keeper.limits import Limits

TRANSIENT = ("unknown_error", "unknown_error_400", "unavailable", "code_2", "transient_flag", "html_502")
THROTTLED = (
    "throttled",
    "throttled_17",
    "throttled_32",
    "throttled_341",
    "throttled_613",
    "throttled_80002",
    "retry_after",
    "blocked",
)
PERMISSION = ("permission", "permission_200", "permission_299")
OPERATOR = (
    "bad_secret",
    "bad_app",
    "meta_app",
    "bad_redirect_uri",
    "api_deactivated",
    "capability",
    "appsecret_proof",
    "invalid_platform_app",
    "insufficient_role",
    "redirect_uri_191",
    "not_invited",
    "url_blocked",
    "insecure",
    "no_app_data",
    "no_app_id",
)
UNUSABLE = ("error_in_200", "no_token", "html", "empty", "truncated", "redirect", "lost_reply", "hang")
STATUS = {
    **dict.fromkeys((*TRANSIENT, *THROTTLED, "no_client_id"), 503),
    **dict.fromkeys((*PERMISSION, "code_spent", "verification_code"), 400),
    **dict.fromkeys(OPERATOR, 500),
    **dict.fromkeys(UNUSABLE, 502),
}


@pytest.mark.parametrize(
    ("call", "others"),
    [
        ("exchange_code", {"another_person": 403}),
        ("exchange_token", {"another_person": 403, "short_lived": 502}),
        ("me", {"another_person": 403}),
    ],
)
def test_every_fault_of_a_sign_in_has_its_status_and_stores_nothing(
    settings: None,
    limits: dict[str, Any],
    threads: LocalThreads,
    manager: SecretManager,
    call: str,
    others: dict[str, int],
) -> None:
    faults = [*REFUSALS, *UNUSABLE, "html_502", *others]
    expected = dict.fromkeys(faults, 502) | {name: STATUS[name] for name in faults if name in STATUS} | others
    found = {}
    for name in faults:
        oauth = serve("oauth", **limits)  # a new one: Threads may have asked the one before to wait
        threads.control.fail(call, name, None)
        found[name] = sign_in(oauth, threads).status_code
        threads.control.clear_faults()
        assert_nothing_kept(manager)
        assert "threads-user-id" not in manager.labels(ALICE), name
    assert found == expected
    assert sign_in(oauth, threads).status_code == 303


def test_an_inspection_that_fails_never_fails_a_sign_in(
    settings: None, limits: dict[str, Any], threads: LocalThreads, manager: SecretManager
) -> None:
    faults = ["expired", "permission", "no_resource", "retry_after", "html_502", "another_person", *UNUSABLE]
    found = {}
    for name in faults:
        oauth = serve("oauth", **limits)
        threads.control.fail("debug", name, None)
        found[name] = sign_in(oauth, threads).status_code
        threads.control.clear_faults()
    assert found == dict.fromkeys(faults, 303)


@pytest.mark.parametrize(
    ("expires_in", "inspection"),
    [
        (3600, {}),
        (5184000, {"issued_at": 0, "expires_at": 3600}),
        (None, {"issued_at": 0, "expires_at": 3600}),
        (None, {"expires_at": 3600}),
        (None, {"issued_at": None, "expires_at": None}),
        (None, {}),
    ],
    ids=str,
)
def test_a_token_of_an_hour_or_of_unknown_lifetime_is_never_stored(
    oauth: FlaskClient,
    manager: SecretManager,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    expires_in: int | None,
    inspection: dict[str, int | None],
) -> None:
    since = int(clock.now().timestamp())
    data = {name: None if value is None else since + value for name, value in inspection.items()}
    token = {"access_token": "THlong", "expires_in": expires_in}
    with replies_of_threads(monkeypatch, token=token, inspection=data):
        state, _ = login(oauth)
        reply = get(oauth, f"/callback?code=c&state={state}")
    assert reply.status_code == 502
    assert_nothing_kept(manager)


@pytest.mark.parametrize(
    ("lifetime", "inspection", "days"),
    [
        ({"expires_in": 5184000}, {}, 60),
        ({"expires_in": 5184000.0}, {}, 60),
        ({"expires_in": "5184000"}, {}, 60),
        ({"expires_in": "5184000.0"}, {}, 60),
        ({"expires_in": 5183999.5}, {}, 60),
        ({}, {"expires_at": 0}, 60),
        ({"expires_in": None}, {"expires_at": 0}, 60),
        ({"expires_in": 0}, {"expires_at": 0}, 60),
        ({}, {"expires_at": 30 * 86400}, 30),
        ({}, {"expires_at": 30.0 * 86400}, 30),
    ],
    ids=str,
)
def test_a_lifetime_is_understood_however_it_is_written(
    oauth: FlaskClient,
    manager: SecretManager,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    lifetime: dict[str, Any],
    inspection: dict[str, float],
    days: int,
) -> None:
    since = clock.now()
    data = {name: value and int(since.timestamp()) + value for name, value in inspection.items()}
    with replies_of_threads(monkeypatch, token={"access_token": "THlong", **lifetime}, inspection=data):
        state, _ = login(oauth)
        assert get(oauth, f"/callback?code=c&state={state}").status_code == 303
    ends = datetime.fromisoformat(manager.annotations(ALICE)["expires-at"])
    assert abs(ends - since - timedelta(days=days)) < timedelta(seconds=10)


@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_a_spent_code_is_recognized_in_any_shape_of_error(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, shape: int
) -> None:
    threads.control.fail("exchange_code", "code_spent", shape=shape)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 400
    assert "used up" in reply.text
    assert_nothing_kept(manager)


@pytest.mark.parametrize("name", ["bad_secret", "redirect_uri_191", "bad_app"])
@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_a_mistake_of_the_operator_is_a_500_and_an_error_in_any_shape(
    oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str], name: str, shape: int
) -> None:
    threads.control.fail("exchange_code", name, shape=shape)
    assert sign_in(oauth, threads).status_code == 500
    assert [line["severity"] for line in logged(capsys)] == ["ERROR"]


SAID = {
    '{"error":{"code":200,"message":"API access deactivated. To reactivate, go to the app dashboard."}}': 500,
    '{"error":{"code":3,"message":"Application does not have the capability to make this API call."}}': 500,
    '{"error":{"code":100,"message":"Invalid appsecret_proof provided in the API argument"}}': 500,
    '{"error_type":"OAuthException","code":400,"error_message":"Invalid platform app"}': 500,
    '{"error_type":"OAuthException","code":400,"error_message":"Insufficient developer role"}': 500,
    '{"error_type":"OAuthException","code":400,"error_message":"Error validating verification code. Please make sure '
    'your redirect_uri is identical to the one you used in the OAuth dialog request"}': 400,
    '{"error":{"code":80002,"message":"There have been too many calls to this account."}}': 503,
    '{"error_type":"OAuthRateLimitException","code":400,"error_message":"Application request limit reached"}': 503,
    '{"error":"temporarily_unavailable"}': 503,
    '{"error":{"code":77777,"message":"Something new"}}': 502,
}


@pytest.mark.parametrize(("said", "status"), SAID.items())
def test_a_refusal_is_reported_to_whoever_can_mend_it(
    oauth: FlaskClient,
    manager: SecretManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str,
    status: int,
) -> None:
    """An error about the app is an ERROR for the operator. Any visitor can cause the others, which are warnings."""
    monkeypatch.setenv("THREADS_API_URL", "https://graph.threads.com")
    state, _ = login(oauth)
    with responses.RequestsMock() as mock:
        mock.post("https://graph.threads.com/oauth/access_token", body=said, status=400)
        reply = get(oauth, f"/callback?code=c&state={state}")
    assert reply.status_code == status
    assert [line["severity"] for line in logged(capsys)] == ["ERROR" if status == 500 else "WARNING"]
    assert_nothing_kept(manager)


def test_retry_after_is_respected_and_spends_no_code(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    threads.control.fail("exchange_code", "retry_after")
    assert sign_in(oauth, threads).status_code == 503
    reply = sign_in(oauth, threads)
    assert reply.status_code == 503
    assert "an hour if it happens again" in reply.text
    assert code_calls(threads) == 1
    assert_nothing_kept(manager)


@pytest.mark.parametrize("length", [2049, 3_000_000])
def test_a_code_longer_than_any_is_not_sent_on(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, length: int
) -> None:
    state, _ = login(oauth)
    reply = get(oauth, f"/callback?state={state}&code={'c' * length}")
    assert reply.status_code == 400
    assert code_calls(threads) == 0
    assert_nothing_kept(manager)


def test_whose_a_token_is_and_what_it_may_do_are_asked_side_by_side(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    for call in ("me", "debug"):
        threads.control.fail(call, "delay", None, seconds=0.6)
    back = start(oauth, threads)
    started = time.monotonic()
    assert get(oauth, back).status_code == 303
    assert time.monotonic() - started < allowed(1.15)


def test_a_wrong_app_secret_is_a_mistake_of_the_operator(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("THREADS_APP_SECRET", "not-the-secret")
    reply = sign_in(oauth, threads)
    assert reply.status_code == 500
    assert "THREADS_APP_SECRET" in reply.text
    assert "not-the-secret" not in reply.text
    (line,) = logged(capsys)
    assert line["severity"] == "ERROR"
    assert line["event"] == "sign_in_failed"
    assert_nothing_kept(manager)


def test_a_lost_reply_to_the_code_exchange_is_never_sent_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    for name in ("lost_reply", "hang", "truncated", "html_502", "unavailable"):
        threads.control.calls.clear()
        threads.control.fail("exchange_code", name)
        assert sign_in(oauth, threads).status_code in (502, 503)
        assert code_calls(threads) == 1, name
    assert_nothing_kept(manager)


@pytest.mark.parametrize("call", ["exchange_token", "me", "debug"])
def test_a_passing_fault_after_the_code_exchange_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, call: str
) -> None:
    for number, name in enumerate(("lost_reply", "unavailable", "html_502"), 1):
        threads.control.fail(call, name)
        assert sign_in(oauth, threads).status_code == 303, name
        assert len(manager.payloads(ALICE)) == number


@pytest.mark.parametrize("call", ["exchange_code", "exchange_token", "me", "debug"])
def test_the_callback_answers_within_its_limit_whichever_call_hangs(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, call: str
) -> None:
    assert Limits().callback <= 85
    oauth = serve("oauth", callback=0.5)
    threads.control.fail(call, "hang", None)
    back = start(oauth, threads)
    started = time.monotonic()
    reply = get(oauth, back)
    assert time.monotonic() - started < allowed(10)
    assert reply.status_code in (502, 503)
    assert reply.headers["Set-Cookie"].startswith(COOKIE)
    assert "Max-Age=0" in reply.headers["Set-Cookie"]
    assert_nothing_kept(manager)


def test_an_answer_whose_headers_never_end_does_not_keep_the_browser_waiting(
    settings: None, manager: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, so no timeout of the connection ends it."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(80):
            time.sleep(0.05)
            connection.sendall(b"x")

    oauth = serve("oauth", callback=0.8)
    with serving(drip) as server:
        monkeypatch.setenv("THREADS_API_URL", server.url)
        state, _ = login(oauth)
        started = time.monotonic()
        assert get(oauth, f"/callback?code=c&state={state}").status_code in (502, 503)
        assert time.monotonic() - started < 3
    assert_nothing_kept(manager)


@pytest.mark.parametrize("call", ["exchange_token", "me", "debug"])
def test_nothing_is_stored_once_the_browser_was_told_to_start_over(
    settings: None, threads: LocalThreads, manager: SecretManager, call: str
) -> None:
    assert sign_in(serve("oauth"), threads, "bob").status_code == 303  # loads the modules that load slowly
    oauth = serve("oauth", callback=0.8)
    threads.control.calls.clear()
    threads.control.fail(call, "delay", None, seconds=1.5)
    assert get(oauth, start(oauth, threads)).status_code in (502, 503)
    time.sleep(2)
    assert_nothing_kept(manager)
    if call == "exchange_token":
        assert "me" not in {made for made, _ in threads.control.calls}  # nor is anything asked any more


@pytest.mark.parametrize("method", ["GetSecret", "AddSecretVersion", "UpdateSecret"])
def test_a_secret_manager_that_hangs_does_not_keep_the_browser_waiting(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, method: str
) -> None:
    assert sign_in(oauth, threads, "bob").status_code == 303  # loads the modules that load slowly
    oauth = serve("oauth", callback=1)
    manager.fail(method, None, times=99, delay=30)
    back = start(oauth, threads)
    started = time.monotonic()
    assert get(oauth, back).status_code == 503
    assert time.monotonic() - started < allowed(10)
