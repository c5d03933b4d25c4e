"""The `state`: made here, for this browser, for ten minutes, for one use."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import functions_framework
import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import (
    ALICE,
    COOKIE,
    assert_refused_without_asking_threads,
    code_calls,
    get,
    start,
    without_jar,
)
from tests.support.app import MAIN
from tests.support.sign_in import sign_in


@pytest.mark.parametrize(
    "change",
    [
        lambda back: re.sub(r"&state=[^&]*", "", back),
        lambda back: re.sub(r"state=[^&]*", "state=", back),
        lambda back: re.sub(r"state=[^&]*", "state=constant", back),
        lambda back: back[:-1] + ("A" if back[-1] != "A" else "B"),
        lambda back: back + "&" + re.search(r"state=[^&]*", back)[0],  # type: ignore[index]
        lambda back: back + "&state=",
        lambda back: back + "&" + re.search(r"code=[^&]*", back)[0],  # type: ignore[index]
        lambda back: re.sub(r"code=[^&]*&", "", back),
        lambda back: re.sub(r"code=[^&]*", "code=", back),
    ],
    ids=[
        "no state",
        "empty state",
        "constant state",
        "changed state",
        "state twice",
        "state and an empty one",
        "code twice",
        "no code",
        "empty code",
    ],
)
def test_a_callback_that_is_not_as_it_was_sent_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, change: Any
) -> None:
    reply = get(oauth, change(start(oauth, threads)))
    assert_refused_without_asking_threads(reply, threads, manager)


def test_another_browser_cannot_finish_a_sign_in(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    stranger = oauth.application.test_client()
    assert_refused_without_asking_threads(get(stranger, back), threads, manager)
    get(stranger, "/login")  # another state of its own does not help
    assert_refused_without_asking_threads(get(stranger, back), threads, manager)


def test_a_cookie_without_the_prefix_does_not_count(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    state = parse_qs(urlsplit(back).query)["state"][0]
    stranger = without_jar(oauth)
    reply = get(stranger, back, headers={"Cookie": f"threads-state={state}"})
    assert_refused_without_asking_threads(reply, threads, manager)
    assert get(stranger, back, headers={"Cookie": f"{COOKIE}={state}"}).status_code == 303


@pytest.mark.parametrize("value", ["", "constant", "WzEsMl0.c2ln", "\udcff\udcfe", "ü.ü", "." * 3000], ids=ascii)
def test_a_state_that_matches_its_cookie_but_was_not_made_here_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, value: str
) -> None:
    raw = value.encode("utf-8", "surrogateescape")
    query = "".join(f"%{byte:02x}" for byte in raw)
    cookie = f"{COOKIE}={raw.decode('latin-1')}"
    reply = get(without_jar(oauth), f"/callback?code=c&state={query}", headers={"Cookie": cookie})
    assert_refused_without_asking_threads(reply, threads, manager)


def test_a_state_lives_for_ten_minutes(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    state = parse_qs(urlsplit(get(oauth, "/login").headers["Location"]).query)["state"][0]
    back, cookie = f"/callback?code=none&state={state}", {"Cookie": f"{COOKIE}={state}"}
    clock.forward(timedelta(minutes=9, seconds=50))
    assert "used up" in get(without_jar(oauth), back, headers=cookie).text
    assert code_calls(threads) == 1
    clock.forward(timedelta(seconds=12))
    reply = get(without_jar(oauth), back, headers=cookie)
    assert "too old" in reply.text
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_a_state_made_with_another_app_secret_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = start(oauth, threads)
    monkeypatch.setenv("THREADS_APP_SECRET", "another")
    assert_refused_without_asking_threads(get(oauth, back), threads, manager)


def test_a_receipt_is_no_state(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    receipt = sign_in(oauth, threads, "bob").headers["Location"].partition("receipt=")[2]
    cookie = {"Cookie": f"{COOKIE}={receipt}"}
    reply = get(without_jar(oauth), f"/callback?code=c&state={receipt}", headers=cookie)
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_a_state_is_good_once_after_success(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    assert get(oauth, back).status_code == 303
    reply = get(oauth, back)
    assert reply.status_code == 400
    assert code_calls(threads) == 1
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_a_state_is_good_once_after_failure(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    threads.control.fail("exchange_code", "unavailable")
    assert get(oauth, back).status_code == 503
    assert_refused_without_asking_threads(get(oauth, back), threads, manager, calls=1)


@pytest.mark.parametrize("query", ["code=c&state=x", "state=x", "error=access_denied", "", "code=c"])
def test_every_callback_clears_the_cookie(oauth: FlaskClient, query: str) -> None:
    get(oauth, "/login")
    reply = get(oauth, f"/callback?{query}")
    cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=;")
    for attribute in ("Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"):
        assert attribute in cookie
    assert oauth.get_cookie(COOKIE, domain="keeper.example") is None


def test_any_instance_can_finish_what_another_began(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    state = parse_qs(urlsplit(back).query)["state"][0]
    other = functions_framework.create_app("oauth", str(MAIN)).test_client(use_cookies=False)
    assert get(other, back, headers={"Cookie": f"{COOKIE}={state}"}).status_code == 303
