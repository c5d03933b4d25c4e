"""The uninstall and delete callbacks that the local Threads sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from sandbox.threads.server import LocalThreads
from sandbox.threads.signed_request import signed_request
from tests.sandbox_threads.calls import SECRET, error, me


def test_a_signed_request_equals_the_known_one() -> None:
    assert signed_request("client_secret_shhhhhh!", "218471", 1291836800) == (
        "w5ZbbWP9yOwBA1uJZbc7-9gZok0O42U4i0yyvxXE_jY.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV4cGlyZXMiOjEyOTE4NDA0MDAs"
        "Imlzc3VlZF9hdCI6MTI5MTgzNjgwMCwidXNlcl9pZCI6IjIxODQ3MSJ9"
    )


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A server that receives callbacks and answers 200 with JSON."""
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
