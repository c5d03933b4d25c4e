"""The status page: the accounts in order of urgency, and each one's two clocks as bars on one axis.

What the token's 60 days and the permission grant's 90 have left is drawn around today, so that all bars compare.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from token_keeper.access_token import LIFETIME, REFRESHABLE_AFTER, WORRY
from token_keeper.errors import KeeperError, TokenRefused
from token_keeper.look import LATE
from token_keeper.outcomes import VERDICTS, Outcome
from token_keeper.report import Result

ROWS_PER_PAGE = 200
GRANT_LIFETIME = timedelta(days=90)
_BEFORE, _AFTER = timedelta(days=14), timedelta(days=91)  # what the axis shows of the time before and after today
_SIGN_IN = VERDICTS[TokenRefused].operator
_ADVICE = {
    verdict.operator: re.compile(re.escape(verdict.operator).replace(re.escape("{at}"), r"( at \S+)?") + "$")
    for verdict in VERDICTS.values()
    if verdict.operator
}


class Matter(StrEnum):
    """What is the matter with an account, in the order of the summary."""

    MISCONFIGURED = "misconfigured"
    SIGN_IN_AGAIN = "sign_in_again"
    FAILING = "failing"
    SIGN_IN_SOON = "sign_in_soon"
    OVERDUE = "overdue"
    RETRIED = "retried"
    NOT_SIGNED_IN = "not_signed_in"
    WELL = "well"

    @property
    def needs_somebody(self) -> bool:
        """Return whether a person must act by now. Somebody who never signed in may take their time."""
        return self.tone == "bad" or self in (Matter.SIGN_IN_SOON, Matter.OVERDUE)

    @property
    def tone(self) -> str:
        """Return the class that colours its word. Nothing is red while there is time."""
        if self in (Matter.MISCONFIGURED, Matter.SIGN_IN_AGAIN, Matter.FAILING):
            return "bad"
        if self in (Matter.SIGN_IN_SOON, Matter.OVERDUE, Matter.RETRIED):
            return "soon"
        return "good" if self == Matter.WELL else "still"


@dataclass(frozen=True, slots=True)
class Clock:
    """One of an account's two ends, and its bar: from where to where, in percent of the axis."""

    ends_at: datetime
    tone: str
    spent: tuple[float, float]
    left: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One account. `sentence` says what is the matter and `advice` what to do, in English, as the log has them."""

    username: str
    matter: Matter
    sentence: str
    advice: str
    since: datetime | None
    number: int | None
    refreshed_at: datetime | None
    token: Clock | None
    grant: Clock | None
    unusable: bool  # before its time is over
    private: bool  # the last refresh did not renew the grant, as it would for a public profile


def view(
    results: Sequence[Result], now: datetime, sign_in_url: str | None, page: str, rows: int = ROWS_PER_PAGE
) -> dict[str, Any]:
    """Return what the template shows: a summary of all accounts and the rows of one page."""
    urgent_first = sorted(results, key=lambda result: _urgency(result, now))
    pages = max(1, -(-len(results) // rows))
    number = min(int(page), pages) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    start = max(0, number - 1) * rows
    matters = Counter(matter_of(result, now) for result in results)
    return {
        "now": now,
        "total": len(results),
        "acting": sum(matters[matter] for matter in Matter if matter.needs_somebody),
        "counts": {matter: matters[matter] for matter in Matter if matters[matter]},
        "rows": [_row(result, now) for result in urgent_first[start : start + rows]],
        "page": max(1, number),
        "pages": pages,
        "check": VERDICTS[KeeperError].operator,
        "login": f"{sign_in_url}/login" if sign_in_url else None,
        "axis": {"today": _percent(timedelta()), "worry": _percent(WORRY), "token": _percent(LIFETIME)},
    }


def matter_of(result: Result, now: datetime) -> Matter:
    """Return what is the matter with an account, as a person would say it."""
    near = result.is_near_its_end(now)
    if result.outcome == Outcome.RETRY_LATER:
        return Matter.FAILING if near else Matter.OVERDUE if _is_overdue(result, now) else Matter.RETRIED
    if result.outcome in (Outcome.MISCONFIGURED, Outcome.SIGN_IN_AGAIN, Outcome.NOT_SIGNED_IN):
        return Matter(result.outcome.value)
    if near and result.facts:
        return Matter.FAILING if result.facts.expires_at - now < WORRY else Matter.SIGN_IN_SOON
    return Matter.WELL


def _is_overdue(result: Result, now: datetime) -> bool:
    return result.facts is not None and now - result.facts.refreshed_at > REFRESHABLE_AFTER + LATE


def _urgency(result: Result, now: datetime) -> tuple[int, float, float, str]:
    """Return what sorts the accounts. Among those that are red, a token that does not work now comes first."""
    matter = matter_of(result, now)
    left = (result.facts.ends_at - now).total_seconds() if result.facts else 0.0
    works_for = min(left, 0.0) if matter == Matter.SIGN_IN_AGAIN else left
    return 0 if matter.tone == "bad" else list(Matter).index(matter), works_for, left, result.username


def _row(result: Result, now: datetime) -> Row:
    facts = result.facts
    sentence, advice = _apart(result.detail or "")
    grant = facts.data_access_expires_at if facts else None
    return Row(
        username=result.username,
        matter=matter_of(result, now),
        sentence=sentence,
        advice=advice,
        since=result.account.problem.since if result.account.problem else _ended_at(result, now),
        number=result.number,
        refreshed_at=facts.refreshed_at if facts else None,
        token=_clock(facts.refreshed_at, facts.expires_at, now) if facts else None,
        grant=_clock(grant - GRANT_LIFETIME, grant, now) if grant else None,
        unusable=result.outcome == Outcome.SIGN_IN_AGAIN and facts is not None and facts.ends_at > now,
        private=bool(facts and grant and facts.refreshed_at - (grant - GRANT_LIFETIME) > REFRESHABLE_AFTER),
    )


def _apart(detail: str) -> tuple[str, str]:
    """Split a detail into what is the matter and what to do, if that is more than to sign in again."""
    for words, pattern in _ADVICE.items():
        if advice := pattern.search(detail):
            return detail[: advice.start()].rstrip(), "" if words == _SIGN_IN else advice[0]
    return detail, ""


def _ended_at(result: Result, now: datetime) -> datetime | None:
    """Return when the time of a token or its grant ran out, if it did."""
    return result.facts.ends_at if result.facts and result.facts.ends_at <= now else None


def _clock(began_at: datetime, ends_at: datetime, now: datetime) -> Clock:
    today, end = _percent(timedelta()), _percent(ends_at - now)
    tone = "bad" if ends_at <= now else "soon" if ends_at - now < WORRY else ""
    spent = (min(_percent(began_at - now), today), min(end, today))
    return Clock(ends_at, tone, spent=spent, left=(today, max(end, today)))


def _percent(from_today: timedelta) -> float:
    """Return the place of a moment on the axis; what lies beyond its ends is put there."""
    place = (from_today + _BEFORE) / (_BEFORE + _AFTER)
    return round(100 * min(1.0, max(0.0, place)), 2)
