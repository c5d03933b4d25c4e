"""Holds the local Threads to the contract of the real one, over HTTP. URLs and replies are written out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from sandbox.threads.signed_request import signed_request

APP = "1234567890"
SECRET = "sandbox-app-secret"
CALLBACK = "http://127.0.0.1:8080/callback"
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(clock: Clock) -> Iterator[LocalThreads]:
    with LocalThreads(clock, app_id=APP, app_secret=SECRET, readable_tokens=True) as running:
        yield running


def get(threads: LocalThreads, path: str, **query: Any) -> requests.Response:
    return requests.get(threads.url + path, params=query, timeout=5, allow_redirects=False)


def refresh(threads: LocalThreads, token: str) -> requests.Response:
    return get(threads, "/refresh_access_token", grant_type="th_refresh_token", access_token=token)


def me(threads: LocalThreads, token: str) -> requests.Response:
    return get(threads, "/v1.0/me", fields="id,username", access_token=token)


def debug(threads: LocalThreads, token: str, by: str | None = None) -> requests.Response:
    return get(threads, "/v1.0/debug_token", access_token=by or token, input_token=token)


def exchange_token(threads: LocalThreads, token: str, secret: str = SECRET) -> requests.Response:
    query = {"grant_type": "th_exchange_token", "client_secret": secret, "access_token": token}
    return get(threads, "/access_token", **query)


def exchange_code(threads: LocalThreads, code: str, /, **changes: str) -> requests.Response:
    form = {
        "client_id": APP,
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": code,
    }
    return requests.post(threads.url + "/oauth/access_token", data=form | changes, timeout=5)


def authorize_url(threads: LocalThreads, **changes: str | None) -> str:
    query = {
        "client_id": APP,
        "redirect_uri": CALLBACK,
        "scope": "threads_basic,threads_content_publish",
        "response_type": "code",
        "state": "s t&te",
    }
    wanted = {name: value for name, value in (query | changes).items() if value is not None}
    return f"{threads.url}/oauth/authorize?{urlencode(wanted)}"


def decide(url: str, person: str = "alice", decision: str = "continue", scopes: list[str] | None = None) -> Any:
    form = {
        "person": person,
        "decision": decision,
        "scope": ["threads_basic", "threads_content_publish"] if scopes is None else scopes,
    }
    return requests.post(url, data=form, timeout=5, allow_redirects=False)


def fresh_code(threads: LocalThreads, person: str = "alice", scopes: list[str] | None = None) -> str:
    location = decide(authorize_url(threads), person, scopes=scopes).headers["Location"]
    return parse_qs(urlsplit(location).query)["code"][0]


def error(reply: requests.Response) -> tuple[int, int | None]:
    body = reply.json()["error"]
    assert reply.status_code == 400
    return body["code"], body.get("error_subcode")


# -- authorize


def test_the_consent_page_needs_no_script_and_offers_people_and_scopes(threads: LocalThreads) -> None:
    page = requests.get(authorize_url(threads), timeout=5)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<script" not in page.text
    assert "stand-in" in page.text
    assert re.findall(r'name="person" value="([^"]+)"', page.text) == [
        "alice",
        "bob",
        "carol",
        "dotted.name",
        "mallory",
    ]
    assert re.findall(r'name="scope" value="([^"]+)"', page.text) == ["threads_basic", "threads_content_publish"]


def test_continue_goes_back_with_a_code_the_state_and_the_fragment(threads: LocalThreads) -> None:
    reply = decide(authorize_url(threads))
    assert reply.status_code == 302
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/callback\?code=[\w-]+&state=s%20t%26te#_", reply.headers["Location"])


def test_a_redirect_uri_with_a_query_keeps_it(threads: LocalThreads) -> None:
    location = decide(authorize_url(threads, redirect_uri=CALLBACK + "?a=b")).headers["Location"]
    assert location.startswith(CALLBACK + "?a=b&code=")


@pytest.mark.parametrize("echoed", [True, False])
def test_cancel_goes_back_with_user_denied_and_the_state_if_so_switched(threads: LocalThreads, echoed: bool) -> None:
    threads.control.switches.state_on_cancel = echoed
    location = decide(authorize_url(threads), decision="cancel").headers["Location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert answer.pop("error_description")
    assert answer == {"error": "access_denied", "error_reason": "user_denied"} | ({"state": "s t&te"} if echoed else {})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": None}, 1),
        ({"client_id": ""}, 1),
        ({"client_id": "555"}, 1349026),
        ({"client_id": "1010101010101010"}, 4476002),
        ({"redirect_uri": "http://example.com/callback"}, 1349187),
        ({"redirect_uri": "ftp://example.com/"}, 1349168),
        ({"redirect_uri": "https://["}, 1349168),
        ({"redirect_uri": "https://example.com/callback#x"}, 1349168),
        ({"redirect_uri": None}, 1349168),
        ({"scope": "threads_content_publish"}, 100),
        ({"scope": "threads_basic,threads_nonsense"}, 100),
        ({"response_type": "token"}, 100),
    ],
)
def test_what_the_app_asks_for_wrongly_is_shown_as_json(
    threads: LocalThreads, changes: dict[str, str | None], code: int
) -> None:
    url = authorize_url(threads, **changes)
    for reply in (requests.get(url, timeout=5), decide(url)):
        assert reply.status_code == 400
        assert reply.json()["error_code"] == code
        assert reply.json()["error_message"]


def test_a_person_without_an_accepted_invite_sees_1349245(threads: LocalThreads) -> None:
    reply = decide(authorize_url(threads), "carol")
    assert reply.json() == {
        "error_message": "The user has not accepted the invite to test the app",
        "error_code": 1349245,
    }
    threads.people.set_accepted("carol")
    assert decide(authorize_url(threads), "carol").status_code == 302


def test_only_the_registered_redirect_uri_is_accepted_to_the_letter(clock: Clock) -> None:
    with LocalThreads(clock, app_id=APP, app_secret=SECRET, redirect_uris={CALLBACK}) as threads:
        assert requests.get(authorize_url(threads), timeout=5).status_code == 200
        other = requests.get(authorize_url(threads, redirect_uri=CALLBACK + "/"), timeout=5)
        assert other.json()["error_code"] == 1349168
        threads.control.switches.trailing_slash = True
        assert requests.get(authorize_url(threads), timeout=5).json()["error_code"] == 1349168
        assert requests.get(authorize_url(threads, redirect_uri=CALLBACK + "/"), timeout=5).status_code == 200


def test_whatever_the_app_sends_is_escaped_on_the_page(threads: LocalThreads) -> None:
    page = requests.get(authorize_url(threads, redirect_uri="https://example.com/<b>"), timeout=5).text
    assert "<b>" not in page


# -- code to short-lived to long-lived


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


# -- refresh, and the two clocks


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


# -- who is it, and inspection


def test_me_gives_the_id_as_a_string_with_and_without_a_version(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("dotted.name")
    assert me(threads, token).json() == {"id": "17841405793187007", "username": "dotted.name"}
    assert get(threads, "/me", fields="username", access_token=token).json() == {"username": "dotted.name"}
    assert get(threads, "/me", access_token=token).json() == {"id": "17841405793187007"}
    assert error(get(threads, "/me", fields="shoe_size", access_token=token)) == (100, None)


def test_debug_token_describes_both_clocks_and_what_was_granted(threads: LocalThreads) -> None:
    now = threads.clock.now().timestamp()
    token = exchange_token(
        threads, exchange_code(threads, fresh_code(threads, scopes=["threads_basic"])).json()["access_token"]
    ).json()["access_token"]
    data = debug(threads, token).json()["data"]
    assert data["is_valid"] is True
    assert data["type"] == "USER"
    assert data["scopes"] == ["threads_basic"]
    assert data["user_id"] == "17841405793187001"
    assert data["issued_at"] == pytest.approx(now, abs=5)
    assert data["expires_at"] == pytest.approx(now + 60 * 86400, abs=5)
    assert data["data_access_expires_at"] == pytest.approx(now + 90 * 86400, abs=5)
    threads.control.switches.debug_user_id_matches = False
    assert debug(threads, token).json()["data"]["user_id"] != "17841405793187001"


def test_an_expired_token_is_inspected_by_another_but_not_by_itself(threads: LocalThreads) -> None:
    expired = threads.tokens.issue_long_lived("alice", age=61 * DAY)
    assert error(debug(threads, expired)) == (190, 463)
    data = debug(threads, expired, by=threads.tokens.issue_long_lived("bob")).json()["data"]
    assert data["is_valid"] is False
    assert data["error"]["code"] == 190


def test_debug_token_may_refuse_where_the_token_is_fine(threads: LocalThreads) -> None:
    threads.control.switches.debug_works = False
    token = threads.tokens.issue_long_lived("alice")
    assert error(debug(threads, token)) == (10, None)
    assert me(threads, token).status_code == 200


def test_replies_may_be_wrapped(threads: LocalThreads) -> None:
    threads.control.switches.wrapped = True
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    assert me(threads, token).json() == {"data": [{"id": "17841405793187001", "username": "alice"}]}
    assert refresh(threads, token).json()["data"][0]["access_token"] == "THalice-2"
    assert debug(threads, token).json()["data"][0]["is_valid"] is True


def test_other_addresses_and_methods_answer_404_and_405_as_json(threads: LocalThreads) -> None:
    nowhere = get(threads, "/v1.0/nowhere")
    assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "OAuthException")
    wrong = requests.post(threads.url + "/refresh_access_token", timeout=5)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, 100)
    assert "GET" in wrong.headers["Allow"]


# -- what happens to people


@pytest.mark.parametrize(
    ("event", "subcode"), [("remove_app", 458), ("change_password", 460), ("checkpoint", 459), ("revoke", 467)]
)
def test_an_event_ends_the_persons_tokens_and_nobody_elses(threads: LocalThreads, event: str, subcode: int) -> None:
    hers, his = threads.tokens.issue_long_lived("alice", age=DAY), threads.tokens.issue_long_lived("bob")
    code = fresh_code(threads)
    requests.post(threads.url + "/sandbox/events", json={"event": event, "username": "alice"}, timeout=5)
    assert error(me(threads, hers)) == (190, subcode)
    assert error(refresh(threads, hers)) == (190, subcode)
    assert exchange_code(threads, code).status_code == 400
    assert me(threads, his).status_code == 200
    assert not threads.tokens.alive(hers)
    assert me(threads, threads.tokens.issue_long_lived("alice")).status_code == 200


def test_a_rename_keeps_the_id_and_the_token(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    threads.people.rename("alice", "alicia")
    assert me(threads, token).json() == {"id": "17841405793187001", "username": "alicia"}
    assert threads.tokens.owner(token) == "alicia"
    with pytest.raises(ValueError, match="taken"):
        threads.people.rename("bob", "alicia")


def test_a_username_may_change_hands(threads: LocalThreads) -> None:
    hers, theirs = threads.tokens.issue_long_lived("alice"), threads.tokens.issue_long_lived("mallory")
    threads.people.hand_over("alice", to="mallory")
    assert me(threads, hers).json() == {"id": "17841405793187001", "username": "alice.before"}
    assert me(threads, theirs).json() == {"id": "17841405793187009", "username": "alice"}


def test_thousands_of_people_are_cheap(threads: LocalThreads) -> None:
    before = time.monotonic()
    for n in range(3000):
        threads.people.add(f"u{n:04}")
        threads.tokens.issue_long_lived(f"u{n:04}", age=DAY)
    assert len(requests.get(threads.url + "/sandbox/state", timeout=5).json()["people"]) == 3005
    assert len({person.id for person in threads.people}) == 3005
    assert time.monotonic() - before < 3


# -- callbacks


def test_a_signed_request_equals_the_known_one() -> None:
    assert signed_request("client_secret_shhhhhh!", "218471", 1291836800) == (
        "w5ZbbWP9yOwBA1uJZbc7-9gZok0O42U4i0yyvxXE_jY.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV4cGlyZXMiOjEyOTE4NDA0MDAs"
        "Imlzc3VlZF9hdCI6MTI5MTgzNjgwMCwidXNlcl9pZCI6IjIxODQ3MSJ9"
    )


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A place that callbacks can be sent to; it answers 200 with JSON."""
    received: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"confirmation_code": "c0de"}')

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def opened(signed: str) -> dict[str, Any]:
    signature, payload = signed.split(".")
    made = base64.urlsafe_b64encode(hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).digest())
    assert made.decode().rstrip("=") == signature
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.mark.parametrize("kind", ["uninstall", "delete"])
def test_a_callback_is_signed_sent_as_a_form_and_ends_the_tokens(
    threads: LocalThreads, inbox: tuple[str, list[tuple[str, str, str]]], kind: str
) -> None:
    url, received = inbox
    token = threads.tokens.issue_long_lived("alice")
    threads.callbacks.urls[kind] = f"{url}/{kind}"
    reply = requests.post(threads.url + "/sandbox/events", json={"event": kind, "username": "alice"}, timeout=5).json()
    assert reply["delivery"]["status"] == 200
    assert reply["delivery"]["body"] == '{"confirmation_code": "c0de"}'
    [(path, content_type, body)] = received
    assert (path, content_type) == (f"/{kind}", "application/x-www-form-urlencoded")
    payload = opened(parse_qs(body)["signed_request"][0])
    assert payload["algorithm"] == "HMAC-SHA256"
    assert payload["user_id"] == "17841405793187001"
    assert payload["issued_at"] == pytest.approx(threads.clock.now().timestamp(), abs=5)
    assert error(me(threads, token)) == (190, 458)
    assert "c0de" in requests.get(threads.url + "/sandbox", timeout=5).text


