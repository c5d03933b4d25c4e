"""Which error each reply of Threads becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from tests.threads_client.server import GOOD, TOKEN, expect, shape_2, shape_4
from token_keeper.errors import (
    AppMisconfigured,
    BlockedForNow,
    CodeSpent,
    KeeperError,
    PermissionMissing,
    ThreadsUnavailable,
    Throttled,
    TokenRefused,
    UnclearRefusal,
    UnreadableRefusal,
    UnusableReply,
)
from token_keeper.threads import ThreadsClient


def shape_1(message: str, code: int = 400) -> dict[str, Any]:
    return {"error_type": "OAuthException", "code": code, "error_message": message}


def shape_3(code: int, message: str = "Whatever") -> dict[str, Any]:
    return {"error_message": message, "error_code": code}


EXPIRED = "Error validating access token: Session has expired on Sunday, 01-Nov-26 00:00:00 PST."
APPLICATION = "Error validating application. Cannot get application info due to a system error."
WHITELIST = "URL Blocked. This redirect failed because the redirect URI is not whitelisted"
VERIFICATION = (
    "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the "
    "OAuth dialog request"
)
APP_TEXTS = (
    "Application has been deleted",
    "The app is in development mode",
    "Invalid app id",
    "To reactivate it, go to the app dashboard.",
    "API access deactivated.",
    "This app is not active",
    "The user does not have the tester role on the app",
    "The user is not a tester of the app",
    "This app has not been approved for the feature",
    "Your use of this endpoint must be reviewed and approved by Facebook.",
    "App does not have Advanced Access to this permission",
    "You are calling a deprecated version of the API.",
    "Unauthorized source IP address",
    "This IP can't make requests for that application.",
)
GONE_APPS = (
    "Error validating application. Application has been deleted.",
    APPLICATION,
    "The app is in development mode",
)
OF_A_PERSON = (
    "Error validating access token: The user has not authorized application 1234567890.",
    "Error validating access token: The user has deleted the app.",
    "Invalid OAuth access token - Cannot parse access token",
)
NOT_ACTIVE = {"error_user_title": "App not active", "error_user_msg": "The developer is aware of the issue."}
NOT_INVITED = "The user has not accepted the invite to test the app"
REFUSALS: list[tuple[type[KeeperError], int, dict[str, Any]]] = [
    *[(ThreadsUnavailable, status, shape_2(190)) for status in (500, 502, 503)],
    *[(ThreadsUnavailable, 400, shape_2(99, is_transient=flag)) for flag in (True, "true")],
    *[(ThreadsUnavailable, status, shape_4("The app is disabled for maintenance")) for status in (500, 503)],
    (ThreadsUnavailable, 400, shape_2(2)),
    (ThreadsUnavailable, 400, shape_3(2)),
    (ThreadsUnavailable, 200, shape_2(2)),
    (ThreadsUnavailable, 400, shape_2(1, "An unknown error has occurred")),
    (ThreadsUnavailable, 400, shape_3(1, "An unknown error has occurred")),
    *[(Throttled, 400, shape_2(code)) for code in (4, 17, 32, 341, 613)],
    (Throttled, 400, shape_3(4)),
    (Throttled, 429, {}),
    *[(Throttled, 400, shape_2(code)) for code in range(80000, 80015)],
    *[(UnclearRefusal, 400, shape_2(code)) for code in (79999, 80015)],
    *[(Throttled, 400, shape_1(text)) for text in ("Application request limit reached", "Too many calls")],
    *[(Throttled, 400, shape_4(word)) for word in ("rate_limit_exceeded", "too_many_requests")],
    (Throttled, 400, shape_2(9, "(#9) Application request limit reached")),
    (Throttled, 400, shape_2(80020, "There have been too many calls to this account.")),
    (BlockedForNow, 400, shape_2(368)),
    *[(TokenRefused, 400, shape_2(190, EXPIRED, error_subcode=n)) for n in (458, 459, 460, 463, 464, 467, 492, 999)],
    (TokenRefused, 400, shape_2(190)),
    (TokenRefused, 400, shape_2(190, "The redirect_uri and the client secret of the application")),
    *[(TokenRefused, 400, shape_2(190, text)) for text in OF_A_PERSON],
    *[(TokenRefused, 400, shape_1(text)) for text in OF_A_PERSON],
    *[(AppMisconfigured, 400, shape_2(190, text)) for text in GONE_APPS],
    *[(AppMisconfigured, 400, shape_2(code, "Invalid parameter", **NOT_ACTIVE)) for code in (10, 100, 99999)],
    (TokenRefused, 400, shape_3(190, EXPIRED)),
    (TokenRefused, 200, shape_2(190, EXPIRED, error_subcode=463)),
    (TokenRefused, 400, shape_2(102)),
    (TokenRefused, 401, {}),
    (TokenRefused, 401, shape_4("invalid_token")),
    *[(PermissionMissing, 403, shape_2(code)) for code in (10, 200, 299)],
    (PermissionMissing, 400, shape_3(10)),
    (AppMisconfigured, 400, shape_2(101, APPLICATION)),
    (AppMisconfigured, 400, shape_2(1, APPLICATION)),
    (AppMisconfigured, 400, shape_2(1, "Error validating client secret.")),
    (AppMisconfigured, 400, shape_1("Error validating client_secret")),
    (AppMisconfigured, 400, shape_2(200, "API access deactivated. To reactivate, go to the app dashboard.")),
    *[(AppMisconfigured, 400, shape_2(200, f"API access {how}")) for how in ("blocked.", "has been restricted.")],
    (AppMisconfigured, 400, shape_2(3)),
    (AppMisconfigured, 400, shape_2(100, "API calls from the server require an appsecret_proof argument")),
    (AppMisconfigured, 400, shape_2(100, "Invalid appsecret_proof provided in the API argument")),
    *[(AppMisconfigured, 400, shape_1(text)) for text in ("Invalid platform app", "Insufficient developer role")],
    *[(AppMisconfigured, 400, shape_2(100, text)) for text in APP_TEXTS],
    (AppMisconfigured, 400, shape_1("Make sure your redirect_uri is identical to the one you used")),
    (AppMisconfigured, 400, shape_2(191)),
    (AppMisconfigured, 400, shape_3(1349168, WHITELIST)),
    (AppMisconfigured, 400, shape_3(1349245, NOT_INVITED)),
    (AppMisconfigured, 400, shape_3(1349026, "No application data was given")),
    (AppMisconfigured, 400, shape_3(4476002, "No app ID was provided")),
    (AppMisconfigured, 200, shape_3(1349187, "Insecure Login Blocked")),
    (AppMisconfigured, 400, shape_4("invalid_client")),
    (AppMisconfigured, 400, shape_4("unauthorized_client")),
    (CodeSpent, 400, shape_1("Matching code was not found or was already used")),
    (CodeSpent, 200, shape_1("Matching code was not found or was already used")),
    (CodeSpent, 400, shape_1(VERIFICATION)),
    (CodeSpent, 400, shape_2(100, VERIFICATION)),
    (ThreadsUnavailable, 500, shape_2(100, VERIFICATION)),
    (CodeSpent, 400, shape_4("invalid_grant", "This authorization code has been used.")),
    (UnclearRefusal, 400, shape_2(100)),
    (UnclearRefusal, 400, shape_2(24, "The requested resource does not exist")),
    (TokenRefused, 400, shape_1(EXPIRED)),
    (TokenRefused, 400, shape_1(EXPIRED, code=190)),
    (TokenRefused, 400, shape_1("The access_token provided is invalid.")),
    (TokenRefused, 400, shape_4("invalid_grant", "Token has been revoked")),
    (TokenRefused, 400, shape_4("invalid_grant", EXPIRED)),
    (TokenRefused, 200, shape_4("invalid_grant", EXPIRED)),
    (UnclearRefusal, 400, {}),
    (UnclearRefusal, 404, {}),
]


@pytest.mark.parametrize(
    ("expected", "status", "body"), REFUSALS, ids=[f"{e.__name__}-{s}-{json.dumps(b)[:60]}" for e, s, b in REFUSALS]
)
def test_an_error_is_read_whatever_its_shape(
    client: ThreadsClient, expected: type[KeeperError], status: int, body: dict[str, Any]
) -> None:
    error = expect(client, status, body)
    assert type(error) is expected
    assert "Whatever" not in str(error)
    assert "Session has expired" not in str(error)


@pytest.mark.parametrize("word", ["temporarily_unavailable", "server_error"])
def test_the_words_of_rfc_6749_for_a_passing_fault_are_understood(client: ThreadsClient, word: str) -> None:
    assert type(expect(client, 400, shape_4(word))) is ThreadsUnavailable


def test_an_error_keeps_metas_numeric_codes(client: ThreadsClient) -> None:
    assert "HTTP 400, code 190, subcode 463" in str(expect(client, 400, shape_2(190, EXPIRED, error_subcode=463)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!doctype html><title>Threads</title>",
        '{"access_token": "THnew", "expires_in"',
        "[" * 100_000,
        '{"a":' * 100_000,
        "null",
        "[]",
        '"THnew"',
        "5",
        "{}",
        "\ufeff{}",
        b"\xff\xfe\x00",
        '{"data": []}',
        '{"data": [5]}',
        {"token_type": "bearer", "expires_in": 5183944},
        GOOD | {"access_token": None},
        GOOD | {"access_token": ""},
        GOOD | {"access_token": ["THnew"]},
        GOOD | {"access_token": "TH new"},
        GOOD | {"access_token": "<b>"},
        GOOD | {"access_token": "T" * 4097},
        GOOD | {"access_token": "TH\u00e9"},
        GOOD | {"expires_in": 3600},
    ],
)
def test_a_200_without_a_long_lived_token_is_not_usable(
    client: ThreadsClient, body: str | bytes | dict[str, Any]
) -> None:
    assert type(expect(client, 200, body)) is UnusableReply


@pytest.mark.parametrize(
    ("status", "expected"),
    [(204, UnusableReply), (302, UnusableReply), (304, UnusableReply), (502, ThreadsUnavailable)],
)
def test_an_empty_answer_is_judged_by_its_status(
    client: ThreadsClient, status: int, expected: type[KeeperError]
) -> None:
    assert type(expect(client, status, "")) is expected


@pytest.mark.parametrize(
    ("status", "expected"), [(302, UnusableReply), (404, UnreadableRefusal), (502, ThreadsUnavailable)]
)
def test_a_web_page_is_judged_by_its_status(client: ThreadsClient, status: int, expected: type[KeeperError]) -> None:
    assert type(expect(client, status, "<!doctype html><title>Threads</title>")) is expected


@pytest.mark.parametrize("status", [201, 302])
def test_a_token_is_accepted_in_a_200_only(client: ThreadsClient, status: int) -> None:
    assert type(expect(client, status, GOOD)) is UnusableReply


@pytest.mark.parametrize(
    "body",
    [
        {"username": "alice"},
        {"id": None, "username": "alice"},
        {"id": True, "username": "alice"},
        {"id": "m e", "username": "alice"},
        {"id": "1" * 64, "username": "alice"},
        {"id": "", "username": "alice"},
    ],
)
def test_a_profile_without_a_name_and_a_number_is_not_usable(client: ThreadsClient, body: dict[str, Any]) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/me", json=body)
        with pytest.raises(UnusableReply):
            client.me(TOKEN)
