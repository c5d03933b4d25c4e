"""The renewal of one account's token: read it, refresh it, and have the new one kept.

A crash between any two steps leaves a version that the annotations do not describe, and the next run adopts it. Knows
no sign-in setting and imports nothing that does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from token_keeper.access_token import LIFETIME, REFRESHABLE_AFTER, is_due, is_younger_than, was_renewed_today
from token_keeper.account import Account, Facts
from token_keeper.clock import Clock
from token_keeper.errors import (
    PassingError,
    PermanentError,
    PermissionMissing,
    StoreConflict,
    ThreadsUnavailable,
    TokenRefused,
    UnclearRefusal,
    VersionsGone,
)
from token_keeper.judgement import Judge
from token_keeper.keeping import Keeping, NotStored, Used
from token_keeper.outcomes import Outcome
from token_keeper.proof import end_of, identify, prove
from token_keeper.report import Result
from token_keeper.turns import Turns

if TYPE_CHECKING:
    from token_keeper.store import TokenStore, Version
    from token_keeper.threads import LongLivedToken, ThreadsClient

_TRIED_VERSIONS = 5  # of those that are enabled, where Threads refuses the newest


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
    keeping: Keeping
    refresh_after: timedelta
    settling: float

    def renew(self, account: Account) -> Result:
        """Refresh one account's token if it is due. Every expected failure becomes an outcome."""
        try:
            return self.judge.outcome(account, self._renew)
        except NotStored as error:
            failed = self.judge.failed(account, error.reason)
            return replace(failed, stored=False, detail=f"A token could not be stored. {failed.detail}")

    def _renew(self, account: Account) -> Result:
        facts, now = account.facts, self.clock.now()
        is_young = facts and not is_due(facts.refreshed_at, facts.expires_at, self.refresh_after, now)
        if is_young and (young := self._young(account)):
            return young
        versions = self.store.versions(account)
        if not versions and facts and self.store.reread(account).facts:  # an uninstall would have cleared them
            raise VersionsGone("Its versions are gone: all of them are destroyed or disabled.")
        if not versions:
            return self.judge.result(account, Outcome.NOT_SIGNED_IN)
        try:
            result = self._renew_from_any(account, versions)
        except (TokenRefused, UnclearRefusal):
            self._stop_if_replaced(account, versions[0])
            raise
        except PassingError as error:
            result = self.judge.failed(account, error)
        undescribed = not facts and result.outcome == Outcome.RETRY_LATER
        return replace(result, stored_at=versions[0].created_at) if undescribed else result

    def _young(self, account: Account) -> Result | None:
        """Report a token that is not due. That its grant has ended is believed when `/me` confirms it.

        None where it would have ended, and the version that the facts describe is not there.
        """
        result, facts = self.judge.described(account, Outcome.TOO_YOUNG), account.facts
        if result.outcome == Outcome.TOO_YOUNG or account.problem or facts is None:
            return result
        versions = self.store.versions(account)
        for version in versions:
            if version.number == facts.number:
                token, newest = self.store.access(account, version).token, version == versions[0]
                return self._asked(account, facts, token, result, newest=newest)
        return None

    def _asked(self, account: Account, facts: Facts, token: str, ended: Result, *, newest: bool) -> Result:
        try:
            identify(self.threads, account, token)
        except PermissionMissing:
            return ended
        except PermanentError as error:
            if newest and isinstance(error, TokenRefused):
                raise
            # Something else is the matter, and the next refresh says what.
            return self.judge.result(account, Outcome.TOO_YOUNG)
        changed = replace(account, facts=replace(facts, data_access_expires_at=None))
        return self.judge.described(self.store.describe(changed, account), Outcome.TOO_YOUNG)

    def _renew_from_any(self, account: Account, versions: list[Version]) -> Result:
        """Renew from the newest version, or from the next that Threads does not refuse: it may be the living one."""
        refusal: PermanentError | None = None
        for version in versions[:_TRIED_VERSIONS]:
            try:
                return self._renew_from(account, Used(version, self.store.access(account, version), versions))
            except (TokenRefused, UnclearRefusal) as error:
                if isinstance(error, UnclearRefusal) and not self.judge.has_lasted(account.problem):
                    raise
                refusal = refusal or error
            except PermanentError:
                if not refusal:
                    raise  # an older version's own fault says nothing about the account
        assert refusal is not None
        raise refusal

    def _renew_from(self, before: Account, used: Used) -> Result:
        account, now = before, self.clock.now()
        known = before.user_id and before.facts and before.facts.number == used.version.number
        if not known or used.version != used.listed[0]:
            account = self._adopted(before, used)
        facts = account.facts
        if facts and not is_due(facts.refreshed_at, facts.expires_at, self.refresh_after, now):
            return self._kept_as_it_is(before, account, used)
        with self.turns.refreshing(account.secret_id):
            used = self.keeping.once_more(account, used) if self.turns.store_is_doubtful else used
            refreshed_at = self.clock.now()
            fresh = self._refresh(account, used)
            if fresh is not None:
                account = replace(account, facts=facts or before.facts)
                return self.keeping.keep(account, before, used, fresh, refreshed_at)
        return self._kept_as_it_is(before, account, used)

    # A version that nothing describes

    def _adopted(self, account: Account, used: Used) -> Account:
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

    def _kept_as_it_is(self, before: Account, account: Account, used: Used) -> Result:
        """Keep a token that is too young to be refreshed. Store it again if readers of `latest` do not get it bare."""
        if used.is_good_as_it_stands:
            if (account.user_id, account.facts) != (before.user_id, before.facts):
                account = self.store.describe(replace(account, facts=account.facts or before.facts), before)
            return replace(self.judge.described(account, Outcome.TOO_YOUNG), number=used.version.number)
        return self.keeping.again(account, before, used)

    # Refreshing

    def _refresh(self, account: Account, used: Used) -> LongLivedToken | None:
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

    def _is_young(self, used: Used) -> bool:
        """Return whether the token was made or refreshed within a day, also by a refresh whose reply was lost."""
        if is_younger_than(REFRESHABLE_AFTER, used.version.created_at, self.clock.now()):
            return True
        inspection = self.threads.inspect(used.token)
        expires_at = inspection.expires_at if inspection and inspection.is_valid else None
        return expires_at is not None and was_renewed_today(expires_at, self.clock.now())

    def _stop_if_replaced(self, account: Account, newest: Version) -> None:
        """Raise StoreConflict if somebody stored a newer version, or took all away: then a dead one is no news."""
        for pause in (0.0, self.settling):
            self.clock.sleep(pause)
            versions = self.store.versions(account)
            if not versions:
                raise StoreConflict("The version was disabled or destroyed in the meantime.")
            if versions[0].number > newest.number:
                raise StoreConflict("A newer version was stored in the meantime.")
