"""The order of a run: what expires first goes first, what failed before goes last, and a bug starves nobody either."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.refresh.world import DAY
from token_keeper.account import Account, Facts, Problem
from token_keeper.outcomes import Outcome
from token_keeper.report import Result
from token_keeper.run import Budget, in_order, run

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def account(name: str, days: int, problem: Problem | None = None) -> Account:
    return Account(name, None, Facts(1, NOW, NOW + days * DAY, None), "", problem=problem)


def test_what_expires_first_goes_first() -> None:
    assert [one.secret_id for one in in_order([account("late", 9), account("soon", 1)])] == ["soon", "late"]


def test_what_had_a_problem_in_the_last_run_goes_after_the_others() -> None:
    refused = account("refused", 1, Problem("unclear", NOW, ""))
    assert [one.secret_id for one in in_order([refused, account("well", 9)])] == ["well", "refused"]


def test_what_a_token_could_not_be_stored_in_goes_last() -> None:
    refused = account("refused", 5, Problem("unclear", NOW, ""))
    order = in_order([account("not stored", 1), refused, account("well", 9)], last={"not stored"})
    assert [one.secret_id for one in order] == ["well", "refused", "not stored"]


def test_a_bug_at_one_account_is_raised_when_the_others_are_done() -> None:
    done: list[str] = []

    def work(one: Account) -> Result:
        if one.secret_id == "b":
            raise ZeroDivisionError
        done.append(one.secret_id)
        return Result(one, one.secret_id, Outcome.REFRESHED)

    accounts = [account(name, 1) for name in "abcd"]
    with pytest.raises(ZeroDivisionError):
        run(accounts, work, work, Budget.of(5.0, time.monotonic), workers=1)
    assert done == ["a", "c", "d"]
