"""Whose turn it is to refresh a token: the first account of a run goes alone.

A refresh may end the old token. So only when a new token is stored do others follow, and after one that could not be
stored they go one by one again, until one was. A store that takes nothing costs one account, not all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from token_keeper.errors import ThreadsUnavailable
from token_keeper.run import NOT_REACHED, Budget


class Turns:
    """The order in which the accounts of a run refresh their tokens. `order` is ids of secrets, the first first.

    `store_is_doubtful` is whether the last token that was to be stored was not, in this run or the one before.
    """

    def __init__(self, order: Sequence[str], budget: Budget, *, store_is_doubtful: bool) -> None:
        self._ranks = {secret_id: rank for rank, secret_id in enumerate(order)}
        self._budget = budget
        self.store_is_doubtful = store_is_doubtful
        self._alone, self._refreshing = True, 0
        self._begun: set[int] = set()  # of accounts that may still want a turn
        self._changed = threading.Condition()

    @contextmanager
    def of(self, secret_id: str) -> Iterator[None]:
        """Keep an account's place until it is done: whoever comes later waits for it while one goes alone."""
        rank = self._ranks[secret_id]
        with self._changed:
            self._begun.add(rank)
        try:
            yield
        finally:
            with self._changed:
                self._begun.discard(rank)
                self._changed.notify_all()

    @contextmanager
    def refreshing(self, secret_id: str) -> Iterator[None]:
        """Wait for an account's turn; raise ThreadsUnavailable if the run has no time left to begin it."""
        rank = self._ranks[secret_id]
        with self._changed:
            while not self._is_turn_of(rank):
                if not self._budget.may_begin:
                    raise ThreadsUnavailable(NOT_REACHED)
                self._changed.wait(self._budget.left_to_begin)
            self._begun.discard(rank)
            self._refreshing += 1
        try:
            yield
        finally:
            with self._changed:
                self._refreshing -= 1
                self._begun.add(rank)  # it may have to try another version
                self._changed.notify_all()

    def stored(self, success: bool) -> None:
        """Note whether a token that Threads has just issued is stored."""
        with self._changed:
            self._alone = self.store_is_doubtful = not success
            self._changed.notify_all()

    def _is_turn_of(self, rank: int) -> bool:
        return not self._alone or (not self._refreshing and rank == min(self._begun))
