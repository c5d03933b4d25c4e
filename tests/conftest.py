"""What the tests stand on: a local Threads, a local Secret Manager, and both functions, all by one clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import functions_framework
import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager import SecretManager
from sandbox.threads import LocalThreads
from token_keeper import clock as keeper_clock

MAIN = Path(__file__).parent.parent / "main.py"
APP_ID, APP_SECRET = "1234567890", "sandbox-app-secret"
ACCOUNT_LABELS = {"managed-by": "threads-token-keeper"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The one clock. The functions have no setting for it, so it takes the place of theirs."""
    clock = Clock()
    monkeypatch.setattr(keeper_clock, "now", clock.now)
    return clock


@pytest.fixture
def threads(clock: Clock) -> Iterator[LocalThreads]:
    """A local Threads whose tokens count up: THalice-1, THalice-2."""
    with LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET, readable_tokens=True) as threads:
        yield threads


@pytest.fixture
def manager(clock: Clock) -> Iterator[SecretManager]:
    """A local Secret Manager that allows alice, bob and dotted.name, and nobody else."""
    with SecretManager(clock) as manager:
        for secret_id in ("threads-token-alice", "threads-token-bob", "threads-token-dotted-name"):
            manager.create(secret_id, labels=ACCOUNT_LABELS)
        yield manager


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, threads: LocalThreads, manager: SecretManager) -> None:
    """The environment of both functions, as a deployment would set it."""
    for name, value in {
        "GOOGLE_CLOUD_PROJECT": "demo",
        "SECRET_MANAGER_EMULATOR_HOST": manager.address,
        "THREADS_APP_ID": APP_ID,
        "THREADS_APP_SECRET": APP_SECRET,
        "PUBLIC_URL": "https://keeper.example",
        "THREADS_AUTHORIZE_URL": f"{threads.url}/oauth/authorize",
        "THREADS_API_URL": threads.url,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def oauth(settings: None) -> FlaskClient:
    """The public function, as functions-framework serves it."""
    return functions_framework.create_app("oauth", str(MAIN)).test_client()


@pytest.fixture
def refresh(settings: None) -> FlaskClient:
    """The private function, as functions-framework serves it."""
    return functions_framework.create_app("refresh", str(MAIN)).test_client()
