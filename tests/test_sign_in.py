"""The whole sign-in over HTTP: what the browser sees, what is stored, and that nothing is kept where it fails."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import functions_framework
import pytest
import responses
from conftest import ACCOUNT_LABELS, APP_ID, APP_SECRET, MAIN, PUBLIC_URL, consent, names_of, sign_in
from flask.testing import FlaskClient
from grpc import StatusCode
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.server import LocalThreads
from token_keeper import threads as keeper_threads

ALICE, ALICE_ID = "threads-token-alice", "17841405793187001"
BOB_ID = "17841405793187003"
COOKIE = "__Host-threads-state"


def get(oauth: FlaskClient, path: str, **more: Any) -> TestResponse:
    return oauth.get(path, base_url=PUBLIC_URL, **more)


def without_jar(oauth: FlaskClient) -> FlaskClient:
    """Give a client that sends the Cookie header it is told to."""
    return oauth.application.test_client(use_cookies=False)


def start(oauth: FlaskClient, threads: LocalThreads, person: str = "alice", **how: Any) -> str:
    """Go as far as Threads sends the browser back."""
    return consent(threads, get(oauth, "/login").headers["Location"], person, **how)


def code_calls(threads: LocalThreads) -> int:
    return sum(call == "exchange_code" for call, _ in threads.control.calls)


def assert_nothing_kept(manager: SecretManager, secret_id: str = ALICE) -> None:
    assert manager.states(secret_id) == {}
    assert manager.annotations(secret_id) == {}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client wait a little only; what is tested is that it ends, not when."""
    monkeypatch.setattr(keeper_threads, "BACKOFF", 0.001)
    monkeypatch.setattr(keeper_threads, "READ_TIMEOUT", 1.0)
    monkeypatch.setattr(keeper_threads, "ATTEMPTS", 2)


# What goes well


