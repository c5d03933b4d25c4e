"""What a run says of an account: errors and facts become outcomes, and outcomes become the account's `problem`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from token_keeper.access_token import WORRY
from token_keeper.account import Account, Problem
from token_keeper.clock import Clock, rfc3339
from token_keeper.errors import (
    ForeignToken,
    GrantEnded,
    KeeperError,
    LabelMissing,
    MisnamedSecret,
    PermanentError,
    SecretExpires,
    TokenRefused,
    UnclearRefusal,
    WrongBinding,
)
from token_keeper.outcomes import VERDICTS, Outcome, advice, verdict
from token_keeper.report import Result

UNCLEAR = "unclear"
_LASTING = timedelta(days=1)  # after which an unclear refusal counts as a refusal of the token


@dataclass(frozen=True)
class Judge:
    """`secret_name` returns the full name of an account's secret, `sign_in_url` is where people sign in, if known."""

    clock: Clock
    secret_name: Callable[[Account], str]
    sign_in_url: str | None

    def outcome(self, account: Account, step: Callable[[Account], Result]) -> Result:
        """Return what a step comes to. Every expected failure becomes an outcome."""
        try:
            _check_label(account)
            return self._warned(step(account))
        except KeeperError as error:
            return self.failed(account, error)

    def _warned(self, result: Result) -> Result:
        """Return a result that says so where the whole secret is deleted soon: after that, no list has it."""
        end, fine = result.account.deleted_on, not result.outcome.needs_a_person
        if end and end - self.clock.now() < WORRY and fine and result.outcome != Outcome.RETRY_LATER:
            told = self.failed(result.account, SecretExpires(f"Secret Manager deletes this secret on {rfc3339(end)}."))
            return replace(result, outcome=told.outcome, detail=told.detail)
        return result

    def failed(self, account: Account, error: KeeperError) -> Result:
        """Return the outcome that an error means for an account."""
        if isinstance(error, ForeignToken) and account.is_named_after(error.username):
            error = WrongBinding("The label threads-user-id names another person than the token does.")
        row, refusal = verdict(error), error.refusal if isinstance(error, PermanentError) else None
        unclear = isinstance(error, UnclearRefusal)
        if unclear and self.has_lasted(account.problem):
            row = VERDICTS[TokenRefused]
        detail = f"{error} {advice(row.operator, self.sign_in_url)}".strip()
        return replace(self.result(account, row.outcome, detail), refusal=refusal, unclear=unclear)

    def has_lasted(self, problem: Problem | None) -> bool:
        """Return whether an unclear refusal stands for so long that it counts as a refusal of the token."""
        if problem is None:
            return False
        lasted = self.clock.now() - problem.since >= _LASTING
        return problem.verdict == Outcome.SIGN_IN_AGAIN or (problem.verdict == UNCLEAR and lasted)

    def described(self, account: Account, outcome: Outcome) -> Result:
        """Return an outcome unless the facts know better: the permission grant may have ended, or be about to."""
        grant, now = account.facts.data_access_expires_at if account.facts else None, self.clock.now()
        if grant and grant <= now:
            words = f"The permission grant ended on {rfc3339(grant)}; calls fail although the token lives."
            return self.failed(account, GrantEnded(words))
        if grant and grant - now < WORRY:
            words = f"The permission grant ends on {rfc3339(grant)}, and refreshing does not renew it."
            sign_in = advice(VERDICTS[GrantEnded].operator, self.sign_in_url)
            return self.result(account, outcome, f"{words} {sign_in}")
        return self.result(account, outcome)

    def result(self, account: Account, outcome: Outcome, detail: str | None = None) -> Result:
        facts = account.facts if outcome != Outcome.NOT_SIGNED_IN else None
        return Result(
            account=account,
            secret=self.secret_name(account),
            outcome=outcome,
            facts=facts,
            number=facts.number if facts else None,
            detail=detail,
        )

    def with_problem(self, result: Result) -> Account:
        """Return a result's account with the problem that the result means. A passing fault changes nothing."""
        account, word = result.account, self._problem_word(result)
        if word is None and result.outcome == Outcome.RETRY_LATER:
            return account
        if word is None:
            return replace(account, problem=None)
        before, detail = account.problem, (result.detail or "")[: Problem.LONGEST_DETAIL]
        since = before.since if before and before.verdict == word else self.clock.now()
        if before == Problem(word, since, detail):
            return account
        return replace(account, problem=Problem(word, since.replace(microsecond=0), detail))

    @staticmethod
    def _problem_word(result: Result) -> str | None:
        if result.outcome.needs_a_person:
            return result.outcome.value
        return UNCLEAR if result.unclear else None


def _check_label(account: Account) -> None:
    if not account.well_named:
        raise MisnamedSecret("The keeper's label is on a secret whose name stands for no username.")
    if not account.managed:
        raise LabelMissing("The secret has lost the label managed-by=threads-token-keeper, so nobody looks after it.")
