"""How a token that Threads has just issued is kept: from here on it may be all there is.

It is proven, stored, described, and what is not needed any more is destroyed, in this order. Nothing is destroyed
before the new token is proven and stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from token_keeper.access_token import WORRY
from token_keeper.account import Account
from token_keeper.errors import (
    ForeignToken,
    KeeperError,
    Overtaken,
    PassingError,
    PermissionMissing,
    ThreadsUnavailable,
    TokenRefused,
)
from token_keeper.judgement import Judge
from token_keeper.outcomes import Outcome
from token_keeper.proof import Proof, end_of, facts_of, identify, prove
from token_keeper.report import Result
from token_keeper.turns import Turns

if TYPE_CHECKING:
    from token_keeper.store import Payload, TokenStore, Version
    from token_keeper.threads import LongLivedToken, ThreadsClient

KEPT_VERSIONS = 2
_DESTROYED_AT_ONCE = 100  # the next refresh destroys the rest


class NotStored(Exception):
    """A token that Threads has just issued could not be stored; `reason` says why."""

    def __init__(self, reason: KeeperError) -> None:
        super().__init__()
        self.reason = reason


class _State(Enum):
    """What `/me` says of a token."""

    ALIVE = "alive"
    LIMITED = "limited"  # it lives and lacks a permission
    FOREIGN = "foreign"
    DEAD = "dead"
    UNCLEAR = "unclear"

    @property
    def is_alive(self) -> bool:
        return self in (_State.ALIVE, _State.LIMITED)

    @property
    def as_answer(self) -> bool | None:
        return None if self == _State.UNCLEAR else self.is_alive


@dataclass(frozen=True, slots=True)
class Used:
    """The version that a run works from, what it holds, and the listing that it was found in, newest first."""

    version: Version
    payload: Payload
    listed: list[Version]

    @property
    def token(self) -> str:
        return self.payload.token

    @property
    def is_good_as_it_stands(self) -> bool:
        """Whether readers of `latest` get this token, and get it bare."""
        return self.version.number >= self.listed[0].number and self.payload.is_bare


@dataclass(frozen=True)
class Keeping:
    """What tokens are kept with."""

    threads: ThreadsClient
    store: TokenStore
    judge: Judge
    turns: Turns

    def keep(
        self, account: Account, before: Account, used: Used, fresh: LongLivedToken, refreshed_at: datetime
    ) -> Result:
        """Prove a refreshed token, store it, describe it, destroy what is not needed any more: in this order."""
        changed = fresh.access_token != used.token
        try:
            proof = prove(self.threads, account, fresh.access_token)
        except KeeperError as error:
            return replace(self._unproven(account, used, fresh, error), token_changed=changed)
        number, current = self._add(account, used, fresh.access_token)
        facts = facts_of(number, refreshed_at, fresh, proof.inspection, account.facts)
        account = replace(account, user_id=proof.user_id, facts=facts)
        result = self.judge.described(account, Outcome.REFRESHED)
        return self._finished(before, replace(result, number=number, token_changed=changed), current)

    def again(self, account: Account, before: Account, used: Used) -> Result:
        """Store a token once more, bare and as the newest version, so that readers of `latest` get it."""
        number, current = self._add(account, used, used.token)
        facts = replace(account.facts, number=number) if account.facts else None
        result = self.judge.described(replace(account, facts=facts), Outcome.REFRESHED)
        return self._finished(before, replace(result, number=number, token_changed=False), current)

    def once_more(self, account: Account, used: Used) -> Used:
        """Add the token again before it is refreshed, and return that version. It fails if the store takes nothing."""
        number = self._added(account, used.token)
        return Used(replace(used.version, number=number), replace(used.payload, is_bare=True), used.listed)

    def _unproven(self, account: Account, used: Used, fresh: LongLivedToken, error: KeeperError) -> Result:
        """Decide by the old token about a new one that has no proof: while the old one lives, nothing is lost."""
        old = self._state_of(account, used.token)
        foreign = isinstance(error, ForeignToken)
        wrong_label = isinstance(error, ForeignToken) and account.is_named_after(error.username)
        if old == _State.FOREIGN or (old == _State.LIMITED and isinstance(error, PermissionMissing)):
            raise error  # `/me` says the same of both tokens
        if old.is_alive or (foreign and not wrong_label):
            dropped = ThreadsUnavailable(f"Threads gave a token that was not kept: {error}")
            return replace(self.judge.failed(account, dropped), old_token_alive=old.as_answer)
        number, _ = self._add(account, used, fresh.access_token)
        if wrong_label:
            result = self.judge.failed(account, error)
        else:
            detail = f"Version {number} is stored but could not be proven yet: {error}"
            result = self.judge.result(account, Outcome.RETRY_LATER, detail)
        return replace(result, number=number, stored=True, old_token_alive=old.as_answer)

    def _state_of(self, account: Account, token: str) -> _State:
        """Ask `/me` about a token."""
        try:
            identify(self.threads, account, token)
        except PermissionMissing:
            return _State.LIMITED
        except ForeignToken:
            return _State.FOREIGN
        except TokenRefused:
            return _State.DEAD
        except KeeperError:
            return _State.UNCLEAR
        return _State.ALIVE

    def _add(self, account: Account, used: Used, token: str) -> tuple[int, list[Version]]:
        """Store a token as the newest version. Return its number, and the enabled versions before it, newest first.

        Raises Overtaken, and stores nothing, if somebody took the used version away meanwhile, or stored a newer one
        that lives: a sign-in or a paste wins. This is looked at again before each repetition.
        """
        seen = [used.listed]

        def look_again() -> None:
            try:
                seen.append(self.store.versions(account))
            except KeeperError:
                return  # not to know is no reason to lose a token
            self._stop_if_overtaken(account, seen[-1], used, token)

        look_again()
        return self._added(account, token, look_again), seen[-1]

    def _stop_if_overtaken(self, account: Account, current: list[Version], used: Used, token: str) -> None:
        if used.version.number not in [version.number for version in current]:
            raise Overtaken("The token was taken away while it was being refreshed.")
        for version in current:
            if version.number > used.listed[0].number and version.number != used.version.number:
                self._stop_if_it_lives(account, version, used, token)

    def _stop_if_it_lives(self, account: Account, newer: Version, used: Used, token: str) -> None:
        """Raise Overtaken if a newer version lives. One that may die soon must not become all there is."""
        try:
            found = self.store.access(account, newer).token
            proof = prove(self.threads, account, found)
        except KeeperError:
            return
        if found == token:  # ours, of an attempt whose reply was lost
            return
        if not self._is_lasting(proof) and not self._state_of(account, used.token).is_alive:
            self._added(account, token)
            self._added(account, found)
        elif newer.number < used.version.number:  # a copy of ours lies over it
            self._added(account, found)
        raise Overtaken("A newer version was stored in the meantime.")

    def _is_lasting(self, proof: Proof) -> bool:
        now = self.judge.clock.now()
        ends = end_of(proof.inspection, now) if proof.inspection else None
        return ends is not None and ends - now >= WORRY

    def _added(self, account: Account, token: str, before_again: Callable[[], None] = lambda: None) -> int:
        try:
            number = self.store.add(account, token, before_again)
        except Overtaken:
            raise
        except KeeperError as error:
            self.turns.stored(False)
            raise NotStored(error) from error
        self.turns.stored(True)
        return number

    def _finished(self, before: Account, result: Result, current: list[Version]) -> Result:
        """Describe what is stored and destroy all but the newest two versions. The next run does what fails here."""
        result, error = replace(result, stored=True), None
        try:
            if result.account.facts:
                saved = self.store.describe(self.judge.with_problem(result), before)
                result = replace(result, account=saved)
        except KeeperError as why:
            error = why
        try:
            if not isinstance(error, PassingError):  # a refusal may last, and versions must not pile up meanwhile
                self._destroy_old(result.account, current)
        except KeeperError as why:
            error = error or why
        if not error:
            return result
        words = f"The token is stored; what describes it, or old versions, follow with the next run: {error}"
        return replace(result, detail=result.detail or words)

    def _destroy_old(self, account: Account, before: list[Version]) -> None:
        """Destroy all but the newest two versions, of which the newest was added to these."""
        for version in before[KEPT_VERSIONS - 1 :][:_DESTROYED_AT_ONCE]:
            self.store.destroy(account, version)
