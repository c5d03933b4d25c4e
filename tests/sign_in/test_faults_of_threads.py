"""Threads fails during a sign-in: every fault of the local Threads on every call."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, ALICE_ID, COOKIE, assert_nothing_kept, code_calls, get, logged, start
from tests.support.app import names_of
from tests.support.sign_in import sign_in

TRANSIENT = ("unknown_error", "unknown_error_400", "unavailable", "code_2", "transient_flag", "html_502")
THROTTLED = ("throttled", "throttled_17", "throttled_32", "throttled_341", "throttled_613", "retry_after", "blocked")
PERMISSION = ("permission", "permission_200", "permission_299")
OPERATOR = (
    "bad_secret",
    "bad_app",
    "meta_app",
    "bad_redirect_uri",
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
    **dict.fromkeys((*PERMISSION, "code_spent"), 400),
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
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    hasty: None,
    call: str,
    others: dict[str, int],
) -> None:
    faults = [*REFUSALS, *UNUSABLE, "html_502", *others]
    expected = dict.fromkeys(faults, 502) | {name: STATUS[name] for name in faults if name in STATUS} | others
    found = {}
    for name in faults:
        threads.control.fail(call, name, None)
        found[name] = sign_in(oauth, threads).status_code
        threads.control.clear_faults()
        assert_nothing_kept(manager)
        assert "threads-user-id" not in manager.labels(ALICE), name
    assert found == expected
    assert sign_in(oauth, threads).status_code == 303


def test_an_inspection_that_fails_never_fails_a_sign_in(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, hasty: None
) -> None:
    faults = ["expired", "permission", "no_resource", "retry_after", "html_502", "another_person", *UNUSABLE]
    found = {}
    for name in faults:
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
    api, since = "https://graph.threads.com", int(clock.now().timestamp())
    monkeypatch.setenv("THREADS_API_URL", api)
    state = parse_qs(urlsplit(get(oauth, "/login").headers["Location"]).query)["state"][0]
    data = {name: None if value is None else since + value for name, value in inspection.items()}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{api}/oauth/access_token", json={"access_token": "THshort", "user_id": int(ALICE_ID)})
        mock.get(f"{api}/access_token", json={"access_token": "THlong", "expires_in": expires_in})
        mock.get(f"{api}/v1.0/me", json={"id": ALICE_ID, "username": "alice"})
        body = {"is_valid": True, "user_id": ALICE_ID, "scopes": ["threads_basic"], **data}
        mock.get(f"{api}/v1.0/debug_token", json={"data": body})
        reply = get(oauth, f"/callback?code=c&state={state}")
    assert reply.status_code == 502
    assert_nothing_kept(manager)


@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_a_spent_code_is_recognized_in_any_shape_of_error(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, shape: int
) -> None:
    threads.control.fail("exchange_code", "code_spent", shape=shape)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 400
    assert "used up" in reply.text
    assert_nothing_kept(manager)


@pytest.mark.parametrize("name", ["bad_secret", "bad_redirect_uri", "bad_app"])
@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_a_mistake_of_the_operator_is_a_500_and_an_error_in_any_shape(
    oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str], name: str, shape: int
) -> None:
    threads.control.fail("exchange_code", name, shape=shape)
    assert sign_in(oauth, threads).status_code == 500
    assert [line["severity"] for line in logged(capsys)] == ["ERROR"]


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
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, hasty: None
) -> None:
    for name in ("lost_reply", "hang", "truncated", "html_502", "unavailable"):
        threads.control.calls.clear()
        threads.control.fail("exchange_code", name)
        assert sign_in(oauth, threads).status_code in (502, 503)
        assert code_calls(threads) == 1, name
    assert_nothing_kept(manager)


@pytest.mark.parametrize("call", ["exchange_token", "me", "debug"])
def test_a_passing_fault_after_the_code_exchange_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, hasty: None, call: str
) -> None:
    for number, name in enumerate(("lost_reply", "unavailable", "html_502"), 1):
        threads.control.fail(call, name)
        assert sign_in(oauth, threads).status_code == 303, name
        assert len(manager.payloads(ALICE)) == number


@pytest.mark.parametrize("call", ["exchange_code", "exchange_token", "me", "debug"])
def test_the_callback_answers_within_its_limit_whichever_call_hangs(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    assert names_of(oauth)["CALLBACK_SECONDS"] <= 85
    monkeypatch.setitem(names_of(oauth), "CALLBACK_SECONDS", 0.5)
    threads.control.fail(call, "hang", None)
    back = start(oauth, threads)
    started = time.monotonic()
    reply = get(oauth, back)
    assert time.monotonic() - started < 10
    assert reply.status_code == 503
    assert reply.headers["Set-Cookie"].startswith(f"{COOKIE}=;")
    assert_nothing_kept(manager)


@pytest.mark.parametrize("method", ["GetSecret", "AddSecretVersion", "UpdateSecret"])
def test_a_secret_manager_that_hangs_does_not_keep_the_browser_waiting(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    assert sign_in(oauth, threads, "bob").status_code == 303  # loads the modules that load slowly
    monkeypatch.setitem(names_of(oauth), "CALLBACK_SECONDS", 1)
    manager.fail(method, None, times=99, delay=30)
    back = start(oauth, threads)
    started = time.monotonic()
    assert get(oauth, back).status_code == 503
    assert time.monotonic() - started < 10
