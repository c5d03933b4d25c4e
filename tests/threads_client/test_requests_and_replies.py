"""What the client sends to Threads, and what it reads from a good reply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from responses.matchers import header_matcher, query_param_matcher, urlencoded_params_matcher

from tests.threads_client.server import CODE, GOOD, REDIRECT_URI, REFRESH_URL, SECRET, TOKEN, exchange_code
from token_keeper.threads import Inspection, LongLivedToken, Profile, ThreadsClient


def test_a_code_is_exchanged_by_a_form_and_leaves_no_trace_in_the_url(client: ThreadsClient) -> None:
    form = {
        "client_id": "1234567890",
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT_URI,
        "code": CODE,
    }
    with responses.RequestsMock() as threads:
        threads.post(
            "https://graph.threads.com/oauth/access_token",
            json={"access_token": "THshort", "user_id": 17841405793187218},
            match=[urlencoded_params_matcher(form), query_param_matcher({})],
        )
        assert exchange_code(client) == "THshort"


def test_a_short_lived_token_is_exchanged_with_the_secret(client: ThreadsClient) -> None:
    query = {"grant_type": "th_exchange_token", "client_secret": SECRET, "access_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/access_token", json=GOOD, match=[query_param_matcher(query)])
        assert client.exchange_token(SECRET, TOKEN) == LongLivedToken("THnew", timedelta(seconds=5183944))


def test_a_refresh_sends_the_token_and_nothing_else(client: ThreadsClient) -> None:
    query = {"grant_type": "th_refresh_token", "access_token": TOKEN}
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "threads-token-keeper"}
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD, match=[query_param_matcher(query), header_matcher(headers)])
        assert client.refresh_token(TOKEN) == LongLivedToken("THnew", timedelta(seconds=5183944))


@pytest.mark.parametrize("user_id", ["17841405793187218", 17841405793187218])
def test_me_gives_the_id_as_text(client: ThreadsClient, user_id: str | int) -> None:
    query = {"fields": "id,username", "access_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get(
            "https://graph.threads.com/v1.0/me",
            json={"id": user_id, "username": "alice"},
            match=[query_param_matcher(query)],
        )
        assert client.me(TOKEN) == Profile("17841405793187218", "alice")


DESCRIPTION = {
    "type": "USER",
    "application": "Keeper",
    "is_valid": True,
    "issued_at": 1800000000,
    "expires_at": 1805184000,
    "data_access_expires_at": 1807776000,
    "scopes": ["threads_basic", "threads_content_publish"],
    "user_id": "17841405793187218",
}
INSPECTION = Inspection(
    is_valid=True,
    user_id="17841405793187218",
    issued_at=datetime(2027, 1, 15, 8, tzinfo=UTC),
    expires_at=datetime(2027, 3, 16, 8, tzinfo=UTC),
    data_access_expires_at=datetime(2027, 4, 15, 8, tzinfo=UTC),
    scopes=("threads_basic", "threads_content_publish"),
)


@pytest.mark.parametrize("wrap", [lambda data: {"data": data}, lambda data: {"data": [data]}])
def test_a_token_inspects_itself(client: ThreadsClient, wrap: Callable[[object], object]) -> None:
    query = {"access_token": TOKEN, "input_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get(
            "https://graph.threads.com/v1.0/debug_token", json=wrap(DESCRIPTION), match=[query_param_matcher(query)]
        )
        assert client.inspect(TOKEN) == INSPECTION


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"expires_at": 0}, {"expires_at": None}),
        ({"issued_at": None, "scopes": None}, {"issued_at": None, "scopes": ()}),
        ({"data_access_expires_at": True}, {"data_access_expires_at": None}),
        ({"expires_at": 10**12}, {"expires_at": None}),
        ({"expires_at": 10**30}, {"expires_at": None}),
        ({"user_id": 17841405793187218}, {"user_id": "17841405793187218"}),
        ({"scopes": ["threads_basic", "a,b", 7]}, {"scopes": ("threads_basic",)}),
        ({"is_valid": False}, {"is_valid": False}),
    ],
)
def test_an_inspection_takes_what_it_can_read(
    client: ThreadsClient, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/debug_token", json={"data": DESCRIPTION | changes})
        found = client.inspect(TOKEN)
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected


OF_THE_TOKEN = {"code": 190, "message": "Error validating access token: Session has expired", "subcode": 463}
NOT_OF_THE_TOKEN = [
    {"code": 100, "message": "(#100) The App_id in the input_token did not match the Viewing App"},
    {"code": 4, "message": "Application request limit reached"},
    {"code": 10, "message": "The permission is missing"},
    {"code": 2, "message": "Service temporarily unavailable"},
    {"code": 101, "message": "Error validating application."},
]


@pytest.mark.parametrize("why", [OF_THE_TOKEN, *NOT_OF_THE_TOKEN], ids=lambda why: str(why["code"]))
def test_an_inspection_that_failed_does_not_say_that_the_token_is_not_valid(
    client: ThreadsClient, why: dict[str, Any]
) -> None:
    with responses.RequestsMock() as threads:
        data = {"is_valid": False, "scopes": [], "error": why}
        threads.get("https://graph.threads.com/v1.0/debug_token", json={"data": data})
        found = client.inspect(TOKEN)
    assert (found is None) == (why is not OF_THE_TOKEN)


@pytest.mark.parametrize("body", ["{}", '{"data": 5}', '{"data": {"is_valid": "yes"}}', "<html>", '{"error": "x"}'])
def test_an_inspection_that_cannot_be_read_says_nothing(client: ThreadsClient, body: str) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/debug_token", body=body)
        assert client.inspect(TOKEN) is None


def test_a_wrapped_reply_is_unwrapped(client: ThreadsClient) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json={"data": [GOOD]})
        assert client.refresh_token(TOKEN).access_token == "THnew"


@pytest.mark.parametrize(
    "fields", [{"error": None}, {"error": ""}, {"error_code": 0, "error_message": ""}, {"error_type": None}], ids=str
)
def test_the_fields_of_an_error_without_one_are_no_refusal(client: ThreadsClient, fields: dict[str, Any]) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | fields)
        assert client.refresh_token(TOKEN).access_token == "THnew"


@pytest.mark.parametrize("around", ["{}\n", " {}", "\u00a0{}\u200b", "\ufeff{}\r\n"])
def test_a_token_comes_without_what_is_around_it(client: ThreadsClient, around: str) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | {"access_token": around.format("THnew")})
        assert client.refresh_token(TOKEN).access_token == "THnew"


@pytest.mark.parametrize(("expires_in", "expected"), [(None, None), (0, None), ("x", None), (True, None), ("86400", 1)])
def test_an_expiry_that_was_not_said_is_not_made_up(
    client: ThreadsClient, expires_in: object, expected: int | None
) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | {"expires_in": expires_in})
        assert client.refresh_token(TOKEN).expires_in == (timedelta(days=expected) if expected else None)


def test_an_expiry_beyond_all_reason_does_not_overflow(client: ThreadsClient) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | {"expires_in": 10**17})
        lifetime = client.refresh_token(TOKEN).expires_in
    assert lifetime is not None
    assert datetime.now(UTC) + lifetime
