"""A look at the accounts that changes nothing and asks Threads nothing: by what is known, and by the last verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from token_keeper.account import Account, Facts
from token_keeper.clock import Clock, rfc3339
from token_keeper.errors import TokenRefused, VersionsGone
from token_keeper.judgement import UNCLEAR, Judge
from token_keeper.outcomes import Outcome
from token_keeper.report import Result

if TYPE_CHECKING:
    from token_keeper.store import TokenStore

LATE = timedelta(days=2)  # a run comes several times a day, so a token that waits longer is not being refreshed


@dataclass(frozen=True)
class Look:
    """`refresh_after` is the age from which a token is refreshed."""

    store: TokenStore
    clock: Clock
    judge: Judge
    refresh_after: timedelta

    def at(self, account: Account) -> Result:
        """Return what is known of one account."""
        return self.judge.outcome(account, self._at)

    def _at(self, account: Account) -> Result:
        if account.problem:
            return self._problem(account)
        facts = account.facts
        if facts is None or facts.expires_at <= self.clock.now():
            return self._without_facts(account)
        result = self.judge.described(account, Outcome.CURRENT)
        if result.outcome == Outcome.CURRENT and self._is_overdue(facts):
            detail = f"It was last refreshed on {rfc3339(facts.refreshed_at)}: see whether the schedule runs."
            return self.judge.result(account, Outcome.RETRY_LATER, detail)
        return result

    def _problem(self, account: Account) -> Result:
        assert account.problem is not None
        unclear = account.problem.verdict == UNCLEAR
        outcome = Outcome.RETRY_LATER if unclear else Outcome(account.problem.verdict)
        return replace(self.judge.result(account, outcome, account.problem.detail or None), unclear=unclear)

    def _without_facts(self, account: Account) -> Result:
        facts, versions = account.facts, self.store.versions(account)
        if not versions and facts:
            raise VersionsGone("Its versions are gone: all of them are destroyed or disabled.")
        if not versions:
            return self.judge.result(account, Outcome.NOT_SIGNED_IN)
        number = versions[0].number
        if facts is None or number != facts.number:
            detail = f"Version {number} is not described yet; the next run inspects it."
            late = self.clock.now() - versions[0].created_at > self.refresh_after + LATE
            outcome = Outcome.RETRY_LATER if late else Outcome.CURRENT
            return replace(self.judge.result(account, outcome, detail), facts=None, number=number)
        raise TokenRefused("The token has expired.")

    def _is_overdue(self, facts: Facts) -> bool:
        return self.clock.now() - facts.refreshed_at > self.refresh_after + LATE
