"""A run over every account: soonest expiry first, several at a time, ended in good order by its time budget."""

from __future__ import annotations

import contextvars
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

from token_keeper.account import Account
from token_keeper.report import Result

WORKERS = 32
PATIENCE = 60.0  # seconds for which one call to Secret Manager may be repeated
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def run(
    accounts: Iterable[Account],
    work: Callable[[Account], Result],
    not_reached: Callable[[Account], Result],
    ends: float,
) -> list[Result]:
    """Work on each account until `ends`, by `time.monotonic()`; what is not reached is given to `not_reached`.

    No account is begun in the last fifth of the time (two minutes at most), so that those begun can end. A bug in
    `work` ends its worker, neither the run nor the other accounts: it is raised when they are done.
    """
    last_begin = ends - min(120.0, (ends - time.monotonic()) / 5)
    ordered = sorted(accounts, key=_expiry)
    waiting = deque(ordered)
    results: dict[str, Result] = {}

    def worker() -> None:
        while time.monotonic() < last_begin:
            try:
                account = waiting.popleft()
            except IndexError:
                return
            results[account.secret_id] = work(account)

    pool = ThreadPoolExecutor(max_workers=WORKERS)
    bugs: list[BaseException] = []
    while waiting and time.monotonic() < last_begin:
        workers = [pool.submit(contextvars.copy_context().run, worker) for _ in range(min(WORKERS, len(waiting)))]
        ended, _ = wait(workers, timeout=max(0.0, ends - time.monotonic()))
        bugs += [bug for bug in (future.exception() for future in ended) if bug]
    pool.shutdown(wait=False, cancel_futures=True)
    if bugs:
        raise bugs[0]
    finished = results.copy()
    left = [account for account in ordered if account.secret_id not in finished]
    return sorted([*finished.values(), *map(not_reached, left)], key=lambda result: result.username)


def _expiry(account: Account) -> datetime:
    """Sort by what is known of the token's end; what nothing is known of goes first."""
    return account.facts.expires_at if account.facts else _LONG_AGO
