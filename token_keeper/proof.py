"""The proof of a token: that Threads accepts it, that it lives long, and that it is the account's own.

Nothing is stored that has not passed here, but for the one case that `renewal` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from token_keeper.account import Account, Facts
from token_keeper.errors import (
    ForeignToken,
    ShortLivedToken,
    TokenRefused,
    UnclearRefusal,
    UnreadableRefusal,
    UnusableReply,
)

if TYPE_CHECKING:
    from token_keeper.threads import Inspection, LongLivedToken, ThreadsClient


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose a token is, and what inspecting it showed, if Threads let it be inspected."""

    user_id: str
    inspection: Inspection | None


def prove(threads: ThreadsClient, account: Account, token: str) -> Proof:
    """Prove a token by inspecting it, else by asking `/me`.

    Raises TokenRefused, PermissionMissing, ShortLivedToken or ForeignToken, or a PassingError if there was no answer.
    """
    inspection = threads.inspect(token)
    if inspection and not inspection.is_valid:
        raise TokenRefused("Threads no longer accepts this token (debug_token: not valid).")
    if inspection and inspection.is_short_lived:
        raise ShortLivedToken("This is a short-lived token, which dies within the hour and cannot be refreshed.")
    # An inspection's user id need not be the same kind of id as `/me`'s: it can prove, it cannot disprove.
    if inspection and account.user_id and inspection.user_id == account.user_id:
        return Proof(account.user_id, inspection)
    return Proof(identify(threads, account, token), inspection)


def identify(threads: ThreadsClient, account: Account, token: str) -> str:
    """Ask `/me` whose token this is and give the user id; raise ForeignToken unless it is the account's.

    A refusal of `/me` that is not clear means a dead token: Meta reports some of them so. One that need not be Meta's
    own means nothing.
    """
    try:
        profile = threads.me(token)
    except UnreadableRefusal as error:
        raise UnusableReply(str(error)) from error
    except UnclearRefusal as error:
        raise TokenRefused(str(error)) from error
    if not account.belongs_to(profile.user_id, profile.username):
        raise ForeignToken("The token belongs to another Threads account.")
    return profile.user_id


def facts_of(
    number: int, made_at: datetime, token: LongLivedToken, inspection: Inspection | None, before: Facts | None = None
) -> Facts | None:
    """Put together what is known of a new version; None if nothing tells when it expires.

    Without an inspection the grant's last known end is kept: a warning too early is better than none.
    """
    expires_at = made_at + token.expires_in if token.expires_in else inspection and inspection.expires_at
    if not expires_at:
        return None
    if inspection:
        return Facts(number, made_at, expires_at, inspection.data_access_expires_at, inspection.scopes)
    grant, scopes = (before.data_access_expires_at, before.scopes) if before else (None, ())
    return Facts(number, made_at, expires_at, grant, scopes)
