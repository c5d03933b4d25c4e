"""What stands in Secret Manager, and in the environment."""

from __future__ import annotations

from datetime import UTC, timedelta

from fuzz.support import ENVIRON, NOW, SENTINEL, Test, as_text, refused_at_most


def make_facts() -> Test:
    from token_keeper.account import Account, Facts, secret_id_for

    names = [*Facts(1, NOW, NOW, NOW).annotations("alice"), "another"]

    def test(data: bytes) -> None:
        values = [as_text(part) for part in data.split(b"\n")]
        annotations = dict(zip(names, values, strict=False))
        secret_id = values[-1]
        account = Account.from_secret(secret_id, {"threads-user-id": values[0]}, annotations, "etag")
        assert "managed-by" not in account.labels
        assert account.well_named == (secret_id_for(account.username) == secret_id)
        if account.facts:
            again = Facts.parse(account.annotations)
            assert again is None or again.number == account.facts.number
            assert account.facts.expires_at.tzinfo is UTC

    return test


def make_settings() -> Test:
    from token_keeper.settings import OAuthSettings, RefreshSettings

    names = [*ENVIRON, "THREADS_SCOPES", "THREADS_API_URL", "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"]

    def test(data: bytes) -> None:
        values = [as_text(part) for part in data.split(b"\n")]
        environ = {**ENVIRON, **{name: value for name, value in zip(names, values, strict=False) if value}}
        environ["THREADS_APP_SECRET"] = SENTINEL + environ["THREADS_APP_SECRET"]
        for read in (OAuthSettings.from_environ, RefreshSettings.from_environ):
            with refused_at_most():
                settings = read(environ)
                assert settings.api_url.startswith(("https://", "http://")), "a scheme was read two ways"
                assert settings.api_url.isascii()
                assert SENTINEL not in repr(settings), "a setting shows itself"

    return test


def make_token() -> Test:
    from token_keeper.access_token import looks_like_token

    def test(data: bytes) -> None:
        text = as_text(data)
        if looks_like_token(text):
            assert text.isascii()
            assert text.isprintable()
            assert not set(text) & set(" \"'<>{}")
            text.encode("ascii")

    return test


def make_time() -> Test:
    from token_keeper.clock import parse_rfc3339, rfc3339

    def test(data: bytes) -> None:
        try:
            moment = parse_rfc3339(as_text(data))
        except (ValueError, OverflowError):
            return
        assert moment.utcoffset() == timedelta()
        assert parse_rfc3339(rfc3339(moment)) == moment.replace(microsecond=0)

    return test