def test_a_callback_may_name_the_person_by_another_id_and_be_backdated(
    threads: LocalThreads, inbox: tuple[str, list[tuple[str, str, str]]]
) -> None:
    threads.control.switches.signed_user_id_matches = False
    threads.send_uninstall("alice", to=inbox[0] + "/x", issued_at=1700000000)
    payload = opened(parse_qs(inbox[1][0][2])["signed_request"][0])
    assert payload["user_id"] not in {person.id for person in threads.people}
    assert payload["issued_at"] == 1700000000


def test_a_callback_that_nobody_answers_is_told(threads: LocalThreads) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    delivery = threads.send_uninstall("alice", to=f"http://127.0.0.1:{port}/")
    assert delivery.status is None
    assert delivery.body == "no answer: ConnectionError"
    with pytest.raises(ValueError, match="no uninstall callback URL is set"):
        threads.send_uninstall("alice")


# -- faults


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


def call_all(threads: LocalThreads) -> dict[str, int]:
    token, short = threads.tokens.issue_long_lived("alice", age=DAY), threads.tokens.issue_short_lived("alice")
    code = threads.tokens.issue_code("alice", CALLBACK)
    query = {"client_id": APP, "client_secret": SECRET, "grant_type": "client_credentials"}
    return {
        "authorize": requests.get(authorize_url(threads), timeout=5).status_code,
        "exchange_code": exchange_code(threads, code).status_code,
        "exchange_token": exchange_token(threads, short).status_code,
        "refresh": refresh(threads, token).status_code,
        "me": me(threads, token).status_code,
        "debug": debug(threads, token).status_code,
        "probe": get(threads, "/oauth/access_token", **query).status_code,
    }


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
        assert time.monotonic() - before < 1
        for one in waiting:
            one.exception(timeout=5)
        assert time.monotonic() - before < 2


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


