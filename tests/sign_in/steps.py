"""The steps and the assertions that the sign-in tests share."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import PUBLIC_URL
from tests.support.sign_in import consent

ALICE, ALICE_ID = "threads-token-alice", "17841405793187001"
BOB_ID = "17841405793187003"
COOKIE = "__Host-threads-state"


def get(oauth: FlaskClient, path: str, **more: Any) -> TestResponse:
    return oauth.get(path, base_url=PUBLIC_URL, **more)


def without_jar(oauth: FlaskClient) -> FlaskClient:
    """Return a client that keeps no cookies, so that a test can set the Cookie header."""
    return oauth.application.test_client(use_cookies=False)


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
    assert "Start over" in reply.text
    assert code_calls(threads) == calls
    assert_nothing_kept(manager)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
