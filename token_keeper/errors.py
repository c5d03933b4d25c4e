"""What can go wrong, as one shallow tree.

Code branches on one distinction alone: *passing* (the same call may succeed later) or *permanent* (it stays until a
person acts). Messages are ours: they may hold Meta's numeric codes, never its text, and nothing secret.
"""

from __future__ import annotations


class KeeperError(Exception):
    """Everything this project raises on purpose. `str()` of it may be shown to anybody."""


class PassingError(KeeperError):
    """Gone by itself; the operator waits for the next run."""


class PermanentError(KeeperError):
    """Here until a person acts; which person, and how, is the subclass's matter."""


class SettingError(PermanentError):
    """An environment variable is missing or malformed; the operator sets the one that is named."""


# Threads


class ThreadsUnavailable(PassingError):
    """No answer, or one that says try again; the operator waits."""


class LostReply(ThreadsUnavailable):
    """The request left and no answer came: whether it took effect is unknown; the operator waits."""


class UnusableReply(PassingError):
    """An answer without what was asked for; the operator waits, and looks at Meta's status page if it goes on."""


class Throttled(PassingError):
    """The app's rate limit is used up; the operator waits."""


class BlockedForNow(PassingError):
    """Threads holds this account's calls back (code 368); the operator looks at the account's notices in Threads."""


class TokenRefused(PermanentError):
    """Threads refuses the token for good; the operator has the account's owner sign in again."""


class PermissionMissing(PermanentError):
    """The token lives, what it was granted does not suffice; the operator has the owner sign in again, all ticked."""


class AppMisconfigured(PermanentError):
    """Threads refuses the app itself; the operator compares app id, app secret and redirect URI with the dashboard."""


class UnclearRefusal(PermanentError):
    """A refusal that fits no known class; the caller asks `/me` whether the token lives."""


class CodeSpent(UnclearRefusal):
    """The authorization code was used before or is too old; the person starts the sign-in over."""


class UnreadableRefusal(UnclearRefusal):
    """A refusal that need not be Threads' own: a firewall's page, say; the operator compares THREADS_API_URL."""


class ShortLivedToken(PermanentError):
    """A one-hour token, which cannot be refreshed; the operator signs in rather than paste it."""


class ForeignToken(PermanentError):
    """The token works and belongs to somebody else; the operator destroys that version."""


# Secret Manager


class StoreUnavailable(PassingError):
    """Secret Manager did not answer, or its quota is used up; the operator waits."""


class StoreConflict(StoreUnavailable):
    """The secret was changed by somebody else in the meantime; the caller reads it again."""


class StoreRefused(PermanentError):
    """Secret Manager refuses the call; the operator runs `./deploy.sh check`, which finds the missing right."""


class NotAToken(PermanentError):
    """A version's payload cannot be an access token; the operator destroys that version or pastes a real one."""


class AccountNotAllowed(PermanentError):
    """Nobody allowed this account to sign in; the operator runs `./deploy.sh account NAME` if it should be."""


# What browsers and Meta send to us


class BadRequest(PermanentError):
    """A parameter, cookie or signature that we did not make or that is too old; nothing for the operator to do."""
