"""The steps and the assertions that the sign-in tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import PUBLIC_URL
from tests.support.sign_in import consent

ALICE, ALICE_ID = "threads-token-alice", "17841405793187001"
BOB_ID = "17841405793187003"
COOKIE = "__Host-threads-state-"  # followed by a hash of the state


def get(oauth: FlaskClient, path: str, **more: Any) -> TestResponse:
    return oauth.get(path, base_url=PUBLIC_URL, **more)


def without_jar(oauth: FlaskClient) -> FlaskClient:
    """Return a client that keeps no cookies, so that a test can set the Cookie header."""
    return oauth.application.test_client(use_cookies=False)


def login(oauth: FlaskClient, base_url: str = PUBLIC_URL) -> tuple[str, str]:
    """Begin a sign-in, and return its state and its cookie as in a Cookie header."""
    reply = oauth.get("/login", base_url=base_url)
    return state_of(reply.headers["Location"]), reply.headers["Set-Cookie"].partition(";")[0]


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def start(oauth: FlaskClient, threads: LocalThreads, person: str = "alice", **how: Any) -> str:
    """Sign in up to the callback, and return the callback's path and query."""
    return consent(threads, get(oauth, "/login").headers["Location"], person, **how)


def code_calls(threads: LocalThreads) -> int:
    return sum(call == "exchange_code" for call, _ in threads.control.calls)


def assert_nothing_kept(manager: SecretManager, secret_id: str = ALICE) -> None:
    assert manager.states(secret_id) == {}
    assert manager.annotations(secret_id) == {}


def assert_refused_without_asking_threads(
    reply: TestResponse, threads: LocalThreads, manager: SecretManager, calls: int = 0
) -> None:
    assert reply.status_code == 400
    assert f'href="{PUBLIC_URL}/login"' in reply.text
    assert code_calls(threads) == calls
    assert_nothing_kept(manager)


def assert_touches_no_cookie(reply: TestResponse) -> None:
    assert "Set-Cookie" not in reply.headers


def assert_clears_one_cookie(reply: TestResponse, cookie: str) -> None:
    """Assert that a reply ends the sign-in that this cookie belongs to, and no other."""
    (cleared,) = reply.headers.getlist("Set-Cookie")
    assert cleared.startswith(f"{cookie.partition('=')[0]}=;")
    for attribute in ("Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"):
        assert attribute in cleared


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


API = "https://graph.threads.com"


@contextmanager
def replies_of_threads(
    monkeypatch: pytest.MonkeyPatch, me: Any = None, token: Any = None, inspection: Any = None
) -> Iterator[None]:
    """Make Threads answer these objects instead of its own about alice."""
    monkeypatch.setenv("THREADS_API_URL", API)
    described = {"is_valid": True, "user_id": ALICE_ID, "scopes": ["threads_basic"], **(inspection or {})}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as threads:
        threads.post(f"{API}/oauth/access_token", json={"access_token": "THshort", "user_id": int(ALICE_ID)})
        threads.get(f"{API}/access_token", json=token or {"access_token": "THlong", "expires_in": 5184000})
        threads.get(f"{API}/v1.0/me", json=me or {"id": ALICE_ID, "username": "alice"})
        threads.get(f"{API}/v1.0/debug_token", json={"data": described})
        yield
