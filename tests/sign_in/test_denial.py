"""A person who declines is told so, and nothing is stored."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import assert_nothing_kept, assert_refused_without_asking_threads, code_calls, get, start


@pytest.mark.parametrize("echo", [True, False])
def test_a_cancelled_consent_stores_nothing_and_the_page_says_so(
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
