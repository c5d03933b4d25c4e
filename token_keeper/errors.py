"""What can go wrong, as one shallow tree.

Code branches on one distinction alone: *passing* (the same call may succeed later) or *permanent* (it stays until a
person acts). Messages are ours: they may hold Meta's numeric codes, never its text, and nothing secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class KeeperError(Exception):
    """Everything that this project raises on purpose. `str()` of it may be shown to anybody."""

    username: str | None = None  # whom it is about, where that is known


@contextmanager
def about(username: str | None) -> Iterator[None]:
    """Name this person in the errors that are raised meanwhile and name nobody."""
    try:
        yield
    except KeeperError as error:
        error.username = error.username or username
        raise


class PassingError(KeeperError):
    """Passes by itself; the operator waits for the next run."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """`retry_after` is for how many seconds the other side asks not to be called, None if it does not say."""
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(KeeperError):
    """Stays until a person acts. The subclass says who must do what."""

    def __init__(self, message: str, refusal: str | None = None) -> None:
        """`refusal` is the codes of a refusal that may be about the app as well as about one token."""
        super().__init__(message)
        self.refusal = refusal


class SettingError(PermanentError):
    """An environment variable is missing or malformed; the operator sets the one that is named."""


# Threads


class ThreadsUnavailable(PassingError):
    """No answer, or one that says try again; the operator waits."""


class LostReply(ThreadsUnavailable):
    """The request was sent and no answer came, so nobody knows whether it took effect; the operator waits."""


class UnusableReply(PassingError):
    """An answer without what was asked for; the operator waits, and looks at Meta's status page if it goes on."""


class Throttled(PassingError):
    """The app's rate limit is used up; the operator waits."""


class BlockedForNow(PassingError):
    """Threads holds this account's calls back (code 368); the operator looks at the account's notices in Threads."""


class TokenRefused(PermanentError):
    """Threads refuses the token for good; the operator asks the account's owner to sign in again."""


class PermissionMissing(PermanentError):
    """The token lives but lacks a permission; the operator asks the owner to sign in again and tick every box."""


class AppMisconfigured(PermanentError):
    """Threads refuses the app itself; the operator compares app id, app secret and redirect URI with the dashboard."""


class UnclearRefusal(PermanentError):
    """A refusal that is evidence of nothing; the caller asks `/me` whether the token lives."""


class CodeSpent(UnclearRefusal):
    """The authorization code was used before, is too old or does not fit; the person starts the sign-in over."""


class UnreadableRefusal(UnclearRefusal):
    """A refusal that need not be Threads' own: a firewall's page, say; the operator compares THREADS_API_URL."""


class ShortLivedToken(PermanentError):
    """A one-hour token, which cannot be refreshed; the operator signs in instead of pasting it."""


class ForeignToken(PermanentError):
    """The token works and belongs to somebody else; the operator destroys that version."""

    def __init__(self, message: str, username: str | None = None) -> None:
        super().__init__(message)
        self.username = username


class WrongBinding(PermanentError):
    """The token fits the secret's name and not its `threads-user-id`; the operator corrects or removes that label."""


# Secret Manager


class StoreUnavailable(PassingError):
    """Secret Manager did not answer, or its quota is used up; the operator waits."""


class StoreConflict(StoreUnavailable):
    """The secret was changed by somebody else in the meantime; the caller reads it again."""


class Overtaken(StoreConflict):
    """Somebody stored a newer version, or took the used one away, while a token was to be stored; nothing to do."""


class StoreRefused(PermanentError):
    """Secret Manager refuses the call; the operator runs `./deploy.sh check`, which finds the missing right."""


class KeyUnavailable(PermanentError):
    """A key (CMEK) is disabled or destroyed, so a version cannot be read or added; the operator restores the key."""


class NotAToken(PermanentError):
    """A version's payload cannot be an access token; the operator destroys that version or pastes a real one."""


class VersionsGone(PermanentError):
    """Somebody destroyed or disabled every version; the operator enables one, or the owner signs in again."""


class LabelMissing(PermanentError):
    """The keeper's label was taken off an account that it knows; the operator puts it back or ends the account."""


class MisnamedSecret(PermanentError):
    """The keeper's label is on a secret whose name stands for no username; the operator takes the label off."""


class SecretExpires(PermanentError):
    """Somebody gave the secret an expiry, so it is deleted with all its versions; the operator takes the expiry off."""


class GrantEnded(PermanentError):
    """The permission grant has ended although the token lives; the operator asks the owner to sign in again."""


class AccountNotAllowed(PermanentError):
    """Nobody allowed this account to sign in; the operator runs `./deploy.sh account NAME` if it should be."""


class BoundToAnother(AccountNotAllowed):
    """The account of this name is another person's; the operator ends it and allows it anew if it changed hands."""


# What browsers and Meta send to us


class BadRequest(PermanentError):
    """A parameter, cookie or signature that we did not make or that is too old; nothing for the operator to do."""


class SignInCancelled(BadRequest):
    """The person said no on the consent page, or Threads did; nothing for the operator to do."""


class SignInExpired(BadRequest):
    """The consent took longer than the state lives; the person starts over."""


class SignInFinished(BadRequest):
    """The page of a sign-in that is over was asked for again; the person starts over if it failed."""


class SignInElsewhere(BadRequest):
    """The sign-in was begun in another browser or at another address of this service; the person starts over."""


class SignInRefused(BadRequest):
    """Threads sent the person back with an error; they start over, and tell the operator if it goes on."""


class UnknownCode(BadRequest):
    """A deletion code that this service did not make; the person looks for the one that Threads showed."""


class NotByAPerson(BadRequest):
    """A browser asked ahead of its person; it asks again when the person comes."""


class BodyTooLarge(BadRequest):
    """The body of a request is larger than anything that Meta sends; nothing for the operator to do."""


class Overloaded(PassingError):
    """Too many senders of slow requests at once; Meta sends its request again."""
