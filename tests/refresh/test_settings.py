"""The settings of both functions: their bounds, their defaults, and that no value is shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.refresh.world import lines
from token_keeper.errors import SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings

OAUTH = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1234567890",
    "THREADS_APP_SECRET": "sentinel",
    "PUBLIC_URL": "https://keeper.example",
}
BAD_URLS = [
    "http://sentinel.example",
    "ftp://sentinel.example",
    "sentinel.example",
    "https://",
    "https:///path",
    "https://somebody@keeper.example",
    "https://somebody:sentinel@keeper.example",
    "https://keeper.example?x=sentinel",
    "https://keeper.example?",
    "https://keeper.example#x",
    "https://keeper.example#",
    "https://keeper.example/",
    "https://keeper.example/sentinel/",
    "https://keeper.example:99999",
    "https://keeper.example:0",
    "https://keeper.example:sentinel",
    "https://keeper .example",
    "https://keeper.example\\@elsewhere.example",
    "https://keeper.example\nSet-Cookie: x",
    "https://[::1",
    "http://127.0.0.1.example",
    "http://localhost.example:80",
    "http://10.0.0.1",
    "https://k\u00e9eper.example",
]
BAD_SETTINGS: dict[str, list[str | None]] = {
    "GOOGLE_CLOUD_PROJECT": [None, "", " \t", "a/b", "sentinel\nx", "-x", "d\u00e9mo"],
    "THREADS_APP_ID": [None, "", " ", "12 sentinel", "12/34", "1" * 65, "\u0661\u0662"],
    "THREADS_APP_SECRET": [None, "", " \n", "sentinel words", "sentinel" * 65, "s\u00e9cret"],
    "PUBLIC_URL": [None, "", " ", *BAD_URLS],
    "THREADS_API_URL": ["", " ", *BAD_URLS],
    "THREADS_AUTHORIZE_URL": ["", " ", *BAD_URLS],
    "THREADS_SCOPES": ["", " ", ",", "sentinel", "threads_basic,", "threads_basic threads_x", "A"],
    "REFRESH_AFTER_HOURS": ["", " ", "23", "1105", "-24", "24.5", "sentinel", "1e3", "\u0662\u0664", "9" * 10],
    "REFRESH_BUDGET_SECONDS": ["", " ", "0", "-1", "86401", "x"],
    "SECRET_MANAGER_EMULATOR_HOST": [
        "",
        " ",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:x",
        "sentinel.example:80",
        "10.0.0.1:80",
        "0.0.0.0:80",
        "http://sentinel:80",
        "[::1:80",
    ],
}
REFRESH_ONLY = {"REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"}
OAUTH_ONLY = {"THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL", "THREADS_AUTHORIZE_URL", "THREADS_SCOPES"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD_SETTINGS for value in BAD_SETTINGS[name]])
def test_a_bad_setting_is_named_and_its_value_is_not_shown(name: str, value: str | None) -> None:
    environ = {**OAUTH, name: value}
    if value is None:
        del environ[name]
    given = {key: text for key, text in environ.items() if text is not None}
    for kind, readers in ((OAuthSettings, REFRESH_ONLY), (RefreshSettings, OAUTH_ONLY)):
        if name in readers:
            kind.from_environ(given)  # this function does not read it
            continue
        with pytest.raises(SettingError) as raised:
            kind.from_environ(given)
        assert name in str(raised.value)
        assert "sentinel" not in str(raised.value)


def test_missing_settings_have_their_defaults() -> None:
    oauth = OAuthSettings.from_environ(OAUTH)
    assert oauth.scopes == ("threads_basic", "threads_content_publish")
    assert oauth.authorize_url == "https://threads.com/oauth/authorize"
    assert oauth.api_url == "https://graph.threads.com"
    assert oauth.redirect_uri == "https://keeper.example/callback"
    assert (oauth.emulator, oauth.on_loopback) == (None, False)
    refresh = RefreshSettings.from_environ({"GOOGLE_CLOUD_PROJECT": "demo"})
    assert (refresh.refresh_after, refresh.budget) == (timedelta(hours=24), timedelta(seconds=1500))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_plain_http_is_for_loopback(host: str) -> None:
    settings = OAuthSettings.from_environ(
        OAUTH | {"PUBLIC_URL": f"http://{host}:8080/path", "SECRET_MANAGER_EMULATOR_HOST": f"{host}:8090"}
    )
    assert settings.on_loopback
    assert settings.redirect_uri == f"http://{host}:8080/path/callback"
    assert settings.emulator == f"{host}:8090"


def test_settings_do_not_show_the_app_secret() -> None:
    settings = OAuthSettings.from_environ(OAUTH)
    assert "sentinel" not in f"{settings!r} {settings.app_secret} {settings.app_secret!r}"
    assert settings.app_secret.reveal() == "sentinel"


def test_a_run_with_a_bad_setting_fails_as_a_whole(
    refresh: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRESH_AFTER_HOURS", "12")
    reply = refresh.post("/")
    assert reply.status_code == 500
    assert reply.json is not None
    assert reply.json["error"].startswith("REFRESH_AFTER_HOURS must be")
    assert [(line["severity"], line["event"]) for line in lines(capsys)] == [("ERROR", "run_failed")]
