"""What a refresh run, or a look at the accounts, reports: an outcome for each account and a status for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from token_keeper.access_token import LIFETIME, WORRY, days_left
from token_keeper.account import Account, Facts
from token_keeper.clock import rfc3339
from token_keeper.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """One account's outcome.

    `facts` describe the newest version known, `number` is that version's, `stored_at` is when one was stored that
    nothing describes. `detail` says what to do, if anything.
    `refusal` is the codes of a refusal that may be about the app. `unclear` is whether a refusal says nothing of the
    token. `stored` is whether a token that Threads issued in this run is stored, None if it issued none.
    `token_changed` and `old_token_alive` record what Meta has not established about a refresh.
    """

    account: Account
    secret: str
    outcome: Outcome
    facts: Facts | None = None
    number: int | None = None
    detail: str | None = None
    refusal: str | None = None
    unclear: bool = False
    stored: bool | None = None
    token_changed: bool | None = None
    old_token_alive: bool | None = None
    stored_at: datetime | None = None

    @property
    def username(self) -> str:
        return self.account.username

    @property
    def version_name(self) -> str | None:
        return f"{self.secret}/versions/{self.number}" if self.number is not None else None

    def days_left(self, now: datetime) -> int | None:
        return days_left(self.facts.ends_at, now) if self.facts else None

    def is_near_its_end(self, now: datetime) -> bool:
        """Return whether a person must know: the grant ends soon, or the token does and could not be renewed."""
        if self.facts is None:
            return self.stored_at is not None and now - self.stored_at > LIFETIME - WORRY
        grant, renewed = self.facts.data_access_expires_at, self.outcome in (Outcome.REFRESHED, Outcome.TOO_YOUNG)
        return (grant is not None and grant - now < WORRY) or (not renewed and self.facts.expires_at - now < WORRY)

    def body(self) -> dict[str, str | None]:
        facts = self.facts
        grant = facts.data_access_expires_at if facts else None
        return {
            "username": self.username,
            "secret": self.secret,
            "outcome": self.outcome.value,
            "version": self.version_name,
            "expires_at": rfc3339(facts.expires_at) if facts else None,
            "data_access_expires_at": rfc3339(grant) if grant else None,
            "detail": self.detail,
        }


def body(results: Sequence[Result]) -> dict[str, Any]:
    """Return the reply's JSON object: every account, and how many came to each outcome."""
    return {
        "accounts": [result.body() for result in results],
        "outcomes": dict(Counter(result.outcome.value for result in results)),
    }


def status(results: Sequence[Result]) -> int:
    """Return the HTTP status: 503 makes Cloud Scheduler try again, 500 says that a person must act."""
    outcomes = {result.outcome for result in results}
    if Outcome.RETRY_LATER in outcomes:
        return 503
    return 500 if any(outcome.needs_a_person for outcome in outcomes) else 200
