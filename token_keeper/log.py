"""Every line that the functions log: its event, its words and its severity.

One JSON object a line on standard output, as Cloud Logging reads them. Only what is named here can be logged, and
nothing that is named here is secret. Source: Google Cloud, Cloud Logging: "Structured logging", special fields.
"""

from __future__ import annotations

import contextvars
import json
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from token_keeper.clock import rfc3339
from token_keeper.errors import KeeperError, PassingError
from token_keeper.outcomes import Outcome, Severity, advice, verdict

if TYPE_CHECKING:
    from token_keeper.report import Result

_trace: contextvars.ContextVar[str | None] = contextvars.ContextVar("trace", default=None)
_FAILED_FOR_TOO_LONG = (
    "This has failed for too long: see what `./deploy.sh check` finds, or have the owner sign in again."
)


def join_request(project: str, trace_header: str | None) -> None:
    """Join the lines that follow to their request, by its X-Cloud-Trace-Context header."""
    trace_id = re.match(r"[0-9a-f]{32}(?=/|;|$)", trace_header or "")
    _trace.set(f"projects/{project}/traces/{trace_id[0]}" if trace_id else None)


# The public function


def signed_in(username: str, version_name: str, days_left: int) -> None:
    facts = {"username": username, "version": version_name, "days_left": days_left}
    _write(Severity.INFO, "signed_in", f"{username} signed in.", **facts)


def sign_in_failed(error: KeeperError) -> None:
    _refused("sign_in_failed", error)


def request_refused(error: KeeperError) -> None:
    _refused("request_refused", error)


def removed(event: str, username: str, destroyed_on: datetime | None, *, kept: bool) -> None:
    """Log a removal. `destroyed_on` is when it will be complete, `kept` whether a newer sign-in is there."""
    done = f"disabled and will be destroyed on {rfc3339(destroyed_on)}" if destroyed_on else "destroyed"
    newer = " A newer sign-in is kept." if kept else ""
    _write(Severity.INFO, event, f"{username}: tokens {done}, as Threads asked.{newer}", username=username)


def removal_unmatched(event: str) -> None:
    """Log a removal that fits no account. No ERROR: a tester whom nobody allowed can cause it again and again."""
    message = "Threads asked to remove a person whose id no account is bound to. See whether one is theirs."
    _write(Severity.WARNING, f"{event}_unmatched", message)


def removal_failed(event: str, error: KeeperError) -> None:
    severity = Severity.WARNING if isinstance(error, PassingError) else Severity.ERROR
    message = f"Threads asked to remove a person, and something is still there: {_advised(error)}"
    _write(severity, f"{event}_failed", message, username=error.username)


# The private function


def account(result: Result, now: datetime) -> None:
    """Log what became of an account, unless nothing did: `run_completed` counts those."""
    severity = severity_of(result, now)
    if severity == Severity.INFO and result.outcome in (Outcome.TOO_YOUNG, Outcome.NOT_SIGNED_IN):
        return
    days_left = result.days_left(now)
    facts = {
        "username": result.username,
        "version": result.version_name,
        "days_left": days_left,
        "token_changed": result.token_changed,
        "old_token_alive": result.old_token_alive,
    }
    _write(severity, result.outcome.value, _words(result, severity, days_left), **facts)


def severity_of(result: Result, now: datetime) -> Severity:
    """Return how loud a result is. An ERROR is always something that a person must do."""
    if result.is_near_its_end(now) or result.outcome.needs_a_person:
        return Severity.ERROR
    return Severity.WARNING if result.outcome == Outcome.RETRY_LATER or result.detail else Severity.INFO


def run_failed(error: KeeperError) -> None:
    severity = Severity.WARNING if isinstance(error, PassingError) else Severity.ERROR
    _write(severity, "run_failed", f"The run failed as a whole: {_advised(error)}")


def run_completed(outcomes: Mapping[str, int]) -> None:
    _write(Severity.INFO, "run_completed", f"Run completed: {outcomes}", outcomes=outcomes)


def bug(error: Exception) -> None:
    """Log an exception that nobody expected: its type and where it was raised, not its text, which may be secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    _write(Severity.ERROR, "bug", f"A bug: {type(error).__name__} in {place}. Please report it.")


def _words(result: Result, severity: Severity, days_left: int | None) -> str:
    words = [f"{result.username}: {result.outcome.value}."]
    if days_left is not None:
        words.append(f"{days_left} days left." if days_left >= 0 else "It has expired.")
    if result.detail:
        words.append(result.detail)
    if severity == Severity.ERROR and result.outcome == Outcome.RETRY_LATER:
        words.append(_FAILED_FOR_TOO_LONG)
    return " ".join(words)


def _refused(event: str, error: KeeperError) -> None:
    row = verdict(error)
    _write(row.severity, event, f"{row.title}: {_advised(error)}", username=error.username)


def _advised(error: KeeperError) -> str:
    """Return what went wrong and, where the operator must act, what to do about it."""
    row = verdict(error)
    return f"{error} {advice(row.operator, None)}" if row.severity == Severity.ERROR else str(error)


def _write(severity: Severity, event: str, message: str, **facts: Any) -> None:
    trace = {"logging.googleapis.com/trace": _trace.get()}
    line = {"severity": severity.value, "message": message, "event": event, **facts, **trace}
    # One write a line: threads share standard output.
    sys.stdout.write(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")
    sys.stdout.flush()
