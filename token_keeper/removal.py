"""Meta's uninstall and delete callbacks: a person takes the app, or all that is known of them, away.

Only versions created before the request was issued are destroyed, and only the facts that describe them are cleared:
so an old request that is replayed cannot touch a newer sign-in.
Source: Meta for Developers, Threads API: "Uninstall Callback URL", "Delete Callback URL".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from token_keeper.account import Account
from token_keeper.signed_request import SignedRequest

if TYPE_CHECKING:
    from token_keeper.store import TokenStore


def remove(store: TokenStore, request: SignedRequest, *, person: bool) -> list[str]:
    """Destroy a person's older versions and clear their facts; with `person`, unbind who they are as well.

    Gives the usernames of the accounts that were theirs. Repeating it does no harm, so a failure half-way is mended
    by sending the same request again: the binding, by which the account is found, goes last.
    """
    accounts = list(store.accounts(user_id=request.user_id))
    for account in accounts:
        _remove(store, account, request, person)
    return [account.username for account in accounts]


def _remove(store: TokenStore, account: Account, request: SignedRequest, person: bool) -> None:
    versions = store.undestroyed_versions(account)
    older = [version for version in versions if version.created_at < request.issued_at]
    newer = {version.number for version in versions} - {version.number for version in older}
    for version in older:
        store.destroy(account, version)
    facts_are_old = account.facts is None or account.facts.version not in newer
    store.forget(account, facts=facts_are_old, person=person and not newer)
