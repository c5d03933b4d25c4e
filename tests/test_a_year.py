"""More than a year with one run a day, for a person who signed in once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads

DAYS, DAY = 400, timedelta(days=1)


def alerts(captured: pytest.CaptureFixture[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the ERROR lines since the last call of this function, each with its username."""
    logged = [json.loads(line) for line in captured.readouterr().out.splitlines()]
    return [(line["username"], line) for line in logged if line["severity"] == "ERROR"]


def test_a_public_profiles_token_works_every_day_and_a_private_ones_owner_is_alerted_in_time(
    refresh: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local = threads
    local.control.turn({"old_token_dies": True})
    for username in ("alice", "bob"):  # bob's profile is private
        manager.add(f"threads-token-{username}", local.tokens.issue_long_lived(username))
    first_alert = first_end = None

    for day in range(DAYS):
        reply = refresh.post("/")
        alice, bob = (reply.json or {})["accounts"][:2]
        assert alice["outcome"] == ("refreshed" if day else "too_young"), day
        assert local.tokens.alive(manager.newest("threads-token-alice")), day
        for username, line in alerts(capsys):
            assert username == "bob", line
            assert "sign in again" in line["message"]
            first_alert = day if first_alert is None else first_alert
        if bob["outcome"] == "sign_in_again":
            first_end = day if first_end is None else first_end
        assert reply.status_code == (200 if first_end is None else 500), day
        clock.forward(DAY + timedelta(seconds=1))

    # The grant was given on day 0 and lasts 90 days. From day 76 on, less than 14 of them are left.
    assert (first_alert, first_end) == (76, 90)
    assert list(manager.states("threads-token-alice").values()).count("ENABLED") == 2
    assert manager.states("threads-token-alice")[DAYS] == "ENABLED"


def test_signing_in_again_starts_the_private_profiles_90_days_anew(
    refresh: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    manager.add("threads-token-bob", threads.tokens.issue_long_lived("bob"))
    refresh.post("/")
    for _ in range(3):
        clock.forward(30 * DAY)
        reply = refresh.post("/")
    assert (reply.json or {})["outcomes"]["sign_in_again"] == 1
    manager.add("threads-token-bob", threads.tokens.issue_long_lived("bob"))
    clock.forward(DAY)
    reply = refresh.post("/")
    assert (reply.json or {})["outcomes"] == {"refreshed": 1, "not_signed_in": 2}
