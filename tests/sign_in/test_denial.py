"""A person who cancels on the consent page may sign in again, and an error of Threads is shown as an error."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import (
    assert_clears_one_cookie,
    assert_nothing_kept,
    assert_refused_without_asking_threads,
    assert_touches_no_cookie,
    code_calls,
    get,
    logged,
    login,
    start,
)

DENIED = {"error": "access_denied", "error_reason": "user_denied", "error_description": "The user denied your request"}


@pytest.mark.parametrize("echo", [True, False])
def test_a_cancelled_consent_stores_nothing_and_the_page_says_so(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str], echo: bool
) -> None:
    threads.control.turn({"state_on_cancel": echo})
    reply = get(oauth, start(oauth, threads, decision="cancel"))
    assert reply.status_code == 400
    assert "You cancelled the sign-in, and nothing was changed." in reply.text
    assert "did not work" not in reply.text
    assert [line["severity"] for line in logged(capsys)] == ["INFO"]
    assert code_calls(threads) == 0
    assert_nothing_kept(manager)


def test_a_cancelled_consent_ends_its_own_sign_in_and_no_other(oauth: FlaskClient) -> None:
    login(oauth)
    state, cookie = login(oauth)
    assert_clears_one_cookie(get(oauth, f"/callback?{urlencode(DENIED)}&state={state}"), cookie)


@pytest.mark.parametrize("state", ["", "&state=", "&state=x", "&state=x&state=x"])
def test_a_cancelled_consent_whose_state_is_not_right_ends_no_sign_in(oauth: FlaskClient, state: str) -> None:
    login(oauth)
    reply = get(oauth, f"/callback?{urlencode(DENIED)}{state}")
    assert reply.status_code == 400
    assert "You cancelled the sign-in" in reply.text
    assert_touches_no_cookie(reply)


@pytest.mark.parametrize("name", ["error", "error_reason", "error_code", "error_message"])
@pytest.mark.parametrize("value", ["access_denied", "acces_denied", "user_cancelled", "user_declined", ""])
def test_any_spelling_of_a_denial_stops_a_sign_in_that_is_otherwise_good(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, name: str, value: str
) -> None:
    reply = get(oauth, start(oauth, threads) + f"&{name}={value}")
    assert "You cancelled the sign-in" in reply.text
    assert_refused_without_asking_threads(reply, threads, manager)


@pytest.mark.parametrize("query", ["error=server_error", "error_code=1349245&error_message=Not+invited"])
def test_an_error_of_threads_is_not_shown_as_a_cancelled_consent(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    query: str,
) -> None:
    reply = get(oauth, f"{start(oauth, threads)}&{query}")
    assert "Threads ended the sign-in with an error of its own." in reply.text
    assert "cancelled" not in reply.text
    assert [line["severity"] for line in logged(capsys)] == ["WARNING"]
    assert_refused_without_asking_threads(reply, threads, manager)
