"""A silent connection to Secret Manager costs a sign-in some seconds, but not its code."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.relay import Relay
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, code_calls
from tests.support.app import serve
from tests.support.sign_in import sign_in
from tests.support.timing import allowed


@pytest.fixture
def relay(settings: None, manager: SecretManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay between the function and Secret Manager."""
    with Relay(manager.address) as relay:
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", relay.address)
        yield relay


@pytest.fixture
def oauth(relay: Relay) -> FlaskClient:
    return serve("oauth", sign_in_patience=20.0)


def test_a_sign_in_over_a_connection_that_has_gone_silent_succeeds_over_a_new_one(
    oauth: FlaskClient, relay: Relay, threads: LocalThreads, manager: SecretManager
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    relay.swallow()
    relay.carry()  # new connections are good again; the old one stays silent, and nobody closes it
    begun = time.monotonic()
    assert sign_in(oauth, threads).status_code == 303
    assert time.monotonic() - begun < allowed(20)
    assert manager.states(ALICE) == {1: "ENABLED", 2: "ENABLED"}
    assert code_calls(threads) == 2
    assert relay.connections >= 2
    begun = time.monotonic()
    assert sign_in(oauth, threads).status_code == 303  # the next sign-in does not wait
    assert time.monotonic() - begun < allowed(3)


def test_a_silent_secret_manager_is_a_503_in_time(relay: Relay, threads: LocalThreads, manager: SecretManager) -> None:
    relay.swallow()
    begun = time.monotonic()
    assert sign_in(serve("oauth", sign_in_patience=3.0, call_timeout=1.0), threads).status_code == 503
    assert time.monotonic() - begun < allowed(15)
    assert manager.states(ALICE) == {}
