"""The consent page of the local Threads, and where it sends the browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, CALLBACK, SECRET, authorize_url, decide


def test_the_consent_page_needs_no_script_and_offers_people_and_scopes(threads: LocalThreads) -> None:
    page = requests.get(authorize_url(threads), timeout=5)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<script" not in page.text
    assert "stand-in" in page.text
    assert re.findall(r'name="person" value="([^"]+)"', page.text) == [
        "alice",
        "bob",
        "carol",
        "dotted.name",
        "mallory",
    ]
    assert re.findall(r'name="scope" value="([^"]+)"', page.text) == ["threads_basic", "threads_content_publish"]


def test_continue_goes_back_with_a_code_the_state_and_the_fragment(threads: LocalThreads) -> None:
    reply = decide(authorize_url(threads))
    assert reply.status_code == 302
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/callback\?code=[\w-]+&state=s%20t%26te#_", reply.headers["Location"])


def test_a_redirect_uri_with_a_query_keeps_it(threads: LocalThreads) -> None:
    location = decide(authorize_url(threads, redirect_uri=CALLBACK + "?a=b")).headers["Location"]
    assert location.startswith(CALLBACK + "?a=b&code=")


@pytest.mark.parametrize("echoed", [True, False])
def test_cancel_goes_back_with_user_denied_and_the_state_if_so_switched(threads: LocalThreads, echoed: bool) -> None:
    threads.control.switches.state_on_cancel = echoed
    location = decide(authorize_url(threads), decision="cancel").headers["Location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert answer.pop("error_description")
    assert answer == {"error": "access_denied", "error_reason": "user_denied"} | ({"state": "s t&te"} if echoed else {})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": None}, 1),
        ({"client_id": ""}, 1),
        ({"client_id": "555"}, 1349026),
        ({"client_id": "1010101010101010"}, 4476002),
        ({"redirect_uri": "http://example.com/callback"}, 1349187),
        ({"redirect_uri": "ftp://example.com/"}, 1349168),
        ({"redirect_uri": "https://["}, 1349168),
        ({"redirect_uri": "https://example.com/callback#x"}, 1349168),
        ({"redirect_uri": None}, 1349168),
        ({"scope": "threads_content_publish"}, 100),
        ({"scope": "threads_basic,threads_nonsense"}, 100),
        ({"response_type": "token"}, 100),
    ],
)
def test_what_the_app_asks_for_wrongly_is_shown_as_json(
    threads: LocalThreads, changes: dict[str, str | None], code: int
) -> None:
    url = authorize_url(threads, **changes)
    for reply in (requests.get(url, timeout=5), decide(url)):
        assert reply.status_code == 400
        assert reply.json()["error_code"] == code
        assert reply.json()["error_message"]


def test_a_person_without_an_accepted_invite_sees_1349245(threads: LocalThreads) -> None:
    reply = decide(authorize_url(threads), "carol")
    assert reply.json() == {
        "error_message": "The user has not accepted the invite to test the app",
        "error_code": 1349245,
    }
    threads.people.set_accepted("carol")
    assert decide(authorize_url(threads), "carol").status_code == 302


def test_only_the_registered_redirect_uri_is_accepted_to_the_letter(clock: Clock) -> None:
    with LocalThreads(clock, app_id=APP, app_secret=SECRET, redirect_uris={CALLBACK}) as threads:
        assert requests.get(authorize_url(threads), timeout=5).status_code == 200
        other = requests.get(authorize_url(threads, redirect_uri=CALLBACK + "/"), timeout=5)
        assert other.json()["error_code"] == 1349168
        threads.control.switches.trailing_slash = True
        assert requests.get(authorize_url(threads), timeout=5).json()["error_code"] == 1349168
        assert requests.get(authorize_url(threads, redirect_uri=CALLBACK + "/"), timeout=5).status_code == 200


def test_whatever_the_app_sends_is_escaped_on_the_page(threads: LocalThreads) -> None:
    page = requests.get(authorize_url(threads, redirect_uri="https://example.com/<b>"), timeout=5).text
    assert "<b>" not in page
