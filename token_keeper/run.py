"""A run over every account: soonest expiry first, several at a time, ended in good order by its time budget."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from token_keeper.account import Account
from token_keeper.report import Result

NOT_REACHED = "The run's time was used up before this account."
_GRACE = 0.2  # seconds for what ends just in time; all remote calls end with the budget
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
Work = Callable[[Account], Result]


@dataclass(frozen=True)
class Budget:
    """The time of a run, by `monotonic`: no account is begun after `last_begin`, and all is over at `ends`."""

    monotonic: Callable[[], float]
    ends: float
    last_begin: float

    @classmethod
    def of(cls, seconds: float, monotonic: Callable[[], float]) -> Budget:
        """Return a budget that begins now. Its last fifth, two minutes at most, is for those that have begun."""
        ends = monotonic() + seconds
        return cls(monotonic, ends, ends - min(120.0, seconds / 5))

    @property
    def may_begin(self) -> bool:
        return self.left_to_begin > 0

    @property
    def left_to_begin(self) -> float:
        return max(0.0, self.last_begin - self.monotonic())

    @property
    def left(self) -> float:
        return max(0.0, self.ends - self.monotonic())


def in_order(accounts: Iterable[Account], last: Collection[str] = ()) -> list[Account]:
    """Return the accounts in the order in which they are worked on.

    What is known to expire first goes first, after what nothing is known of. What had a problem in the last run goes
    after the others, and the secrets in `last`, which a token could not be stored in, at the very end: they starve
    nobody.
    """

    def key(account: Account) -> tuple[bool, bool, datetime]:
        expires_at = account.facts.expires_at if account.facts else _LONG_AGO
        return account.secret_id in last, account.problem is not None, expires_at

    return sorted(accounts, key=key)


def run(accounts: Sequence[Account], work: Work, give_up: Work, budget: Budget, workers: int) -> list[Result]:
    """Work on each account until the time is used up and return a result for each, by username.

    `give_up` reports an account that the time did not reach. A bug in `work` ends its worker, neither the run nor the
    other accounts: it is raised when they are done.
    """
    waiting = deque(accounts)
    results: dict[str, Result] = {}

    def worker() -> None:
        while budget.may_begin:
            try:
                account = waiting.popleft()
            except IndexError:
                return
            results[account.secret_id] = work(account)

    pool = ThreadPoolExecutor(max_workers=workers)
    bugs: list[BaseException] = []
    while waiting and budget.may_begin:
        begun = [pool.submit(contextvars.copy_context().run, worker) for _ in range(min(workers, len(waiting)))]
        ended, _ = wait(begun, timeout=budget.left + _GRACE)
        bugs += [bug for bug in (future.exception() for future in ended) if bug]
    pool.shutdown(wait=False, cancel_futures=True)
    if bugs:
        raise bugs[0]
    finished = results.copy()
    left = [account for account in accounts if account.secret_id not in finished]
    return sorted([*finished.values(), *map(give_up, left)], key=lambda result: result.username)
