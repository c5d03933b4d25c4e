"""The log lines of a sign-in."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import get, logged, start


def test_a_refused_sign_in_is_a_warning_that_joins_its_request(
    oauth: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    get(oauth, "/callback?code=c&state=s", headers={"X-Cloud-Trace-Context": f"{'a1' * 16}/1;o=1"})
    (line,) = logged(capsys)
    assert line["severity"] == "WARNING"
    assert line["event"] == "sign_in_failed"
    assert line["logging.googleapis.com/trace"] == f"projects/demo/traces/{'a1' * 16}"


def test_the_trace_of_one_request_is_not_that_of_the_next(
    oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    get(oauth, "/callback?code=c&state=s", headers={"X-Cloud-Trace-Context": f"{'a1' * 16}/1"})
    monkeypatch.delenv("THREADS_APP_ID")  # so that the next request ends before its project is known
    assert get(oauth, "/login").status_code == 500
    first, second = logged(capsys)
    assert "logging.googleapis.com/trace" in first
    assert "logging.googleapis.com/trace" not in second


def test_a_sign_in_is_logged_with_its_request_account_and_version(
    oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str]
) -> None:
    back = start(oauth, threads)
    capsys.readouterr()
    assert get(oauth, back, headers={"X-Cloud-Trace-Context": f"{'b2' * 16}/1"}).status_code == 303
    (line,) = logged(capsys)
    assert line == {
        "severity": "INFO",
        "message": "alice signed in.",
        "event": "signed_in",
        "username": "alice",
        "version": "projects/demo/secrets/threads-token-alice/versions/1",
        "days_left": 59,
        "logging.googleapis.com/trace": f"projects/demo/traces/{'b2' * 16}",
    }
