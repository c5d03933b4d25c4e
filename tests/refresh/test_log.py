"""The log lines of a run: events, severities, days left and traces."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode

from tests.refresh.world import ALICE, ALICE_NAME, DAY, HOUR, World, lines


def test_a_good_run_logs_the_account_and_its_completion(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    lines(capsys)
    world.refresh.post("/", headers={"X-Cloud-Trace-Context": f"{trace}/123;o=1"})
    logged = lines(capsys)
    assert {line["logging.googleapis.com/trace"] for line in logged} == {f"projects/demo/traces/{trace}"}
    assert {line["severity"] for line in logged} == {"INFO"}
    refreshed, completed = logged
    assert (refreshed["event"], completed["event"]) == ("refreshed", "run_completed")
    assert (refreshed["username"], refreshed["days_left"]) == ("alice", 59)
    assert refreshed["version"] == f"{ALICE_NAME}/versions/3"
    assert completed["outcomes"] == {"refreshed": 1, "not_signed_in": 2}


def test_accounts_that_nothing_became_of_are_counted_and_have_no_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    lines(capsys)
    world.run()
    (line,) = lines(capsys)
    assert (line["event"], line["outcomes"]) == ("run_completed", {"too_young": 1, "not_signed_in": 2})


def test_a_run_without_a_trace_has_none(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines(capsys)
    world.refresh.post("/", headers={"X-Cloud-Trace-Context": "../../x"})
    assert not [line for line in lines(capsys) if "logging.googleapis.com/trace" in line]


def test_a_get_logs_no_run(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines(capsys)
    world.report()
    assert lines(capsys) == []


def test_a_run_with_failures_logs_its_completion_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.threads.control.fail("refresh", "expired")
    world.run()
    assert lines(capsys)[-1]["event"] == "run_completed"


def alices_line(world: World, captured: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines(captured)
    world.run()
    return next(line for line in lines(captured) if line.get("username") == "alice")


@pytest.mark.parametrize(
    ("days", "days_left", "severity"), [(0, 57, "WARNING"), (43, 14, "WARNING"), (44, 13, "ERROR"), (58, -1, "ERROR")]
)
def test_a_passing_fault_is_an_error_from_two_weeks_before_the_token_expires(
    world: World, capsys: pytest.CaptureFixture[str], days: int, days_left: int, severity: str
) -> None:
    world.clock.forward(days * DAY + HOUR)
    world.threads.control.fail("refresh", "unavailable", times=None)
    line = alices_line(world, capsys)
    assert (line["severity"], line["event"], line["days_left"]) == (severity, "retry_later", days_left)
    assert ("sign in again" in line["message"]) == (severity == "ERROR")
    assert ("It has expired." in line["message"]) == (days_left < 0)


@pytest.mark.parametrize(("fault", "event"), [("expired", "sign_in_again"), ("bad_app", "misconfigured")])
def test_an_error_that_a_person_must_mend_says_what_to_do(
    world: World, capsys: pytest.CaptureFixture[str], fault: str, event: str
) -> None:
    world.threads.control.fail("refresh", fault, times=None)
    line = alices_line(world, capsys)
    assert (line["severity"], line["event"]) == ("ERROR", event)
    assert "sign in again" in line["message"] or "deploy.sh check" in line["message"]


@pytest.mark.parametrize(
    ("days", "outcome", "severity", "left"),
    [(75, "refreshed", "INFO", 14), (77, "refreshed", "ERROR", 12), (91, "sign_in_again", "ERROR", None)],
)
def test_a_grant_that_ends_within_two_weeks_is_an_error_that_says_what_to_do(
    empty: World, capsys: pytest.CaptureFixture[str], days: int, outcome: str, severity: str, left: int | None
) -> None:
    empty.threads.people.set_private("alice")
    token = empty.threads.tokens.issue_long_lived("alice", age=2 * DAY, grant_age=days * DAY)
    empty.manager.add(ALICE, token)
    line = alices_line(empty, capsys)
    assert (line["severity"], line["event"], line.get("days_left")) == (severity, outcome, left)
    assert ("sign in again" in line["message"]) == (severity == "ERROR")


def test_a_new_token_that_is_not_described_yet_is_a_warning(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.manager.fail("UpdateSecret", StatusCode.ABORTED)
    world.manager.fail("GetSecret", StatusCode.ABORTED)
    assert alices_line(world, capsys)["severity"] == "WARNING"
