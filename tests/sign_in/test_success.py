"""A sign-in that succeeds: what the browser sees and what is stored."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, ALICE_ID, COOKIE, assert_nothing_kept, get, start
from tests.support.app import ACCOUNT_LABELS, APP_ID, APP_SECRET, PUBLIC_URL, serve
from tests.support.sign_in import consent, sign_in


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
    assert re.fullmatch(rf"{COOKIE}[0-9a-f]{{12}}={re.escape(state)}", first)
    attributes = [one for one in attributes if not one.startswith("Expires=")]
    assert sorted(attributes) == ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_on_loopback_http_the_cookie_has_neither_prefix_nor_secure(
    oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)
    cookie = oauth.get("/login", base_url=url).headers["Set-Cookie"]
    assert cookie.startswith("threads-state-")
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
    for _ in range(2):  # the page can be loaded again
        page = oauth.get(location)
        assert page.status_code == 200
        text = page.text
        assert "<strong>alice</strong>" in text
        assert "projects/demo/secrets/threads-token-alice/versions/1" in text
        for name in ("expires-at", "data-access-expires-at"):
            assert f'<time datetime="{manager.annotations(ALICE)[name].removesuffix("Z")}+00:00">' in text
        assert "You did not grant" not in text
        assert "THalice" not in text
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_the_receipt_page_names_the_scopes_that_were_not_granted(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    reply = sign_in(oauth, threads, scopes=["threads_basic"])
    assert reply.status_code == 303
    page = oauth.get(reply.headers["Location"]).text
    assert "You did not grant: <strong>threads_content_publish</strong>" in page
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
    assert "Sign in here again within 90 days." in page
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


def test_a_code_works_with_the_fragment_and_keeps_an_end_that_resembles_it(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = start(oauth, threads)
    assert get(oauth, re.sub(r"code=([^&]+)", r"code=\1%23_", back)).status_code == 303
    with LocalThreads(clock, APP_ID, APP_SECRET, random_text=lambda _: "ends-with__") as other:
        monkeypatch.setenv("THREADS_AUTHORIZE_URL", f"{other.url}/oauth/authorize")
        monkeypatch.setenv("THREADS_API_URL", other.url)
        oauth = serve("oauth")
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
