"""What a person finds on the control page: posts, the app, the keeper, faults in words, and a form that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.callbacks import Delivery
from sandbox.threads.keeper import Keeper
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, CALLBACK, SECRET, authorize_url, get

REPORT = (
    b'{"accounts": [{"secret": "projects/demo/secrets/threads-token-alice", "outcome": "too_young"}], "outcomes": {}}'
)


def page(threads: LocalThreads) -> str:
    return requests.get(threads.url + "/sandbox", timeout=5).text


def send(threads: LocalThreads, name: str, **form: str) -> requests.Response:
    return requests.post(f"{threads.url}/sandbox/{name}", data=form, timeout=5, allow_redirects=False)


def test_posts_stand_there_newest_first_with_who_posted_and_by_which_token(clock: Clock) -> None:
    with LocalThreads(clock) as threads:
        tokens = [threads.tokens.issue_long_lived(name) for name in ("alice", "bob")]
        for token, text in zip(tokens, ("<b>first</b>", "second"), strict=True):
            form = {"media_type": "TEXT", "text": text, "auto_publish_text": "true", "access_token": token}
            assert requests.post(f"{threads.url}/me/threads", data=form, timeout=5).status_code == 200
        shown, state = page(threads), get(threads, "/sandbox/state").json()["posts"]
    assert [(one["username"], one["text"]) for one in state] == [("bob", "second"), ("alice", "<b>first</b>")]
    assert [one["token_ends_with"] for one in state] == [token[-4:] for token in reversed(tokens)]
    assert shown.index("second") < shown.index("&lt;b&gt;first&lt;/b&gt;")
    assert "<b>first" not in shown
    for token in tokens:
        assert token[-4:] in shown
        assert token[-5:] not in shown


def test_another_app_finds_the_id_and_the_secret_and_registers_its_redirect_uri(clock: Clock) -> None:
    with LocalThreads(clock, APP, SECRET, redirect_uris={CALLBACK}) as threads:
        mine = "https://bot.example/callback"
        assert get(threads, "/oauth/authorize").status_code == 400
        asked = authorize_url(threads, redirect_uri=mine)
        assert requests.get(asked, timeout=5).json()["error_code"] == 1349168
        assert send(threads, "redirect-uris", add=mine).headers["Location"] == "/sandbox#app"
        assert requests.get(asked, timeout=5).status_code == 200
        assert requests.get(authorize_url(threads), timeout=5).status_code == 200
        shown = page(threads)
        assert get(threads, "/sandbox/state").json()["redirect_uris"] == [CALLBACK, mine]
        reply = requests.post(f"{threads.url}/sandbox/redirect-uris", json={"remove": mine}, timeout=5)
        assert (reply.status_code, "remove" in reply.json()["error"]) == (400, True)
        for wrong in ("http://bot.example/callback", "bot.example", "https://bot.example/#x", ""):
            reply = requests.post(f"{threads.url}/sandbox/redirect-uris", json={"add": wrong}, timeout=5)
            assert (reply.status_code, "not a redirect URI" in reply.json()["error"]) == (400, True), wrong
    for text in (APP, SECRET, mine):
        assert text in shown


def test_a_duration_that_is_not_understood_stays_in_its_field(threads: LocalThreads) -> None:
    reply = send(threads, "clock", by='"12 hours"')
    assert reply.status_code == 400
    assert 'name="by" value="&#34;12 hours&#34;"' in reply.text
    assert "not a duration" in reply.text
    assert 'name="by" value=""' in page(threads)


def test_a_fault_that_is_not_understood_is_kept_too(threads: LocalThreads) -> None:
    reply = send(threads, "faults", call="me", fault="custom", times="2", message="No such thing", status="700")
    assert reply.status_code == 400
    assert 'value="No such thing"' in reply.text
    assert "status must be an HTTP status" in reply.text


def test_faults_are_said_in_words(threads: LocalThreads) -> None:
    threads.control.fail("refresh", "expired", None, "alice")
    threads.control.fail("me", "html_502", 3, token="newest")
    threads.control.fail("publish", "custom", code=24, subcode=7, message="Gone.")
    words = [fault["words"] for fault in get(threads, "/sandbox/state").json()["faults"]]
    assert words == [
        "Every refresh of alice: Error validating access token: Session has expired on Sunday, 01-Nov-26 00:00:00 PST"
        " (190/463, HTTP 400)",
        "3 times: the next /me with the newest token: HTTP 502 with a web page",
        "The next publishing: Gone (24/7, HTTP 400)",
    ]
    assert all(text in page(threads) for text in words)


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/state", "/oauth/authorize", "/me", "/nowhere"])
def test_every_reply_forbids_what_the_pages_do_not_need(threads: LocalThreads, path: str) -> None:
    reply = get(threads, path)
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:;")
    assert "unsafe" not in policy
    assert ("form-action 'self'" in policy) is path.startswith("/sandbox")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "style=" not in reply.text
    assert "<style" not in reply.text


def test_the_style_sheet_is_served_from_here(threads: LocalThreads) -> None:
    reply = get(threads, "/sandbox/style.css")
    assert reply.headers["Content-Type"].startswith("text/css")
    assert "url(" not in reply.text
    assert "@import" not in reply.text


@pytest.fixture
def function() -> Iterator[str]:
    """A function that answers a POST with a report of a run."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(500 if self.path == "/" else 404)
            self.end_headers()
            self.wfile.write(REPORT)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_button_refreshes_the_keeper_and_links_lead_to_its_pages(clock: Clock, function: str) -> None:
    with LocalThreads(clock, keeper=Keeper("http://127.0.0.1:8080/", function)) as threads:
        assert send(threads, "refresh").headers["Location"] == "/sandbox#keeper"
        shown = page(threads)
    assert 'href="http://127.0.0.1:8080/"' in shown
    assert f'href="{function}/"' in shown
    assert "<strong>500</strong>" in shown
    assert "<code>threads-token-alice</code> too young" in shown


def test_a_keeper_that_does_not_answer_is_said(clock: Clock) -> None:
    with LocalThreads(clock, keeper=Keeper(refresh_url="http://127.0.0.1:1")) as threads:
        reply = requests.post(f"{threads.url}/sandbox/refresh", json={}, timeout=5).json()
        assert reply == {"status": None, "outcomes": {}, "problem": "no answer that can be read: ConnectionError"}
        assert "no answer that can be read" in page(threads)


def test_without_its_address_the_keeper_cannot_be_refreshed(threads: LocalThreads) -> None:
    assert "Refresh the tokens" not in page(threads)
    reply = requests.post(f"{threads.url}/sandbox/refresh", json={}, timeout=5)
    assert (reply.status_code, "--refresh-url" in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("body", "link"),
    [
        ('{"url": "https://keeper.example/deletion?code=1", "confirmation_code": "1"}', True),
        ('{"url": "javascript:alert(1)", "confirmation_code": "1"}', False),
        ('{"url": 5}', False),
        ("[]", False),
        ("<p>", False),
    ],
)
def test_the_page_of_a_deletion_is_linked_if_it_is_a_page(threads: LocalThreads, body: str, link: bool) -> None:
    threads.callbacks.deliveries.appendleft(Delivery("delete", "alice", "https://keeper.example/delete", 200, body))
    shown = page(threads)
    assert ('<a href="https://keeper.example/deletion?code=1">' in shown) is link
    assert 'href="javascript' not in shown
