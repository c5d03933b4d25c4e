"""The fixtures of all tests: a local Threads, a local Secret Manager and both functions, which share one clock."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import ACCOUNT_LABELS, APP_ID, APP_SECRET, serve, settings_for
from tests.support.browser import chromium
from tests.support.programs import skip_without_program
from token_keeper import clock as keeper_clock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A script starts what runs in its background with Ctrl-C ignored, and the programs under test would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples every time, and no deadline that a busy machine could miss.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    skip_without_program(item)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a process: Playwright cannot be started a second time beside itself."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of both functions and both local servers. The functions have no setting for it."""
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
    for name, value in settings_for(threads, manager).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def limits() -> dict[str, Any]:
    """The limits that the tests of a folder change. See `token_keeper.limits`."""
    return {}


@pytest.fixture
def oauth(settings: None, limits: dict[str, Any]) -> FlaskClient:
    """The public function, as functions-framework serves it."""
    return serve("oauth", **limits)


@pytest.fixture
def refresh(settings: None, limits: dict[str, Any]) -> FlaskClient:
    """The private function, as functions-framework serves it."""
    return serve("refresh", **limits)
