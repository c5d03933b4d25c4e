"""Meta's uninstall and delete callbacks: a person takes the app, or all that is known of them, away.

Only versions created before the request was issued are destroyed, and only the facts that describe them are cleared.
So an old request that is sent again cannot touch a newer sign-in.
Source: Meta for Developers, Threads API: "Uninstall Callback URL", "Delete Callback URL".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from token_keeper.account import Account
from token_keeper.errors import KeeperError, StoreConflict, about
from token_keeper.signed_request import SignedRequest
from token_keeper.signing import Deletion, DeletionState

if TYPE_CHECKING:
    from token_keeper.store import TokenStore, Version


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed of one account.

    `destroyed_on` is set where the secret delays destruction, `kept` where a newer sign-in is there.
    """

    username: str
    destroyed_on: datetime | None
    kept: bool


def remove(store: TokenStore, request: SignedRequest, *, identity: bool) -> list[Removal]:
    """Destroy a person's older versions and clear their facts; with `identity`, unbind who they are as well.

    Returns what was removed of each account that was theirs. Raises an error of Secret Manager where a version is still
    there. Sending the same request again does no harm and mends a failure half-way: the binding, by which the account
    is found, goes last.
    """
    removals, errors = [], []
    for account in list(store.accounts_of(request.user_id)):
        try:
            with about(account.username):
                removals.append(_remove(store, account, request, identity))
        except KeeperError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return removals


def deletion_state(removals: list[Removal], now: datetime) -> DeletionState:
    """Return what the deletion page says of a request that came to this."""
    later = max((one.destroyed_on for one in removals if one.destroyed_on), default=None)
    if not removals:
        return DeletionState(Deletion.NOTHING_FOUND, now)
    if any(one.kept for one in removals):
        return DeletionState(Deletion.KEPT, now, later)
    return DeletionState(Deletion.SCHEDULED if later else Deletion.DESTROYED, now, later)


def _remove(store: TokenStore, account: Account, request: SignedRequest, identity: bool) -> Removal:
    try:
        return _remove_once(store, account, request, identity)
    except StoreConflict:  # a run or a sign-in changed something meanwhile, so everything is looked at again
        return _remove_once(store, store.reread(account), request, identity)


def _remove_once(store: TokenStore, account: Account, request: SignedRequest, identity: bool) -> Removal:
    versions = store.undestroyed_versions(account)
    older = [version for version in versions if version.created_at < request.issued_at]
    newer = {version.number for version in versions if version not in older}
    destroyed_on = _destroy(store, account, older)
    _clear(store, account, newer, identity)
    return Removal(account.username, destroyed_on, kept=bool(newer))


def _destroy(store: TokenStore, account: Account, versions: list[Version]) -> datetime | None:
    """Destroy all that can be destroyed, then raise the first error. Return the last date that is still to come."""
    dates, errors = [], []
    for version in versions:
        try:
            dates.append(version.destroyed_on or store.destroy(account, version))
        except KeeperError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return max((date for date in dates if date), default=None)


def _clear(store: TokenStore, account: Account, newer: set[int], identity: bool) -> None:
    """Clear the facts of what was destroyed, and with `identity` the binding, unless a newer sign-in is there."""
    described_still = account.facts is not None and account.facts.number in newer
    facts, problem = (account.facts, account.problem) if described_still else (None, None)
    user_id = None if identity and not newer else account.user_id
    changed = replace(account, facts=facts, problem=problem, user_id=user_id)
    if changed != account:
        store.save(changed)
