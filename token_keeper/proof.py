"""The proof of a token: that Threads accepts it, that it lives long, and that it is the account's own.

Nothing is stored that has not passed here, but for the cases that `renewal` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from token_keeper.access_token import LIFETIME
from token_keeper.account import Account, Facts
from token_keeper.errors import ForeignToken, ShortLivedToken, TokenRefused, UnreadableRefusal, UnusableReply

if TYPE_CHECKING:
    from token_keeper.threads import Inspection, LongLivedToken, Profile, ThreadsClient


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose a token is, and what inspecting it showed, if Threads let it be inspected."""

    user_id: str
    inspection: Inspection | None


def prove(threads: ThreadsClient, account: Account, token: str) -> Proof:
    """Return the proof of a token, by inspecting it, else by asking `/me`.

    Raises TokenRefused, PermissionMissing, ShortLivedToken, ForeignToken or UnclearRefusal, or a PassingError if there
    was no answer.
    """
    inspection = threads.inspect(token)
    if inspection:
        check(inspection)
    # An inspection's user id need not be the same kind of id as `/me`'s. So it can prove, and cannot disprove.
    if inspection and account.user_id and inspection.user_id == account.user_id:
        return Proof(account.user_id, inspection)
    return Proof(identify(threads, account, token), inspection)


def check(inspection: Inspection) -> None:
    """Raise TokenRefused or ShortLivedToken if an inspection says that the token is not one to keep."""
    if not inspection.is_valid:
        raise TokenRefused("Threads no longer accepts this token (debug_token: not valid).")
    if inspection.is_short_lived:
        raise ShortLivedToken("This is a short-lived token, which dies within the hour and cannot be refreshed.")


def identify(threads: ThreadsClient, account: Account, token: str) -> str:
    """Return the id that `/me` gives of a token's person; raise ForeignToken unless the token is the account's."""
    profile = ask_whose(threads, token)
    if not account.belongs_to(profile.user_id, profile.username):
        raise ForeignToken("The token belongs to another Threads account.", profile.username)
    return profile.user_id


def ask_whose(threads: ThreadsClient, token: str) -> Profile:
    """Return the profile of a token. A refusal that need not be Meta's own says nothing, so it is a passing error."""
    try:
        return threads.me(token)
    except UnreadableRefusal as error:
        raise UnusableReply(str(error)) from error


def facts_of(
    number: int, made_at: datetime, token: LongLivedToken, inspection: Inspection | None, before: Facts | None = None
) -> Facts | None:
    """Return what is known of a new version, None if nothing tells when it expires.

    Without an inspection the grant's last known end is kept, since a warning too early is better than none. One that is
    past is not kept: the token has just been proven by a call that the grant allowed.
    """
    expires_at = made_at + token.expires_in if token.expires_in else inspection and end_of(inspection, made_at)
    if not expires_at:
        return None
    if inspection:
        return Facts(number, made_at, expires_at, inspection.data_access_expires_at, inspection.scopes)
    grant, scopes = (before.data_access_expires_at, before.scopes) if before else (None, ())
    return Facts(number, made_at, expires_at, grant if grant and grant > made_at else None, scopes)


def end_of(inspection: Inspection, now: datetime) -> datetime | None:
    """Return when an inspected token expires. One that Threads calls endless is refreshed like all others."""
    return now + LIFETIME if inspection.is_endless else inspection.expires_at