# -- the control page and its API


def test_the_control_api_moves_the_clock(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    moved = requests.post(threads.url + "/sandbox/clock", json={"by": "60d"}, timeout=5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moved.json()["now"])
    assert error(me(threads, token)) == (190, 463)
    for nonsense in ("soon", "", "999999w" * 9):
        assert requests.post(threads.url + "/sandbox/clock", json={"by": nonsense}, timeout=5).status_code == 400


def test_the_control_api_sets_faults_and_switches(threads: LocalThreads) -> None:
    fault = {"call": "me", "fault": "expired", "times": None, "username": "alice", "shape": 3}
    set_up = requests.post(threads.url + "/sandbox/faults", json=fault, timeout=5)
    assert set_up.json()["faults"][0]["times"] is None
    assert me(threads, threads.tokens.issue_long_lived("alice")).json()["error_code"] == 190
    requests.post(threads.url + "/sandbox/faults", json={"clear": True}, timeout=5)
    assert threads.control.faults == []
    turned = requests.post(threads.url + "/sandbox/switches", json={"same_string": True}, timeout=5)
    assert turned.json()["switches"]["same_string"] is True
    for nonsense in ({"no_such": True}, {"same_string": 1}, {"wrapped": True, "too_young_shape": 9}, [1]):
        assert requests.post(threads.url + "/sandbox/switches", json=nonsense, timeout=5).status_code == 400
    assert threads.control.switches.wrapped is False


def test_events_that_cannot_be_are_400(threads: LocalThreads) -> None:
    for nonsense in (
        {"event": "explode", "username": "alice"},
        {"event": "rename", "username": "nobody", "to": "x"},
        {"event": "rename", "username": "alice", "to": ""},
        {"event": "hand_over", "username": "alice", "to": "alice"},
        {"event": "add_person", "username": "alice"},
        {"event": "uninstall", "username": "alice"},
    ):
        reply = requests.post(threads.url + "/sandbox/events", json=nonsense, timeout=5)
        assert (reply.status_code, set(reply.json())) == (400, {"error"}), nonsense


def test_the_page_and_the_state_show_four_characters_of_a_token(clock: Clock) -> None:
    with LocalThreads(clock) as threads:
        token = threads.tokens.issue_long_lived("alice")
        assert re.fullmatch(r"THAA[\w-]{176}", token)
        page, state = requests.get(threads.url + "/sandbox", timeout=5), get(threads, "/sandbox/state")
    for shown in (page.text, state.text):
        assert token[-4:] in shown
        assert token[-5:] not in shown
        assert token[:8] not in shown
    assert "<script" not in page.text
    assert state.json()["people"][0]["tokens"][0]["alive"] is True


def test_the_forms_of_the_page_work_and_lead_back_to_it(threads: LocalThreads) -> None:
    def send(path: str, **form: str) -> requests.Response:
        return requests.post(threads.url + path, data=form, timeout=5, allow_redirects=False)

    before = threads.clock.now()
    assert send("/sandbox/clock", by="1d").headers["Location"] == "/sandbox#clock"
    assert threads.clock.now() - before >= DAY
    form = {"call": "me", "fault": "delay", "times": "", "username": "", "shape": "", "status": "", "seconds": "0.1"}
    assert send("/sandbox/faults", **form).status_code == 303
    [fault] = threads.control.faults
    assert (fault.times, fault.username, fault.seconds) == (None, None, 0.1)
    assert send("/sandbox/switches", same_string="on", too_young_code="24").status_code == 303
    assert threads.control.switches.same_string is True
    assert threads.control.switches.state_on_cancel is False
    assert threads.control.switches.too_young_code == 24
    assert send("/sandbox/events", event="rename", username="alice", to="alicia").status_code == 303
    assert "alicia" in {person.username for person in threads.people}
    mistaken = send("/sandbox/clock", by="<b>soon")
    assert mistaken.status_code == 400
    assert "not a duration" in mistaken.text
    assert "<b>soon" not in mistaken.text


def test_another_site_cannot_post_to_the_control_page(threads: LocalThreads) -> None:
    url = threads.url + "/sandbox/clock"
    foreign = requests.post(url, data={"by": "60d"}, headers={"Origin": "https://example.com"}, timeout=5)
    assert foreign.status_code == 403
    assert requests.post(url, data={"by": "1d"}, headers={"Origin": threads.url}, timeout=5).status_code == 200


# -- in a browser, without script


@pytest.fixture
def browser_page() -> Iterator[Any]:
    """A phone-sized page of a browser that runs no script."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium")
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
        page.set_default_timeout(10_000)
        yield page
        browser.close()


@pytest.mark.browser
def test_a_person_signs_in_and_moves_the_clock_in_a_browser(threads: LocalThreads, browser_page: Any) -> None:
    page = browser_page
    page.goto(authorize_url(threads, redirect_uri=threads.url + "/sandbox"))
    page.get_by_label("bob").check()
    page.get_by_label("threads_content_publish").uncheck()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/sandbox?code=*")
    assert page.url.endswith("#_")
    assert threads.people["bob"].grant.scopes == ["threads_basic"]
    before = threads.clock.now()
    page.get_by_role("button", name="+60 days").click()
    page.wait_for_url("**/sandbox#clock")
    assert threads.clock.now() - before > 59 * DAY
    page.get_by_label("Fault").select_option("hang")
    page.get_by_role("button", name="Make it fail").click()
    page.wait_for_url("**/sandbox#faults")
    assert [(fault.call, fault.name, fault.times) for fault in threads.control.faults] == [("refresh", "hang", 1)]
    page.locator("article", has_text="carol").get_by_role("button", name="Accept invite").click()
    page.wait_for_url("**/sandbox#people")
    assert threads.people["carol"].accepted
    assert page.evaluate("document.documentElement.scrollWidth") == 390


# -- kept state, and the command


def test_a_restart_loses_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "kept" / "threads.json"
    with LocalThreads(clock, path=path) as threads:
        token = threads.tokens.issue_long_lived("bob", age=DAY)
        removed = threads.tokens.issue_long_lived("mallory")
        threads.people.remove_app("mallory")
        threads.people.rename("alice", "alicia")
        threads.control.turn({"same_string": True})
        threads.control.fail("me", "expired", times=None, username="alicia", shape=4)
        code, before = fresh_code(threads, "dotted.name"), threads_state(threads)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["threads.json"]
    with LocalThreads(clock, path=path) as threads:
        after = threads_state(threads)
        assert before == after
        assert refresh(threads, token).json()["access_token"] == token
        assert error(me(threads, removed)) == (190, 458)
        assert exchange_code(threads, code).status_code == 200
        threads.people.add("newcomer")
        assert len({person.id for person in threads.people}) == 6


def threads_state(threads: LocalThreads) -> dict[str, Any]:
    state: dict[str, Any] = get(threads, "/sandbox/state").json()
    state.pop("now")
    return state


def test_the_command_says_when_it_is_ready_and_ends_in_good_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.threads", "--clock", str(tmp_path / "clock.json")]
    settings = ["--app-secret-env", "APP_SECRET", "--state", str(tmp_path / "state.json"), "--redirect-uri", CALLBACK]
    with subprocess.Popen(
        command + settings,
        env=os.environ | {"APP_SECRET": "from-the-environment"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        ready = running.stdout.readline()
        url = re.findall(r"http://127\.0\.0\.1:\d+", ready)[0]
        query = {"client_id": APP, "client_secret": "from-the-environment", "grant_type": "client_credentials"}
        assert requests.get(url + "/oauth/access_token", params=query, timeout=5).status_code == 200
        port = url.rsplit(":", 1)[1]
        taken = subprocess.run([*command, "--port", port], capture_output=True, text=True, timeout=20)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, out, err) == (0, "", "")
    assert (taken.returncode, taken.stdout, len(taken.stderr.splitlines())) == (1, "", 1)
    assert port in taken.stderr


def test_nothing_is_logged(
    threads: LocalThreads, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call_all(threads)
    get(threads, "/nowhere", access_token="a-sentinel")
    with socket.create_connection(("127.0.0.1", int(threads.url.rsplit(":", 1)[1]))) as raw:
        raw.sendall(b"NONSENSE /?access_token=a-sentinel HTTP/9.9\r\n\r\n")
        raw.recv(1000)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
