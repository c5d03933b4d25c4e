"""A small part of what `python -m fuzz` tries for longer, the same every time."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.app import PUBLIC_URL
from token_keeper import signed_request
from token_keeper import threads as threads_client
from token_keeper.account import Account, Facts, looks_like_token, secret_id_for
from token_keeper.clock import parse_rfc3339
from token_keeper.errors import BadRequest, KeeperError, SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings, Secret
from token_keeper.signing import Signer, read_deletion_code

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
        lambda: read_deletion_code(KEY, text),
        lambda: signed_request.verify(KEY, text),
    ):
        with pytest.raises(BadRequest) as refusal:
            read()
        assert KEY.reveal() not in str(refusal.value)


@given(st.integers(100, 599), META | JSON)
def test_no_reply_of_threads_breaks_the_client(status: int, reply: Any) -> None:
    body = json.dumps(reply).encode()
    with suppress(KeeperError):
        understood = threads_client._understand(status, body)
        assert status == 200
        with suppress(KeeperError):
            token = threads_client._long_lived(understood)
            assert token.access_token == understood["access_token"]
            assert token.expires_in is None or token.expires_in >= timedelta(days=1)


@given(st.integers(100, 599), st.binary())
def test_no_bytes_break_the_reading_of_replies(status: int, body: bytes) -> None:
    with suppress(KeeperError):
        assert isinstance(threads_client._understand(status, body), dict)


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
def test_a_time_is_read_or_refused(text: str) -> None:
    with suppress(ValueError, OverflowError):
        assert parse_rfc3339(text).utcoffset() == timedelta()


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
