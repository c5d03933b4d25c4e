"""The work of the private function: a run that refreshes every account, and a look at all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from token_keeper import log
from token_keeper.account import Account
from token_keeper.clients import Clients
from token_keeper.clock import Clock
from token_keeper.errors import AppMisconfigured, KeeperError
from token_keeper.judgement import Judge
from token_keeper.keeping import Keeping
from token_keeper.look import Look
from token_keeper.outcomes import Outcome
from token_keeper.renewal import Renewal
from token_keeper.report import Result
from token_keeper.run import NOT_REACHED, Budget, in_order, run
from token_keeper.settings import RefreshSettings
from token_keeper.turns import Turns

if TYPE_CHECKING:
    from token_keeper.store import TokenStore

_TOO_MANY_ALIKE = 3  # accounts that are all refused in one and the same way: then it is not about their tokens


def refresh_all(settings: RefreshSettings, clients: Clients, last: set[str]) -> list[Result]:
    """Refresh every account's token, log what became of each, and return it.

    `last` is a set of secrets that go last; it is changed to those that this run could not store a token in.
    """
    budget, store, judge = _prepare(settings, clients)
    connecting = clients.meanwhile(partial(clients.threads, settings.api_url))  # loaded while the accounts are listed
    accounts = in_order(store.accounts(), last)
    threads = connecting.result().until(budget.ends - (budget.ends - budget.last_begin) / 4)
    turns = Turns([account.secret_id for account in accounts], budget, store_is_doubtful=bool(last))
    keeping = Keeping(threads, store, judge, turns)
    after, settling = settings.refresh_after, clients.limits.settling
    renewal = Renewal(threads, store, clients.clock, judge, turns, keeping, after, settling)
    concluding = Conclusion(store, judge, clients.clock)

    def work(account: Account) -> Result:
        with turns.of(account.secret_id):
            return concluding.of(renewal.renew(account))

    results = run(accounts, work, partial(_not_reached, judge), budget, clients.limits.workers)
    last.clear()
    last.update(result.account.secret_id for result in results if result.stored is False)
    return concluding.of_all(results)


def look_at_all(settings: RefreshSettings, clients: Clients) -> list[Result]:
    """Return what is known of every account. Changes nothing, and asks Threads nothing."""
    budget, store, judge = _prepare(settings, clients)
    look = Look(store, clients.clock, judge, settings.refresh_after)
    accounts = in_order(store.accounts())
    return run(accounts, look.at, partial(_not_reached, judge), budget, clients.limits.workers)


def _prepare(settings: RefreshSettings, clients: Clients) -> tuple[Budget, TokenStore, Judge]:
    seconds, limits = settings.budget.total_seconds(), clients.limits
    budget = Budget.of(seconds, clients.clock.monotonic)
    store = clients.store(settings.project, settings.emulator)
    store = store.until(budget.ends, min(limits.run_patience, seconds), limits.refusal_patience)
    return budget, store, Judge(clients.clock, store.secret_name, settings.sign_in_url)


def _not_reached(judge: Judge, account: Account) -> Result:
    return judge.result(account, Outcome.RETRY_LATER, NOT_REACHED)


class Conclusion:
    """Logs results and records the problems they mean. A refusal waits for the others: all alike blame the app."""

    def __init__(self, store: TokenStore, judge: Judge, clock: Clock) -> None:
        self._store, self._judge, self._clock = store, judge, clock
        self._concluded: set[str] = set()

    def of(self, result: Result) -> Result:
        """Conclude one result at once, unless its refusal may turn out to be about the app."""
        return result if result.refusal else self._conclude(result)

    def of_all(self, results: Iterable[Result]) -> list[Result]:
        """Conclude what is left and return all results."""
        judged = self._blame_the_app(list(results))
        return [one if one.account.secret_id in self._concluded else self._conclude(one) for one in judged]

    def _conclude(self, result: Result) -> Result:
        self._concluded.add(result.account.secret_id)
        log.account(result, self._clock.now())
        account = self._judge.with_problem(result)
        if account != result.account and account.well_named:
            with suppress(KeeperError):  # the next run finds the same and writes it
                self._store.describe(account, result.account)
        return result

    def _blame_the_app(self, results: list[Result]) -> list[Result]:
        refusals = Counter(result.refusal for result in results if result.refusal)
        otherwise = (Outcome.REFRESHED, Outcome.SIGN_IN_AGAIN)
        differs = any(result.outcome in otherwise and not result.refusal for result in results)
        if differs or len(refusals) != 1 or refusals.total() < _TOO_MANY_ALIKE:
            return results
        return [self._blamed(result) if result.refusal else result for result in results]

    def _blamed(self, result: Result) -> Result:
        words = f"Threads refuses every account in the same way ({result.refusal}), so it refuses the app."
        blamed = self._judge.failed(result.account, AppMisconfigured(words, result.refusal))
        return replace(blamed, number=result.number, stored=result.stored)
