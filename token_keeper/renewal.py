"""The renewal of one account's token: read, refresh, prove, add a version, describe it, clean up.

Nothing is destroyed before the new token is proven and stored. A crash between any two steps leaves a version that
the annotations do not describe, and the next run adopts it. Knows no sign-in setting and imports nothing that does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from token_keeper.access_token import LIFETIME, REFRESHABLE_AFTER, is_due, is_younger_than, was_renewed_today
from token_keeper.account import Account, Facts
from token_keeper.clock import Clock
from token_keeper.errors import (
    ForeignToken,
    KeeperError,
    PermanentError,
    PermissionMissing,
    StoreConflict,
    ThreadsUnavailable,
    TokenRefused,
    UnclearRefusal,
    VersionsGone,
    WrongBinding,
)
from token_keeper.judgement import Judge
from token_keeper.outcomes import Outcome
from token_keeper.proof import end_of, facts_of, identify, prove
from token_keeper.report import Result
from token_keeper.turns import Turns

if TYPE_CHECKING:
    from token_keeper.store import Payload, TokenStore, Version
    from token_keeper.threads import LongLivedToken, ThreadsClient

KEPT_VERSIONS = 2
_TRIED_VERSIONS = 5  # of those that are enabled, where Threads refuses the newest
_DESTROYED_AT_ONCE = 100  # the next refresh destroys the rest


_WRONG_LABEL = WrongBinding("The label threads-user-id names another person than the token does.")


class NotStored(Exception):
    """A token that Threads has just issued could not be stored; `reason` says why."""

    def __init__(self, reason: KeeperError) -> None:
        super().__init__()
        self.reason = reason


class _State(Enum):
    """What `/me` says of a token."""

    ALIVE = "alive"
    FOREIGN = "foreign"
    DEAD = "dead"
    UNCLEAR = "unclear"

    @property
    def as_answer(self) -> bool | None:
        return None if self == _State.UNCLEAR else self != _State.DEAD


@dataclass(frozen=True, slots=True)
class _Used:
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
        return self.version == self.listed[0] and self.payload.is_bare


@dataclass(frozen=True)
class Renewal:
    """What one run renews with.

    `refresh_after` is the age from which a token is refreshed, `settling` is how many seconds another run may need
    between refreshing a token and storing the new one.
    """

    threads: ThreadsClient
    store: TokenStore
    clock: Clock
    judge: Judge
    turns: Turns
    refresh_after: timedelta
    settling: float

    def renew(self, account: Account) -> Result:
        """Refresh one account's token if it is due. Every expected failure becomes an outcome."""
        try:
            return self.judge.outcome(account, self._renew)
        except NotStored as error:
            return replace(self.judge.failed(account, error.reason), stored=False)

    def _renew(self, account: Account) -> Result:
        facts, now = account.facts, self.clock.now()
        if facts and not is_due(facts.refreshed_at, facts.expires_at, self.refresh_after, now):
            return self.judge.described(account, Outcome.TOO_YOUNG)
        versions = self.store.versions(account)
        if not versions and facts:
            raise VersionsGone("Its versions are gone: all of them are destroyed or disabled.")
        if not versions:
            return self.judge.result(account, Outcome.NOT_SIGNED_IN)
        try:
            return self._renew_from_any(account, versions)
        except (TokenRefused, UnclearRefusal):
            self._stop_if_replaced(account, versions[0])
            raise

    def _renew_from_any(self, account: Account, versions: list[Version]) -> Result:
        """Renew from the newest version, or from the next that Threads does not refuse: it may be the living one."""
        refusal: PermanentError | None = None
        for version in versions[:_TRIED_VERSIONS]:
            try:
                return self._renew_from(account, _Used(version, self.store.access(account, version), versions))
            except (TokenRefused, UnclearRefusal) as error:
                refusal = refusal or error
            except PermanentError:
                if not refusal:
                    raise
                break  # an older version's own fault says nothing about the account
        assert refusal is not None
        raise refusal

    def _renew_from(self, before: Account, used: _Used) -> Result:
        account, now = before, self.clock.now()
        if before.facts is None or before.facts.number != used.version.number:
            account = self._adopted(before, used)
        facts = account.facts
        if facts and not is_due(facts.refreshed_at, facts.expires_at, self.refresh_after, now):
            return self._kept_as_it_is(before, account, used)
        with self.turns.refreshing(account.secret_id):
            refreshed_at = self.clock.now()
            fresh = self._refresh(account, used)
            if fresh is not None:
                return self._keep(replace(account, facts=facts or before.facts), before, used, fresh, refreshed_at)
        return self._kept_as_it_is(before, account, used)

    # A version that nothing describes

    def _adopted(self, account: Account, used: _Used) -> Account:
        """Return an account bound and described by a version that somebody pasted, or that a run left undescribed.

        Without facts, where Threads does not let the token be inspected.
        """
        proof = prove(self.threads, account, used.token)
        inspection, now = proof.inspection, self.clock.now()
        expires_at = inspection and end_of(inspection, now)
        if not inspection or not expires_at:
            return replace(account, user_id=proof.user_id, facts=None)
        issued_at = inspection.issued_at or expires_at - LIFETIME
        grant, scopes = inspection.data_access_expires_at, inspection.scopes
        facts = Facts(used.version.number, issued_at, expires_at, grant, scopes)
        return replace(account, user_id=proof.user_id, facts=facts)

    def _kept_as_it_is(self, before: Account, account: Account, used: _Used) -> Result:
        """Keep a token that is too young to be refreshed. Store it again if readers of `latest` do not get it bare."""
        if used.is_good_as_it_stands:
            if (account.user_id, account.facts) != (before.user_id, before.facts):
                account = self.store.describe(replace(account, facts=account.facts or before.facts), before)
            return replace(self.judge.described(account, Outcome.TOO_YOUNG), number=used.version.number)
        number, current = self._add(account, used, used.token)
        facts = replace(account.facts, number=number) if account.facts else None
        result = self.judge.described(replace(account, facts=facts), Outcome.REFRESHED)
        return self._finished(before, replace(result, number=number, token_changed=False), current)

    # Refreshing

    def _refresh(self, account: Account, used: _Used) -> LongLivedToken | None:
        """Return the refreshed token, None where Threads finds the token too young, however it says so."""
        try:
            return self.threads.refresh_token(used.token)
        except PermanentError as error:
            young = self._is_young(used)
            unproven = isinstance(error, UnclearRefusal | PermissionMissing)
            if young or unproven:
                identify(self.threads, account, used.token)  # `/me` decides whether the token lives
            if young:
                return None
            if unproven:
                raise ThreadsUnavailable(f"{error} The token itself still works.") from error
            raise

    def _is_young(self, used: _Used) -> bool:
        """Return whether the token was made or refreshed within a day, by a refresh whose reply was lost included."""
        if is_younger_than(REFRESHABLE_AFTER, used.version.created_at, self.clock.now()):
            return True
        inspection = self.threads.inspect(used.token)
        expires_at = inspection.expires_at if inspection and inspection.is_valid else None
        return expires_at is not None and was_renewed_today(expires_at, self.clock.now())

    def _stop_if_replaced(self, account: Account, newest: Version) -> None:
        """Raise StoreConflict if another run or a sign-in has stored a newer version: then the old one may be dead."""
        for pause in (0.0, self.settling):
            self.clock.sleep(pause)
            versions = self.store.versions(account)
            if versions and versions[0].number > newest.number:
                raise StoreConflict("A newer version was stored in the meantime.")

    # Keeping what Threads has just issued: from here on it may be all there is

    def _keep(
        self, account: Account, before: Account, used: _Used, fresh: LongLivedToken, refreshed_at: datetime
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

    def _unproven(self, account: Account, used: _Used, fresh: LongLivedToken, error: KeeperError) -> Result:
        """Decide by the old token about a new one that has no proof: while the old one lives, nothing is lost."""
        old = self._state_of(account, used.token)
        foreign = isinstance(error, ForeignToken)
        wrong_label = isinstance(error, ForeignToken) and account.is_named_after(error.username)
        if old == _State.FOREIGN or (old == _State.ALIVE and isinstance(error, PermissionMissing)):
            raise _WRONG_LABEL if wrong_label else error  # `/me` says the same of both tokens
        if old == _State.ALIVE or (foreign and not wrong_label):
            raise ThreadsUnavailable(f"Threads gave a token that was not kept: {error}") from error
        number, _ = self._add(account, used, fresh.access_token)
        if wrong_label:
            result = self.judge.failed(account, _WRONG_LABEL)
        else:
            detail = f"Version {number} is stored but could not be proven yet: {error}"
            result = self.judge.result(account, Outcome.RETRY_LATER, detail)
        return replace(result, number=number, stored=True, old_token_alive=old.as_answer)

    def _state_of(self, account: Account, token: str) -> _State:
        """Ask `/me` about a token. One that only lacks a permission lives."""
        try:
            identify(self.threads, account, token)
        except PermissionMissing:
            return _State.ALIVE
        except ForeignToken:
            return _State.FOREIGN
        except TokenRefused:
            return _State.DEAD
        except KeeperError:
            return _State.UNCLEAR
        return _State.ALIVE

    def _add(self, account: Account, used: _Used, token: str) -> tuple[int, list[Version]]:
        """Store a token as the newest version. Return its number, and the enabled versions before it, newest first.

        Raises StoreConflict, and stores nothing, if somebody took the used version away meanwhile, or stored a newer
        one that lives: a sign-in or a paste wins.
        """
        try:
            current = self.store.versions(account)
        except KeeperError:
            current = used.listed  # not to know is no reason to lose a token
        if used.version.number not in [version.number for version in current]:
            raise StoreConflict("The token was taken away while it was being refreshed.")
        for version in current:
            if version.number > used.listed[0].number and self._is_living(account, version):
                raise StoreConflict("A newer version was stored in the meantime.")
        try:
            number = self.store.add(account, token)
        except KeeperError as error:
            self.turns.stored(False)
            raise NotStored(error) from error
        self.turns.stored(True)
        return number, current

    def _is_living(self, account: Account, version: Version) -> bool:
        try:
            token = self.store.access(account, version).token
        except KeeperError:
            return False
        return self._state_of(account, token) == _State.ALIVE

    def _finished(self, before: Account, result: Result, current: list[Version]) -> Result:
        """Describe what is stored and destroy all but the newest two versions. The next run does what fails here."""
        result = replace(result, stored=True)
        try:
            if result.account.facts:
                saved = self.store.describe(self.judge.with_problem(result), before)
                result = replace(result, account=saved)
            for version in current[KEPT_VERSIONS - 1 :][:_DESTROYED_AT_ONCE]:
                self.store.destroy(result.account, version)
        except KeeperError as error:
            words = f"The token is stored; what describes it, or old versions, follow with the next run: {error}"
            return replace(result, detail=result.detail or words)
        return result
