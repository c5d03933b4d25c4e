"""A small part of what `python -m fuzz` tries for longer, the same every time."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.app import PUBLIC_URL
from token_keeper import signed_request
from token_keeper.access_token import looks_like_token
from token_keeper.account import Account, Facts, secret_id_for
from token_keeper.clock import SystemClock, parse_rfc3339, rfc3339
from token_keeper.errors import BadRequest, KeeperError, SettingError
from token_keeper.limits import Limits
from token_keeper.refusals import Reply, seconds_to_wait, understand
from token_keeper.settings import OAuthSettings, RefreshSettings, Secret
from token_keeper.signing import DeletionState, Signer
from token_keeper.threads import ThreadsClient

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = Secret("a-sentinel-that-is-in-no-message")
ALPHABET = "AZaz09-_.=~|:\r\n\0\u0660\u212a"
JUNK = st.one_of(st.text(), st.text(ALPHABET), st.binary().map(lambda raw: raw.decode("latin-1")))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
META = st.dictionaries(
    st.sampled_from(["error", "code", "error_code", "error_type", "error_subcode", "message", "type", "data", "id",
                     "username", "access_token", "expires_in", "is_valid", "user_id", "expires_at", "scopes"]),
    JSON | st.sampled_from([190, "190", 1349168, -1, 10**30, "unknown error", True, [{}], {"code": 2}]),
)  # fmt: skip


@given(JUNK)
def test_no_unsigned_text_is_accepted(text: str) -> None:
    for read in (
        lambda: Signer(KEY, "state", timedelta(minutes=10)).read(text, NOW),
        lambda: DeletionState.read(KEY, text),
        lambda: signed_request.verify(KEY, text),
    ):
        with pytest.raises(BadRequest) as refusal:
            read()
        assert KEY.reveal() not in str(refusal.value)


@given(st.integers(100, 599), META | JSON)
def test_no_reply_of_threads_breaks_the_client(status: int, reply: Any) -> None:
    body = json.dumps(reply).encode()
    with suppress(KeeperError):
        understood = understand(Reply(status, body))
        assert status == 200
        client = ThreadsClient(Canned(Reply(status, body)), Limits(attempts=1), SystemClock())
        assert client.inspect("THold") is None or isinstance(reply, dict)
        with suppress(KeeperError):
            assert client.me("THold").user_id
        with suppress(KeeperError):
            token = client.refresh_token("THold")
            assert token.access_token == understood["access_token"]
            assert token.expires_in is None or token.expires_in >= timedelta(days=1)


@dataclass
class Canned:
    """A connection that gives one answer to every request."""

    reply: Reply

    def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply:
        return self.reply


@given(st.integers(100, 599), st.binary(), JUNK)
def test_no_bytes_break_the_reading_of_replies(status: int, body: bytes, retry_after: str) -> None:
    with suppress(KeeperError):
        assert isinstance(understand(Reply(status, body, retry_after)), dict)


DATES = st.text("MonTueJan 0123456789:,+-GMT") | st.dates().map(lambda day: f"{day:%a, %d %b %Y} 00:00:00 GMT")


@given(JUNK | DATES | st.integers().map(str))
def test_a_retry_after_is_a_time_or_unknown(text: str) -> None:
    seconds = seconds_to_wait(text)
    assert seconds is None or 0 <= seconds < inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3600", 3600),
        ("0", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\x1f0", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert seconds_to_wait(text) == seconds


def test_a_retry_after_date_that_is_still_to_come_is_waited_for() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert 3500 < (seconds_to_wait(format_datetime(moment, usegmt=True)) or 0) <= 3600


@given(JUNK)
def test_a_token_is_one_word_of_printable_ascii(text: str) -> None:
    if looks_like_token(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \"'<>{}\r\n")


@given(JUNK)
def test_a_name_has_a_secret_of_its_own_or_none(username: str) -> None:
    secret_id = secret_id_for(username)
    if secret_id:
        account = Account.from_secret(secret_id, {}, {}, "")
        assert account.username == username.lower()
        assert account.belongs_to("1", username)


@given(st.dictionaries(st.sampled_from([*Facts(1, NOW, NOW, NOW).annotations("alice"), "x"]), JUNK))
def test_no_annotation_breaks_the_reading_of_facts(annotations: dict[str, str]) -> None:
    facts = Facts.parse(annotations)
    assert facts is None or facts.expires_at.tzinfo is UTC


@given(JUNK)
@example("1971-01-01T00:00:00+23:59")
@example("8999-12-31T23:59:59-23:59")
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        moment = parse_rfc3339(text)
    except ValueError:
        return
    assert moment.utcoffset() == timedelta()
    assert parse_rfc3339(rfc3339(moment)) == moment.replace(microsecond=0)


@given(st.dictionaries(st.sampled_from(["GOOGLE_CLOUD_PROJECT", "THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL",
                                        "THREADS_SCOPES", "THREADS_API_URL", "SECRET_MANAGER_EMULATOR_HOST",
                                        "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"]), JUNK))  # fmt: skip
def test_no_setting_breaks_the_reading_of_settings_or_is_quoted(environ: dict[str, str]) -> None:
    good = {"GOOGLE_CLOUD_PROJECT": "demo", "THREADS_APP_ID": "1", "THREADS_APP_SECRET": KEY.reveal()}
    for read in (OAuthSettings.from_environ, RefreshSettings.from_environ):
        with suppress(SettingError):
            read({**good, "PUBLIC_URL": PUBLIC_URL, **environ})


@pytest.mark.parametrize("url", ["HTTP://localhost:8080", "hTtp://127.0.0.1", "HTTPS://graph.threads.com"])
@pytest.mark.parametrize("name", ["PUBLIC_URL", "THREADS_API_URL"])
def test_no_setting_is_read_as_http_here_and_as_https_there(name: str, url: str) -> None:
    """The cookie's prefix and the check of certificates depend on how the setting begins."""
    environ = {"GOOGLE_CLOUD_PROJECT": "demo", "THREADS_APP_ID": "1", "THREADS_APP_SECRET": "s"}
    with suppress(SettingError):
        settings = OAuthSettings.from_environ({**environ, "PUBLIC_URL": PUBLIC_URL, name: url})
        assert settings.on_loopback == (urlsplit(settings.public_url).scheme == "http")
        assert settings.api_url.startswith(("http:", "https:"))
