"""The `state`: made here, for this browser, for ten minutes, for one use."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import (
    ALICE,
    COOKIE,
    assert_clears_one_cookie,
    assert_refused_without_asking_threads,
    assert_touches_no_cookie,
    code_calls,
    get,
    logged,
    login,
    start,
    state_of,
    without_jar,
)
from tests.support.app import serve
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
    reply = get(stranger, back)
    assert "begun in another browser" in reply.text
    assert_refused_without_asking_threads(reply, threads, manager)
    get(stranger, "/login")  # another state of its own does not help
    assert_refused_without_asking_threads(get(stranger, back), threads, manager)


def test_a_sign_in_that_was_begun_at_another_address_of_the_service_says_so(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    state, _ = login(oauth, "https://another.example")
    reply = get(oauth, f"/callback?code=c&state={state}")
    assert "begun at another address of this service than https://keeper.example." in reply.text
    assert_refused_without_asking_threads(reply, threads, manager)


def test_a_front_that_rewrites_the_host_does_not_make_it_another_address(oauth: FlaskClient) -> None:
    front = "http://internal.example:8080"
    state, _ = login(oauth, front)
    reply = without_jar(oauth).get(f"/callback?code=c&state={state}", base_url=front)
    assert "another browser" in reply.text


def test_a_cookie_without_the_prefix_does_not_count(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back, stranger = start(oauth, threads), without_jar(oauth)
    cookie = cookie_of(oauth, state_of(back))
    reply = get(stranger, back, headers={"Cookie": cookie.removeprefix("__Host-")})
    assert_refused_without_asking_threads(reply, threads, manager)
    assert get(stranger, back, headers={"Cookie": cookie}).status_code == 303


def cookie_of(oauth: FlaskClient, state: str) -> str:
    """Return the cookie of a sign-in that this browser has begun."""
    (found,) = [one for one in oauth._cookies.values() if one.value == state]
    return f"{found.key}={found.value}"


@pytest.mark.parametrize("value", ["", "constant", "WzEsMl0.c2ln", "\udcff\udcfe", "ü.ü", "." * 3000], ids=ascii)
def test_a_state_that_matches_its_cookie_but_was_not_made_here_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, value: str
) -> None:
    raw = value.encode("utf-8", "surrogateescape")
    query = "".join(f"%{byte:02x}" for byte in raw)
    seen = raw.decode("utf-8", "replace")
    cookie = f"{COOKIE}{hashlib.sha256(seen.encode()).hexdigest()[:12]}={raw.decode('latin-1')}"
    reply = get(without_jar(oauth), f"/callback?code=c&state={query}", headers={"Cookie": cookie})
    assert_refused_without_asking_threads(reply, threads, manager)


def test_a_consent_after_eleven_minutes_is_too_late(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    state, cookie = login(oauth)
    back, headers = f"/callback?code=none&state={state}", {"Cookie": cookie}
    clock.forward(timedelta(minutes=9, seconds=50))
    assert "used up" in get(without_jar(oauth), back, headers=headers).text
    assert code_calls(threads) == 1
    clock.forward(timedelta(minutes=1, seconds=10))
    reply = get(without_jar(oauth), back, headers=headers)
    assert "The sign-in took too long" in reply.text
    assert_touches_no_cookie(reply)
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_the_cookie_outlives_the_state_in_the_browser(oauth: FlaskClient, threads: LocalThreads, clock: Clock) -> None:
    back = start(oauth, threads)
    clock.forward(timedelta(hours=3))
    assert oauth.get_cookie(cookie_of(oauth, state_of(back)).partition("=")[0], domain="keeper.example")
    assert "The sign-in took too long" in get(oauth, back).text


def test_a_state_made_with_another_app_secret_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = start(oauth, threads)
    monkeypatch.setenv("THREADS_APP_SECRET", "another")
    assert_refused_without_asking_threads(get(oauth, back), threads, manager)


def test_a_receipt_is_no_state(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    receipt = sign_in(oauth, threads, "bob").headers["Location"].partition("receipt=")[2]
    cookie = {"Cookie": f"{COOKIE}{hashlib.sha256(receipt.encode()).hexdigest()[:12]}={receipt}"}
    reply = get(without_jar(oauth), f"/callback?code=c&state={receipt}", headers=cookie)
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_a_state_is_good_once_after_success(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    assert get(oauth, back).status_code == 303
    reply = get(oauth, back)
    assert reply.status_code == 400
    assert "Its address works only once, and it was used before." in reply.text
    assert code_calls(threads) == 1
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_a_state_is_good_once_after_failure(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    threads.control.fail("exchange_code", "unavailable")
    assert get(oauth, back).status_code == 503
    reply = get(oauth, back)
    assert "Its address works only once, and it was used before." in reply.text
    assert_refused_without_asking_threads(reply, threads, manager, calls=1)


def test_an_instance_that_did_not_see_how_a_sign_in_ended_does_not_say_more_than_it_knows(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    assert get(oauth, back).status_code == 303
    reply = get(serve("oauth"), back)
    assert reply.status_code == 400
    assert "begun in another browser, or finished before" in reply.text


@pytest.mark.parametrize("query", ["code=c&state=x", "state=x", "error=access_denied", "", "code=c"])
def test_a_callback_with_a_wrong_state_changes_no_cookie(oauth: FlaskClient, query: str) -> None:
    get(oauth, "/login")
    assert_touches_no_cookie(get(oauth, f"/callback?{query}"))


@pytest.mark.parametrize("query", ["code=c", "", "code=c&code=d", "error=access_denied"])
def test_a_callback_whose_state_is_right_ends_its_own_sign_in_and_no_other(oauth: FlaskClient, query: str) -> None:
    first, first_cookie = login(oauth)
    second, second_cookie = login(oauth)
    assert_clears_one_cookie(get(oauth, f"/callback?state={first}&{query}"), first_cookie)
    assert_clears_one_cookie(get(oauth, f"/callback?state={second}&{query}"), second_cookie)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_several_tabs_finish_in_any_order(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, order: tuple[int, ...]
) -> None:
    tabs = [start(oauth, threads, person) for person in ("alice", "bob", "dotted.name")]
    assert [get(oauth, tabs[number]).status_code for number in order] == [303] * 3
    for secret_id in ("threads-token-alice", "threads-token-bob", "threads-token-dotted-name"):
        assert manager.states(secret_id) == {1: "ENABLED"}


def test_a_browser_that_begins_again_and_again_keeps_few_cookies_and_the_newest_sign_ins(
    oauth: FlaskClient, threads: LocalThreads
) -> None:
    tabs = [start(oauth, threads, "alice") for _ in range(20)]
    kept = [one for one in oauth._cookies.values() if one.key.startswith(COOKIE)]
    assert len(kept) == 8
    assert [get(oauth, tab).status_code for tab in tabs[-8:]] == [303] * 8


@pytest.mark.parametrize("fragment", ["%23_", "%23_%3D_"])
@pytest.mark.parametrize("name", ["state", "code"])
def test_the_fragment_that_meta_puts_behind_a_parameter_is_not_part_of_it(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, name: str, fragment: str
) -> None:
    back = re.sub(rf"({name}=[^&]*)", rf"\1{fragment}", start(oauth, threads))
    assert get(oauth, back).status_code == 303
    assert manager.states(ALICE) == {1: "ENABLED"}


AHEAD = [
    ("Sec-Purpose", "prefetch"),
    ("Sec-Purpose", "prefetch;prerender"),
    ("Sec-Purpose", "prefetch;anonymous-client-ip"),
    ("Purpose", "prefetch"),
    ("Purpose", "Prefetch"),
    ("X-Purpose", "preview"),
    ("X-Moz", "prefetch"),
]


@pytest.mark.parametrize(("name", "value"), AHEAD)
def test_a_prefetch_of_a_browser_spends_and_changes_nothing(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    ahead = {name: value}
    back = start(oauth, threads)
    for path in (back, "/login", f"{back}&error=access_denied"):
        reply = get(oauth, path, headers=ahead)
        assert reply.status_code == 503
        assert_touches_no_cookie(reply)
        assert "Location" not in reply.headers
    assert {line["severity"] for line in logged(capsys)} == {"INFO"}
    assert code_calls(threads) == 0
    assert get(oauth, back).status_code == 303  # the person's own request still works


def test_any_instance_can_finish_what_another_began(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    back = start(oauth, threads)
    other = serve("oauth").application.test_client(use_cookies=False)
    assert get(other, back, headers={"Cookie": cookie_of(oauth, state_of(back))}).status_code == 303
