"""A setting that is missing or malformed is named, and its value is not shown."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.sign_in.steps import get, logged


@pytest.mark.parametrize("name", ["THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL", "GOOGLE_CLOUD_PROJECT"])
@pytest.mark.parametrize("value", [None, "", "  ", "bad value é"])
def test_a_setting_that_is_missing_blank_or_malformed_is_named_and_its_value_is_not(
    oauth: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str | None,
) -> None:
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    for path in ("/", "/login", "/callback?code=c&state=s"):
        reply = get(oauth, path)
        assert reply.status_code == 500
        assert name in reply.text
        assert "bad value" not in reply.text
    lines = logged(capsys)
    assert {line["severity"] for line in lines} == {"ERROR"}
    assert all(name in line["message"] and "bad value" not in line["message"] for line in lines)


NO_URLS = [
    "https://keeper.example/",
    "https://keeper.example?",
    "https://keeper.example?a=b",
    "https://keeper.example#",
    "https://user@keeper.example",
    "https://user:word@keeper.example",
    "https://:443",
    "https://keeper.example:0",
    "https://keeper.example:99999",
    "https://[::1",
    "https://keeper\\.example",
    "https://keeper .example",
    "https://keeper.exämple",
    "http://keeper.example",
    "http://127.0.0.1.keeper.example",
    "http://localhost.keeper.example",
    "http://10.0.0.1",
    "ftp://127.0.0.1",
    "//keeper.example",
    "keeper.example",
]
MALFORMED = {
    "THREADS_APP_ID": ["12 34", "1&2", "1" * 65, "12x", "١٢"],
    "THREADS_APP_SECRET": ["two words", "s" * 513],
    "GOOGLE_CLOUD_PROJECT": ["a/b", "-a", "é"],
    "THREADS_SCOPES": [
        "",
        ",",
        "threads_content_publish",
        "threads_basic threads_delete",
        "threads_basic,",
        "THREADS_BASIC",
    ],
    "SECRET_MANAGER_EMULATOR_HOST": [
        "",
        "localhost",
        "localhost:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "10.0.0.1:80",
        ":80",
    ],
    **{name: NO_URLS for name in ("PUBLIC_URL", "THREADS_AUTHORIZE_URL", "THREADS_API_URL")},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_no_malformed_setting_is_accepted(oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in MALFORMED[name]:
        monkeypatch.setenv(name, value)
        reply = get(oauth, "/login")
        assert reply.status_code == 500, value
        assert name in reply.text