def test_login_sends_the_browser_to_the_documented_address(oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THREADS_AUTHORIZE_URL")
    reply = get(oauth, "/login")
    assert reply.status_code == 302
    location = reply.headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    assert location == (
        "https://threads.com/oauth/authorize?client_id=1234567890"
        "&redirect_uri=https%3A%2F%2Fkeeper.example%2Fcallback"
        f"&scope=threads_basic%2Cthreads_content_publish&response_type=code&state={state}"
    )
    assert len(state) > 60


def test_no_two_logins_share_a_state(oauth: FlaskClient) -> None:
    assert len({get(oauth, "/login").headers["Location"] for _ in range(20)}) == 20


def test_the_state_cookie_belongs_to_this_host_and_browser_alone(oauth: FlaskClient) -> None:
    reply = get(oauth, "/login")
    state = parse_qs(urlsplit(reply.headers["Location"]).query)["state"][0]
    (cookie,) = reply.headers.getlist("Set-Cookie")
    first, *attributes = cookie.split("; ")
    assert first == f"{COOKIE}={state}"
    attributes = [one for one in attributes if not one.startswith("Expires=")]
    assert sorted(attributes) == ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_on_loopback_http_the_cookie_has_neither_prefix_nor_secure(
    oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)
    cookie = oauth.get("/login", base_url=url).headers["Set-Cookie"]
    assert cookie.startswith("threads-state=")
    assert "Secure" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_sign_in_works_on_loopback_http(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:8080"
    monkeypatch.setenv("PUBLIC_URL", url)
    back = consent(threads, oauth.get("/login", base_url=url).headers["Location"])
    reply = oauth.get(back, base_url=url)
    assert reply.status_code == 303
    assert reply.headers["Location"].startswith(f"{url}/signed-in?receipt=")
    assert manager.newest(ALICE) == "THalice-1"


def test_a_sign_in_stores_the_long_lived_token_and_nothing_else(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    now = clock.now()
    reply = sign_in(oauth, threads)
    assert reply.status_code == 303
    assert reply.headers["Location"].startswith("https://keeper.example/signed-in?receipt=")
    assert "code=" not in reply.headers["Location"]
    assert reply.data == b""
    assert manager.payloads(ALICE) == {1: b"THalice-1"}
    assert manager.labels(ALICE) == {"managed-by": "threads-token-keeper", "threads-user-id": ALICE_ID}
    kept = manager.annotations(ALICE)
    assert kept.keys() == {
        "threads-username",
        "version",
        "refreshed-at",
        "expires-at",
        "data-access-expires-at",
        "scopes",
    }
    assert kept["threads-username"] == "alice"
    assert kept["version"] == "1"
    assert kept["scopes"] == "threads_basic,threads_content_publish"
    for name, days in (("refreshed-at", 0), ("expires-at", 60), ("data-access-expires-at", 90)):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", kept[name])
        expected = now + timedelta(days=days)
        written = expected.strptime(kept[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=expected.tzinfo)
        assert abs(written - expected) < timedelta(seconds=5), name


def test_the_receipt_page_shows_account_version_and_both_dates(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    location = sign_in(oauth, threads).headers["Location"]
    for _ in range(2):  # safe to reload
        page = oauth.get(location)
        assert page.status_code == 200
        text = page.text
        assert "<strong>alice</strong>" in text
        assert "projects/demo/secrets/threads-token-alice/versions/1" in text
        for name in ("expires-at", "data-access-expires-at"):
            assert manager.annotations(ALICE)[name][:16].replace("T", " ") + " UTC" in text
        assert "Not granted" not in text
        assert "THalice" not in text
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_the_receipt_page_names_the_scopes_that_were_not_granted(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    reply = sign_in(oauth, threads, scopes=["threads_basic"])
    assert reply.status_code == 303
    page = oauth.get(reply.headers["Location"]).text
    assert "Not granted: threads_content_publish<" in page
    assert f'href="{PUBLIC_URL}/login"' in page
    assert manager.annotations(ALICE)["scopes"] == "threads_basic"


def test_a_sign_in_without_threads_basic_is_refused_and_not_kept(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    reply = sign_in(oauth, threads, scopes=["threads_content_publish"])
    assert reply.status_code == 400
    assert "leave every box ticked" in reply.text
    assert_nothing_kept(manager)


def test_the_receipt_page_says_where_the_end_of_the_grant_is_not_known(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    threads.control.turn({"debug_works": False})
    page = oauth.get(sign_in(oauth, threads).headers["Location"]).text
    assert "Permission grant ends</dt><dd>not known" in page
    assert "data-access-expires-at" not in manager.annotations(ALICE)
    assert manager.annotations(ALICE)["expires-at"]


@pytest.mark.parametrize(
    "switches",
    [
        {"wrapped": True},
        {"code_user_id_is_string": True},
        {"debug_user_id_matches": False},
        {"expires_in": 5183944},
    ],
    ids=str,
)
def test_a_sign_in_works_however_threads_behaves_where_its_pages_are_silent(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, switches: dict[str, Any]
) -> None:
    threads.control.turn(switches)
    assert sign_in(oauth, threads).status_code == 303
    assert manager.newest(ALICE) == "THalice-1"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID


def test_a_second_sign_in_adds_a_version_and_destroys_none(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    for _ in range(3):
        assert sign_in(oauth, threads).status_code == 303
        clock.forward(timedelta(hours=1))
    assert manager.payloads(ALICE) == {1: b"THalice-1", 2: b"THalice-2", 3: b"THalice-3"}
    assert manager.annotations(ALICE)["version"] == "3"


def test_an_account_with_a_dot_is_kept_under_its_own_secret(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    assert sign_in(oauth, threads, "dotted.name").status_code == 303
    assert manager.newest("threads-token-dotted-name") == "THdotted.name-1"
    assert manager.annotations("threads-token-dotted-name")["threads-username"] == "dotted.name"


def test_an_upper_case_username_is_kept_under_the_lower_case_secret(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    threads.people.rename("alice", "ALICE")
    assert sign_in(oauth, threads, "ALICE").status_code == 303
    assert len(manager.payloads(ALICE)) == 1


def test_labels_and_annotations_of_others_are_kept(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "team": "press"})
    manager.set_annotations(ALICE, {"note": "Ask Eve first.", "expires-at": "nonsense"})
    assert sign_in(oauth, threads).status_code == 303
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "team": "press", "threads-user-id": ALICE_ID}
    assert manager.annotations(ALICE)["note"] == "Ask Eve first."
    assert manager.annotations(ALICE)["version"] == "1"


def test_a_code_with_the_fragment_behind_it_works_and_one_that_ends_alike_keeps_its_end(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = start(oauth, threads)
    assert get(oauth, re.sub(r"code=([^&]+)", r"code=\1%23_", back)).status_code == 303
    with LocalThreads(clock, APP_ID, APP_SECRET, random_text=lambda _: "ends-with__") as other:
        monkeypatch.setenv("THREADS_AUTHORIZE_URL", f"{other.url}/oauth/authorize")
        monkeypatch.setenv("THREADS_API_URL", other.url)
        oauth = functions_framework.create_app("oauth", str(MAIN)).test_client()
        assert sign_in(oauth, other).status_code == 303


def test_signing_in_reads_no_token(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    manager.deny(["AccessSecretVersion"])
    location = sign_in(oauth, threads).headers["Location"]
    assert oauth.get(location).status_code == 200
    assert get(oauth, "/").status_code == 200
    assert sign_in(oauth, threads, "mallory").status_code == 403
    for path in ("/uninstall", "/delete"):
        reply = oauth.post(path, data={"signed_request": threads.signed_request("alice")}, base_url=PUBLIC_URL)
        assert reply.status_code == 200
    assert manager.calls
    assert "AccessSecretVersion" not in {method for method, _ in manager.calls}
    assert "ListSecrets" in {method for method, _ in manager.calls}


# The state


def assert_refused_without_asking_threads(
    reply: TestResponse, threads: LocalThreads, manager: SecretManager, calls: int = 0
) -> None:
    assert reply.status_code == 400
    assert "Start over" in reply.text
    assert code_calls(threads) == calls
    assert_nothing_kept(manager)


@pytest.mark.parametrize(
    "change",
    [
        lambda back: re.sub(r"&state=[^&]*", "", back),
        lambda back: re.sub(r"state=[^&]*", "state=", back),
        lambda back: re.sub(r"state=[^&]*", "state=constant", back),
        lambda back: back[:-1] + ("A" if back[-1] != "A" else "B"),
        lambda back: back + "&" + re.search(r"state=[^&]*", back)[0],  # type: ignore[index]
        lambda back: back + "&state=",
        lambda back: back + "&" + re.search(r"code=[^&]*", back)[0],  # type: ignore[index]
        lambda back: re.sub(r"code=[^&]*&", "", back),
        lambda back: re.sub(r"code=[^&]*", "code=", back),
    ],
    ids=[
        "no state",
        "empty state",
        "constant state",
        "changed state",
        "state twice",
        "state and an empty one",
        "code twice",
        "no code",
        "empty code",
    ],
)
def test_a_callback_that_is_not_as_it_was_sent_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, change: Any
) -> None:
    reply = get(oauth, change(start(oauth, threads)))
    assert_refused_without_asking_threads(reply, threads, manager)


def test_another_browser_cannot_finish_a_sign_in(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    stranger = oauth.application.test_client()
    assert_refused_without_asking_threads(get(stranger, back), threads, manager)
    get(stranger, "/login")  # a cookie of its own does not help
    assert_refused_without_asking_threads(get(stranger, back), threads, manager)


def test_a_cookie_without_the_prefix_does_not_count(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    state = parse_qs(urlsplit(back).query)["state"][0]
    stranger = without_jar(oauth)
    reply = get(stranger, back, headers={"Cookie": f"threads-state={state}"})
    assert_refused_without_asking_threads(reply, threads, manager)
    assert get(stranger, back, headers={"Cookie": f"{COOKIE}={state}"}).status_code == 303


@pytest.mark.parametrize("value", ["", "constant", "WzEsMl0.c2ln", "\udcff\udcfe", "ü.ü", "." * 3000], ids=ascii)
def test_a_state_that_matches_its_cookie_but_was_not_made_here_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, value: str
) -> None:
    raw = value.encode("utf-8", "surrogateescape")
    query = "".join(f"%{byte:02x}" for byte in raw)
    cookie = f"{COOKIE}={raw.decode('latin-1')}"
    reply = get(without_jar(oauth), f"/callback?code=c&state={query}", headers={"Cookie": cookie})
    assert_refused_without_asking_threads(reply, threads, manager)


def test_a_state_lives_for_ten_minutes(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    state = parse_qs(urlsplit(get(oauth, "/login").headers["Location"]).query)["state"][0]
    back, cookie = f"/callback?code=none&state={state}", {"Cookie": f"{COOKIE}={state}"}
    clock.forward(timedelta(minutes=9, seconds=50))
    assert "used up" in get(without_jar(oauth), back, headers=cookie).text
    assert code_calls(threads) == 1
    clock.forward(timedelta(seconds=12))
    reply = get(without_jar(oauth), back, headers=cookie)
    assert "too old" in reply.text
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_a_state_made_with_another_app_secret_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = start(oauth, threads)
    monkeypatch.setenv("THREADS_APP_SECRET", "another")
    assert_refused_without_asking_threads(get(oauth, back), threads, manager)


def test_a_receipt_is_no_state(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    receipt = sign_in(oauth, threads, "bob").headers["Location"].partition("receipt=")[2]
    cookie = {"Cookie": f"{COOKIE}={receipt}"}
    reply = get(without_jar(oauth), f"/callback?code=c&state={receipt}", headers=cookie)
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_a_state_is_good_once_after_success(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    assert get(oauth, back).status_code == 303
    reply = get(oauth, back)
    assert reply.status_code == 400
    assert code_calls(threads) == 1
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_a_state_is_good_once_after_failure(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    threads.control.fail("exchange_code", "unavailable")
    assert get(oauth, back).status_code == 503
    assert_refused_without_asking_threads(get(oauth, back), threads, manager, calls=1)


@pytest.mark.parametrize("query", ["code=c&state=x", "state=x", "error=access_denied", "", "code=c"])
def test_every_callback_clears_the_cookie(oauth: FlaskClient, query: str) -> None:
    get(oauth, "/login")
    reply = get(oauth, f"/callback?{query}")
    cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=;")
    for attribute in ("Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"):
        assert attribute in cookie
    assert oauth.get_cookie(COOKIE, domain="keeper.example") is None


def test_any_instance_can_finish_what_another_began(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    state = parse_qs(urlsplit(back).query)["state"][0]
    other = functions_framework.create_app("oauth", str(MAIN)).test_client(use_cookies=False)
    assert get(other, back, headers={"Cookie": f"{COOKIE}={state}"}).status_code == 303


# Denied


@pytest.mark.parametrize("echo", [True, False])
def test_a_cancelled_consent_is_told_and_stores_nothing(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, echo: bool
) -> None:
    threads.control.turn({"state_on_cancel": echo})
    reply = get(oauth, start(oauth, threads, decision="cancel"))
    assert reply.status_code == 400
    assert "cancelled or refused" in reply.text
    assert code_calls(threads) == 0
    assert_nothing_kept(manager)


@pytest.mark.parametrize("name", ["error", "error_reason", "error_code", "error_message"])
@pytest.mark.parametrize("value", ["access_denied", ""])
def test_any_spelling_of_a_denial_stops_a_sign_in_that_is_otherwise_good(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, name: str, value: str
) -> None:
    reply = get(oauth, start(oauth, threads) + f"&{name}={value}")
    assert "cancelled or refused" in reply.text
    assert_refused_without_asking_threads(reply, threads, manager)


# What Threads gets wrong: every fault of the local Threads, on every call

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
def test_whatever_fails_on_the_way_has_its_status_and_stores_nothing(
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
    assert sign_in(oauth, threads).status_code == 303  # and all is well again


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
def test_a_token_of_an_hour_or_of_no_known_age_is_never_kept(
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
def test_a_spent_code_is_told_in_any_shape(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, shape: int
) -> None:
    threads.control.fail("exchange_code", "code_spent", shape=shape)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 400
    assert "used up" in reply.text
    assert_nothing_kept(manager)


@pytest.mark.parametrize("name", ["bad_secret", "bad_redirect_uri", "bad_app"])
@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_what_the_operator_must_mend_is_a_500_and_an_error_in_any_shape(
    oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str], name: str, shape: int
) -> None:
    threads.control.fail("exchange_code", name, shape=shape)
    assert sign_in(oauth, threads).status_code == 500
    assert [line["severity"] for line in logged(capsys)] == ["ERROR"]


def test_a_wrong_app_secret_is_the_operators_business(
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
def test_whatever_hangs_the_callback_answers_within_its_limit(
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
    assert sign_in(oauth, threads, "bob").status_code == 303  # what loads slowly is loaded
    monkeypatch.setitem(names_of(oauth), "CALLBACK_SECONDS", 1)
    manager.fail(method, None, times=99, delay=30)
    back = start(oauth, threads)
    started = time.monotonic()
    assert get(oauth, back).status_code == 503
    assert time.monotonic() - started < 10


# Accounts that are not allowed


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def assert_a_stranger(
    reply: TestResponse, manager: SecretManager, capsys: pytest.CaptureFixture[str], *names: str
) -> None:
    assert reply.status_code == 403
    assert "./deploy.sh account" in reply.text
    assert not {"AddSecretVersion", "UpdateSecret", "CreateSecret"} & {method for method, _ in manager.calls}
    out, err = capsys.readouterr()
    assert "403" in out + err or "not kept here" in out
    for name in names:
        assert name not in out + err
        assert name not in unescape(reply.text)


def test_an_account_that_is_not_on_the_list_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = sign_in(oauth, threads, "mallory")
    assert_a_stranger(reply, manager, capsys, "mallory", "17841405793187009")


def test_a_secret_without_the_label_allows_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.create("threads-token-mallory", labels={"managed-by": "somebody-else"})
    assert_a_stranger(sign_in(oauth, threads, "mallory"), manager, capsys, "mallory")


def test_a_service_account_that_may_not_see_a_secret_allows_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.deny(["GetSecret"])
    assert_a_stranger(sign_in(oauth, threads, "mallory"), manager, capsys, "mallory")


def test_an_account_that_is_bound_to_another_id_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": "17841400000000000"})
    manager.calls.clear()
    assert_a_stranger(sign_in(oauth, threads), manager, capsys, ALICE_ID)
    assert_nothing_kept(manager)


def test_a_username_that_changed_hands_does_not_open_the_account(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    threads.people.hand_over("alice", "mallory")
    manager.calls.clear()
    capsys.readouterr()
    assert_a_stranger(sign_in(oauth, threads), manager, capsys)
    assert manager.payloads(ALICE) == {1: b"THalice-1"}
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID


# In Cyrillic, full width and with accents: what a person takes for `alice` or `dotted.name`.
LOOK_ALIKES = ["\u0430lice", "al\u00edce", "\uff21LICE", "alice ", "alice\n", "al_ice", "alice.", ".alice"]


def test_a_username_that_looks_alike_is_another_one(
    oauth: FlaskClient, manager: SecretManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = "mallory"
    with LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET) as threads:
        monkeypatch.setenv("THREADS_API_URL", threads.url)
        monkeypatch.setenv("THREADS_AUTHORIZE_URL", f"{threads.url}/oauth/authorize")
        for username in [*LOOK_ALIKES, "dotted-name", "dotted_name", "../alice", "alice/versions/1", "a" * 200]:
            threads.people.rename(person, username)
            person = username
            assert sign_in(oauth, threads, username).status_code == 403, username
    assert not {"AddSecretVersion", "UpdateSecret"} & {method for method, _ in manager.calls}


# What Secret Manager gets wrong


@pytest.mark.parametrize("method", ["GetSecret", "UpdateSecret", "AddSecretVersion"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_passing_fault_of_secret_manager_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, method: str, when: Any
) -> None:
    manager.fail(method, StatusCode.UNAVAILABLE, when)
    assert sign_in(oauth, threads).status_code == 303
    assert manager.newest(ALICE) == "THalice-1"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID
    assert manager.annotations(ALICE)["version"] == str(len(manager.states(ALICE)))


@pytest.mark.parametrize("method", ["UpdateSecret", "AddSecretVersion"])
def test_a_refusal_of_secret_manager_is_the_operators_business_and_keeps_no_token(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    manager.deny([method])
    reply = sign_in(oauth, threads)
    assert reply.status_code == 500
    assert "./deploy.sh check" in unescape(reply.text)
    assert [line["severity"] for line in logged(capsys)] == ["ERROR"]
    assert_nothing_kept(manager)


def test_a_sign_in_whose_dates_cannot_be_written_is_kept_and_says_so(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": ALICE_ID})
    manager.fail("UpdateSecret", StatusCode.ABORTED, times=9)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 303
    assert "could not be written beside the secret yet" in oauth.get(reply.headers["Location"]).text
    assert manager.newest(ALICE) == "THalice-1"


def test_two_people_who_sign_in_at_once_to_one_unbound_account_cannot_both_be_bound(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    changed = []

    def take_it(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and not changed:
            changed.append(True)
            manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": BOB_ID})

    manager.on_call = take_it
    assert sign_in(oauth, threads).status_code == 403
    assert manager.labels(ALICE)["threads-user-id"] == BOB_ID
    assert_nothing_kept(manager)


def test_a_label_that_changes_during_a_sign_in_is_kept(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    changes = iter([{"one": "1"}, {}, {"two": "2"}])  # before the binding, before its repetition, before the dates

    def change(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and (labels := next(changes, None)):
            manager.set_labels(ALICE, {**manager.labels(ALICE), **labels})

    manager.on_call = change
    assert sign_in(oauth, threads).status_code == 303
    assert manager.labels(ALICE).items() >= {"one": "1", "two": "2", "threads-user-id": ALICE_ID}.items()
    assert manager.annotations(ALICE)["version"] == "1"


# Other methods, hosts and paths


def test_a_head_request_never_spends_a_code(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    reply = oauth.head(back, base_url=PUBLIC_URL)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET"
    assert code_calls(threads) == 0
    assert get(oauth, back).status_code == 303


def test_no_header_of_a_request_changes_where_it_leads(oauth: FlaskClient, threads: LocalThreads) -> None:
    headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=http",
        "X-Original-URL": "/evil",
        "Origin": "https://evil.example",
        "Referer": "https://evil.example/",
    }
    reply = oauth.get("/login", headers=headers)
    assert "redirect_uri=https%3A%2F%2Fkeeper.example%2Fcallback&" in reply.headers["Location"]
    assert reply.headers["Set-Cookie"].startswith("__Host-")
    for path in ("/", "/nothing", "/callback?error=x", "/signed-in"):
        page = oauth.get(path, headers=headers)
        assert "evil" not in page.text + str(page.headers)
        assert "https://keeper.example/" in page.text
    state = parse_qs(urlsplit(reply.headers["Location"]).query)["state"][0]
    back = consent(threads, reply.headers["Location"])
    reply = without_jar(oauth).get(back, headers=headers | {"Cookie": f"{COOKIE}={state}"})
    assert reply.headers["Location"].startswith("https://keeper.example/signed-in?receipt=")


@pytest.mark.parametrize("prefix", ["", "/keeper/oauth"], ids=["taken off by the front", "left on"])
def test_a_public_url_may_have_a_path(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    url = "https://keeper.example/keeper/oauth"
    monkeypatch.setenv("PUBLIC_URL", url)
    for path in (f"{prefix}/", prefix or "/"):
        page = get(oauth, path)
        assert page.status_code == 200
        assert set(re.findall(r'href="([^"]*)"', page.text)) == {f"{url}/login"}
        for name in ("callback", "uninstall", "delete"):
            assert f"<code>{url}/{name}</code>" in page.text
    login = get(oauth, f"{prefix}/login")
    assert "Path=/;" in login.headers["Set-Cookie"] + ";"
    back = consent(threads, login.headers["Location"]).removeprefix("/keeper/oauth")
    reply = get(oauth, prefix + back)
    assert reply.status_code == 303
    assert reply.headers["Location"].startswith(f"{url}/signed-in?receipt=")
    receipt = reply.headers["Location"].removeprefix(url)
    assert get(oauth, prefix + receipt).status_code == 200
    assert get(oauth, f"{prefix}/nothing").status_code == 404
    assert get(oauth, "/keeper/oauthlogin").status_code == 404
    reply = oauth.post(
        f"{prefix}/delete", data={"signed_request": threads.signed_request("alice")}, base_url=PUBLIC_URL
    )
    assert reply.json["url"].startswith(f"{url}/deletion?code=")  # type: ignore[index]


@pytest.mark.parametrize("name", ["THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL", "GOOGLE_CLOUD_PROJECT"])
@pytest.mark.parametrize("value", [None, "", "  ", "bad value é"])
def test_a_setting_that_is_missing_blank_or_malformed_is_named_and_its_value_is_not(
    oauth: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str | None,
) -> None:
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    for path in ("/", "/login", "/callback?code=c&state=s"):
        reply = get(oauth, path)
        assert reply.status_code == 500
        assert name in reply.text
        assert "bad value" not in reply.text
    lines = logged(capsys)
    assert {line["severity"] for line in lines} == {"ERROR"}
    assert all(name in line["message"] and "bad value" not in line["message"] for line in lines)


NO_URLS = [
    "https://keeper.example/",
    "https://keeper.example?",
    "https://keeper.example?a=b",
    "https://keeper.example#",
    "https://user@keeper.example",
    "https://user:word@keeper.example",
    "https://:443",
    "https://keeper.example:0",
    "https://keeper.example:99999",
    "https://[::1",
    "https://keeper\\.example",
    "https://keeper .example",
    "https://keeper.exämple",
    "http://keeper.example",
    "http://127.0.0.1.keeper.example",
    "http://localhost.keeper.example",
    "http://10.0.0.1",
    "ftp://127.0.0.1",
    "//keeper.example",
    "keeper.example",
]
MALFORMED = {
    "THREADS_APP_ID": ["12 34", "1&2", "1" * 65, "12x", "١٢"],
    "THREADS_APP_SECRET": ["two words", "s" * 513],
    "GOOGLE_CLOUD_PROJECT": ["a/b", "-a", "é"],
    "THREADS_SCOPES": [
        "",
        ",",
        "threads_content_publish",
        "threads_basic threads_delete",
        "threads_basic,",
        "THREADS_BASIC",
    ],
    "SECRET_MANAGER_EMULATOR_HOST": [
        "",
        "localhost",
        "localhost:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "10.0.0.1:80",
        ":80",
    ],
    **{name: NO_URLS for name in ("PUBLIC_URL", "THREADS_AUTHORIZE_URL", "THREADS_API_URL")},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_no_malformed_setting_is_accepted(oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in MALFORMED[name]:
        monkeypatch.setenv(name, value)
        reply = get(oauth, "/login")
        assert reply.status_code == 500, value
        assert name in reply.text


def test_a_refused_sign_in_is_a_warning_that_joins_its_request(
    oauth: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    get(oauth, "/callback?code=c&state=s", headers={"X-Cloud-Trace-Context": f"{'a1' * 16}/1;o=1"})
    (line,) = logged(capsys)
    assert line["severity"] == "WARNING"
    assert line["event"] == "sign_in_failed"
    assert line["logging.googleapis.com/trace"] == f"projects/demo/traces/{'a1' * 16}"


def test_a_sign_in_is_logged_with_its_request_account_and_version(
    oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str]
) -> None:
    back = start(oauth, threads)
    capsys.readouterr()
    assert get(oauth, back, headers={"X-Cloud-Trace-Context": f"{'b2' * 16}/1"}).status_code == 303
    (line,) = logged(capsys)
    assert line == {
        "severity": "INFO",
        "message": "alice signed in.",
        "event": "signed_in",
        "username": "alice",
        "version": "projects/demo/secrets/threads-token-alice/versions/1",
        "days_left": 59,
        "logging.googleapis.com/trace": f"projects/demo/traces/{'b2' * 16}",
    }


assert APP_ID == "1234567890" and APP_SECRET != "not-the-secret"  # noqa: PT018 (what the tests above rely on)
