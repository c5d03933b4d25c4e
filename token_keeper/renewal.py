"""The renewal of one account's token: read, refresh, prove, add a version, describe it, clean up.

Nothing is destroyed before the new token is proven and stored. A crash between any two steps leaves a version that
the annotations do not describe, and the next run adopts it. Knows no sign-in setting and imports nothing that does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from token_keeper import log
from token_keeper.account import Account, Facts
from token_keeper.clock import rfc3339
from token_keeper.errors import (
    ForeignToken,
    KeeperError,
    NotAToken,
    PassingError,
    PermanentError,
    PermissionMissing,
    ShortLivedToken,
    StoreConflict,
    ThreadsUnavailable,
    TokenRefused,
    UnclearRefusal,
)
from token_keeper.proof import facts_of, identify, prove
from token_keeper.report import WORRY, Outcome, Result

if TYPE_CHECKING:
    from token_keeper.store import TokenStore, Version
    from token_keeper.threads import LongLivedToken, ThreadsClient

LIFETIME = timedelta(days=60)  # of a long-lived token
META_MINIMUM_AGE = timedelta(hours=24)  # before which Threads refreshes nothing
KEPT_VERSIONS = 2
SETTLING = 2.0  # seconds that another run may need between refreshing a token and storing the new one

_SIGN_IN = "Have the account's owner sign in again."


@dataclass(frozen=True)
class Renewal:
    """One run's means. `now` gives the time; `refresh_after` is the age from which a token is refreshed."""

    threads: ThreadsClient
    store: TokenStore
    now: Callable[[], datetime]
    refresh_after: timedelta

    # What a run asks

    def renew(self, account: Account) -> Result:
        """Refresh one account's token if it is due. Every expected failure becomes an outcome."""
        return self._logged(self._outcome(account, self._renew))

    def skip(self, account: Account) -> Result:
        """Give an account up for which the run has no time left, aloud."""
        return self._logged(self.not_reached(account))

    def look(self, account: Account) -> Result:
        """Report on one account without changing anything."""
        return self._outcome(account, self._look)

    def not_reached(self, account: Account) -> Result:
        """Report an account for which there was no time left."""
        return self._result(account, Outcome.RETRY_LATER, "The run's time was used up before this account.")

    def _logged(self, result: Result) -> Result:
        severity = result.severity(self.now())
        if severity == "INFO" and result.outcome in (Outcome.TOO_YOUNG, Outcome.NOT_SIGNED_IN):
            return result  # nothing happened; `run_completed` counts them
        days = result.days_left(self.now())
        words = [f"{result.username}: {result.outcome.value}."]
        words += [f"{days} days left." if days >= 0 else "Its time has ended."] if days is not None else []
        words += [result.detail] if result.detail else []
        words += [_RUNNING_OUT] if severity == "ERROR" and result.outcome == Outcome.RETRY_LATER else []
        log.write(
            severity,
            event=result.outcome.value,
            message=" ".join(words),
            username=result.username,
            version=result.body()["version"],
            days_left=days,
        )
        return result

    def _outcome(self, account: Account, step: Callable[[Account], Result]) -> Result:
        if not account.well_named:
            detail = "The label is on a secret whose name stands for no username: take the label off, or rename it."
            return self._result(account, Outcome.MISCONFIGURED, detail)
        try:
            return step(account)
        except PassingError as error:
            return self._result(account, Outcome.RETRY_LATER, str(error))
        except (TokenRefused, PermissionMissing, ShortLivedToken) as error:
            return self._result(account, Outcome.SIGN_IN_AGAIN, f"{error} {_SIGN_IN}")
        except KeeperError as error:
            return self._result(account, Outcome.MISCONFIGURED, f"{error} {_ADVICE.get(type(error), _CHECK)}")

    # Looking

    def _look(self, account: Account) -> Result:
        facts = account.facts
        if facts is None or facts.expires_at <= self.now():
            versions = self.store.versions(account)
            if not versions:
                return self._not_signed_in(account)
            if facts is None or versions[0].number != facts.version:
                detail = f"Version {versions[0].number} is not described yet; the next run inspects it."
                return replace(self._result(account, Outcome.CURRENT, detail), facts=None, version=versions[0].number)
            return self._result(account, Outcome.SIGN_IN_AGAIN, f"The token has expired. {_SIGN_IN}")
        return self._described(account, Outcome.CURRENT)

    # Renewing

    def _renew(self, account: Account) -> Result:
        if account.facts and timedelta() <= self.now() - account.facts.refreshed_at < self.refresh_after:
            return self._described(account, Outcome.TOO_YOUNG)
        versions = self.store.versions(account)
        if not versions:
            return self._not_signed_in(account)
        try:
            return self._renew_from(account, versions)
        except TokenRefused:
            self._stop_if_replaced(account, versions[0])
            raise

    def _renew_from(self, account: Account, versions: list[Version]) -> Result:
        before, newest = account.facts, versions[0]
        token = self.store.access(account, newest)
        if before is None or before.version != newest.number:
            account = self._adopt(account, newest, token)
            if account.facts and self.now() - account.facts.refreshed_at < self.refresh_after:
                return self._described(self.store.describe(account), Outcome.TOO_YOUNG)
        refreshed_at = self.now()
        fresh = self._refresh(account, newest, token)
        if fresh is None:
            if before is None and account.user_id:
                self.store.describe(account)  # bound, at least
            return replace(self._result(account, Outcome.TOO_YOUNG), version=newest.number)
        return self._keep(account, versions, fresh, refreshed_at, account.facts or before)

    def _adopt(self, account: Account, version: Version, token: str) -> Account:
        """Take over a version that nothing describes: somebody pasted it, or a run ended early.

        Gives the account bound to its person, with the version's facts, or with none where Threads shows none.
        """
        proof = prove(self.threads, account, token)
        bound = replace(account, user_id=proof.user_id, facts=None)
        inspection = proof.inspection
        if not inspection or not inspection.expires_at:
            return bound
        issued_at = inspection.issued_at or inspection.expires_at - LIFETIME
        return replace(
            bound,
            facts=Facts(
                version.number,
                issued_at,
                inspection.expires_at,
                inspection.data_access_expires_at,
                inspection.scopes,
            ),
        )

    def _refresh(self, account: Account, version: Version, token: str) -> LongLivedToken | None:
        """Call refresh; give None where Threads finds the token too young, however it says so."""
        try:
            return self.threads.refresh_token(token)
        except PermanentError as error:
            young = self._is_young(version, token)
            if young or isinstance(error, UnclearRefusal):
                identify(self.threads, account, token)  # `/me` decides whether the token lives
            if young:
                return None
            if isinstance(error, UnclearRefusal):
                raise ThreadsUnavailable(f"{error} The token itself still works.") from error
            raise

    def _is_young(self, version: Version, token: str) -> bool:
        """Tell whether the token was made or refreshed within a day, a refresh whose reply got lost included."""
        if self.now() - version.created_at < META_MINIMUM_AGE:
            return True
        inspection = self.threads.inspect(token)
        expires_at = inspection.expires_at if inspection and inspection.is_valid else None
        return expires_at is not None and expires_at - self.now() > LIFETIME - META_MINIMUM_AGE

    def _stop_if_replaced(self, account: Account, used: Version) -> None:
        """Where another run or a sign-in is storing a newer version, the used one may well be refused."""
        for pause in (0.0, SETTLING):
            time.sleep(pause)
            newest = self.store.versions(account)
            if newest and newest[0].number != used.number:
                raise StoreConflict("A newer version was stored in the meantime.")

    def _keep(
        self,
        account: Account,
        versions: list[Version],
        fresh: LongLivedToken,
        refreshed_at: datetime,
        before: Facts | None,
    ) -> Result:
        """Prove a refreshed token, store it, describe it, destroy what is not needed any more: in this order."""
        try:
            proof = prove(self.threads, account, fresh.access_token)
        except (TokenRefused, ForeignToken, ShortLivedToken) as error:
            raise ThreadsUnavailable(f"Threads gave a token that was not kept: {error}") from error
        except PermissionMissing:
            raise  # it lives, but whose it is remains unknown, and its person must sign in again anyway
        except KeeperError as error:
            # No proof either way. The old token may be dead already, so this one is stored; the next run proves it.
            number = self._add(account, versions[0], fresh.access_token)
            if isinstance(error, PermanentError):
                raise
            unproven = f"Version {number} is stored but could not be proven yet: {error}"
            return replace(self._result(account, Outcome.RETRY_LATER, unproven), version=number)
        number = self._add(account, versions[0], fresh.access_token)
        account = replace(account, facts=facts_of(number, refreshed_at, fresh, proof.inspection, before))
        detail = self._describe(account) if account.facts else None
        self._destroy_beyond_newest(account, versions)
        return replace(self._described(account, Outcome.REFRESHED, detail), version=number)

    def _add(self, account: Account, used: Version, token: str) -> int:
        """Store a token, unless the one it came from was destroyed meanwhile: then its person took it away."""
        try:
            taken_away = self.store.is_destroyed(account, used)
        except KeeperError:
            taken_away = False  # not to know it is no reason to lose a token
        if taken_away:
            raise StoreConflict("The token was destroyed while it was being refreshed.")
        return self.store.add(account, token)

    def _describe(self, account: Account) -> str | None:
        """Write the annotations; a passing failure only delays them, and is told in words."""
        try:
            self.store.describe(account)
        except PassingError as error:
            return f"The token is stored; its annotations follow with the next run: {error}"
        return None

    def _destroy_beyond_newest(self, account: Account, before: list[Version]) -> None:
        """Destroy all but the newest two enabled versions; the new one is the first of the two."""
        try:
            for version in before[KEPT_VERSIONS - 1 :]:
                self.store.destroy(account, version)
        except PassingError:
            pass  # the next refresh finds them again

    # Results

    def _described(self, account: Account, outcome: Outcome, detail: str | None = None) -> Result:
        """Report by the account's facts, which may know that the permission grant ends or has ended."""
        grant = account.facts.data_access_expires_at if account.facts else None
        if grant and grant <= self.now():
            ended = f"The permission grant ended on {rfc3339(grant)}; calls fail although the token lives. {_SIGN_IN}"
            return self._result(account, Outcome.SIGN_IN_AGAIN, ended)
        if grant and grant - self.now() < WORRY:
            detail = f"The permission grant ends on {rfc3339(grant)}, and refreshing does not renew it. {_SIGN_IN}"
        return self._result(account, outcome, detail)

    def _not_signed_in(self, account: Account) -> Result:
        return replace(self._result(account, Outcome.NOT_SIGNED_IN, None), facts=None, version=None)

    def _result(self, account: Account, outcome: Outcome, detail: str | None = None) -> Result:
        return Result(
            username=account.username,
            secret=self.store.secret_name(account),
            outcome=outcome,
            facts=account.facts,
            version=account.facts.version if account.facts else None,
            detail=detail,
        )


_RUNNING_OUT = "This has failed for too long: see what `./deploy.sh check` finds, or have the owner sign in again."
_CHECK = "Run `./deploy.sh check`, which finds what is wrong and says how to mend it."
_DESTROY = "Destroy that version, so that the one before it is used again; or sign in again."
_ADVICE: dict[type[KeeperError], str] = {ForeignToken: _DESTROY, NotAToken: _DESTROY}
