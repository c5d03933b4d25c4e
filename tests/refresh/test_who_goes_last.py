"""The order of a run: what expires first goes first, and what failed before goes last, so that it starves nobody."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.refresh.world import DAY
from token_keeper.account import Account, Facts, Problem
from token_keeper.run import in_order

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
