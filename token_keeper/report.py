"""What a refresh run, or a look at the accounts, has to say: an outcome for each account and a status for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from token_keeper.account import Facts
from token_keeper.clock import rfc3339

# With less than this left, something that could not be renewed becomes a person's business.
WORRY = timedelta(days=14)


class Outcome(StrEnum):
    """What became of one account. Deployed systems rely on these words."""

    REFRESHED = "refreshed"
    TOO_YOUNG = "too_young"
    CURRENT = "current"
    NOT_SIGNED_IN = "not_signed_in"
    RETRY_LATER = "retry_later"
    SIGN_IN_AGAIN = "sign_in_again"
    MISCONFIGURED = "misconfigured"


_A_PERSON_MUST_ACT = (Outcome.SIGN_IN_AGAIN, Outcome.MISCONFIGURED)


@dataclass(frozen=True, slots=True)
class Result:
    """One account's outcome. `facts` describe the newest version known; `detail` says what to do, if anything."""

    username: str
    secret: str
    outcome: Outcome
    facts: Facts | None = None
    version: int | None = None
    detail: str | None = None

    def ends_at(self) -> datetime | None:
        """Give the earlier end of token and permission grant."""
        if self.facts is None:
            return None
        return min(filter(None, (self.facts.expires_at, self.facts.data_access_expires_at)))

    def days_left(self, now: datetime) -> int | None:
        """Count whole days to the earlier end, negative once it has passed."""
        ends_at = self.ends_at()
        return (ends_at - now).days if ends_at else None

    def severity(self, now: datetime) -> str:
        """Tell how loud to say it: ERROR is always something that a person must do."""
        ends_at = self.ends_at()
        near = ends_at is not None and ends_at - now < WORRY and self.outcome != Outcome.NOT_SIGNED_IN
        if near or self.outcome in _A_PERSON_MUST_ACT:
            return "ERROR"
        return "WARNING" if self.outcome == Outcome.RETRY_LATER or self.detail else "INFO"

    def body(self) -> dict[str, str | None]:
        facts, version = self.facts, self.version
        grant = facts.data_access_expires_at if facts else None
        return {
            "username": self.username,
            "secret": self.secret,
            "outcome": self.outcome.value,
            "version": f"{self.secret}/versions/{version}" if version is not None else None,
            "expires_at": rfc3339(facts.expires_at) if facts else None,
            "data_access_expires_at": rfc3339(grant) if grant else None,
            "detail": self.detail,
        }


def body(results: Sequence[Result]) -> dict[str, Any]:
    """Give the reply's JSON: every account, and how many came to each outcome."""
    return {
        "accounts": [result.body() for result in results],
        "outcomes": dict(Counter(result.outcome.value for result in results)),
    }


def status(results: Sequence[Result]) -> int:
    """Give the HTTP status: 503 makes Cloud Scheduler try again, 500 says that a person must act."""
    outcomes = {result.outcome for result in results}
    if Outcome.RETRY_LATER in outcomes:
        return 503
    return 500 if outcomes & set(_A_PERSON_MUST_ACT) else 200
