"""What each error means to everybody: one table, read by the two functions, their logs, their replies and their pages.

A row says what became of the account (`outcome`), how a request is answered (`status`, `title`), what to do about it
(`visitor` is advice for the person who signs in, `operator` for whoever runs this service), and how a failed request is
logged (`severity`). How a run's outcome is logged depends on the time that is left: see `log`. The status of a whole
run is decided by `report.status`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from token_keeper import errors
from token_keeper.errors import KeeperError


class Outcome(StrEnum):
    """What became of one account. Deployed systems rely on these words."""

    REFRESHED = "refreshed"
    TOO_YOUNG = "too_young"
    CURRENT = "current"
    NOT_SIGNED_IN = "not_signed_in"
    RETRY_LATER = "retry_later"
    SIGN_IN_AGAIN = "sign_in_again"
    MISCONFIGURED = "misconfigured"

    @property
    def needs_a_person(self) -> bool:
        return self in (Outcome.SIGN_IN_AGAIN, Outcome.MISCONFIGURED)


class Severity(StrEnum):
    """INFO: it went well. WARNING: it passes by itself, or a visitor caused it. ERROR: the operator must act."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table."""

    outcome: Outcome
    status: int
    severity: Severity
    title: str
    visitor: str
    operator: str


_AGAIN = "You can sign in again whenever you like."
_START_OVER = "Start the sign-in over."
_TELL = " If it happens again, tell the operator of this service."
_WAIT = "Wait a minute, then start the sign-in over."
_WAIT_LONGER = "Wait a while, an hour if it happens again, then start the sign-in over."
_ASK = "The operator of this service must change something; the log says what."
_COMPARE = (
    " Most often it is THREADS_APP_ID (the Threads app id, not the Meta app id), THREADS_APP_SECRET or the redirect "
    "URL in Meta's dashboard."
)
_FIND = " `./deploy.sh check` finds it."
_OR_ANOTHER = " If you meant another account, sign in to that one at threads.com first."
_ALLOW = "If it should be kept, the operator of this service runs `./deploy.sh account NAME`." + _OR_ANOTHER
_ALLOW_ANEW = (
    "If it is yours now, the operator of this service runs `./deploy.sh forget NAME`, then `./deploy.sh account NAME`."
    + _OR_ANOTHER
)

_SIGN_IN = "Have the account's owner sign in again{at}."
_CHECK = "Run `./deploy.sh check`, which finds what is wrong and says how to mend it."
_LOOK_AT_APP = (
    "Look at the app in Meta's dashboard: its notices, roles and settings. "
    "`./deploy.sh check` finds a wrong id or secret."
)
_DESTROY = "Destroy that version, so that the one before it is used again; or sign in again{at}."
_GONE = "Enable one of them if they are only disabled; else have the account's owner sign in again{at}."
_LABEL = "Run `./deploy.sh account NAME` to look after it again, or `./deploy.sh forget NAME` to end it."
_EXPIRY = "Take its expiry off: `gcloud secrets update SECRET --remove-expiration`."
_BINDING = "Correct or remove that label, then check whose account this is."


def _passing(status: int, title: str, visitor: str) -> Verdict:
    return Verdict(Outcome.RETRY_LATER, status, Severity.WARNING, title, visitor, "")


def _sign_in_again(status: int, title: str, visitor: str) -> Verdict:
    return Verdict(Outcome.SIGN_IN_AGAIN, status, Severity.WARNING, title, visitor, _SIGN_IN)


def _misconfigured(title: str, visitor: str, operator: str = _CHECK) -> Verdict:
    return Verdict(Outcome.MISCONFIGURED, 500, Severity.ERROR, title, visitor, operator)


def _refused(status: int, title: str, visitor: str, operator: str = _CHECK) -> Verdict:
    return Verdict(Outcome.MISCONFIGURED, status, Severity.WARNING, title, visitor, operator)


VERDICTS: dict[type[KeeperError], Verdict] = {
    errors.KeeperError: _refused(502, "That did not work", _START_OVER),
    errors.PassingError: _passing(503, "Try again", _WAIT),
    errors.PermanentError: _refused(502, "That did not work", _START_OVER),
    errors.SettingError: _misconfigured("This service is not set up", _ASK),
    # Threads
    errors.ThreadsUnavailable: _passing(503, "Try again", _WAIT),
    errors.LostReply: _passing(502, "The sign-in was interrupted", f"{_START_OVER} This one may have been used up."),
    errors.UnusableReply: _passing(502, "Threads gave an unusable answer", _START_OVER),
    errors.Throttled: _passing(503, "Try again later", _WAIT_LONGER),
    errors.BlockedForNow: _passing(503, "Try again later", _WAIT_LONGER),
    errors.TokenRefused: _sign_in_again(502, "Threads refused", _START_OVER),
    errors.PermissionMissing: _sign_in_again(
        400, "A permission is missing", "Sign in again and leave every box ticked."
    ),
    errors.AppMisconfigured: _misconfigured("Threads refuses this app", _ASK + _COMPARE, _LOOK_AT_APP),
    errors.UnclearRefusal: _passing(502, "Threads refused", _START_OVER),
    errors.CodeSpent: _passing(400, "This sign-in was used up", _START_OVER),
    errors.UnreadableRefusal: _passing(502, "Threads refused", _START_OVER),
    errors.ShortLivedToken: _sign_in_again(502, "Threads refused", _START_OVER),
    errors.ForeignToken: _refused(502, "Threads refused", _START_OVER, _DESTROY),
    errors.WrongBinding: _refused(502, "Threads refused", _START_OVER, _BINDING),
    errors.GrantEnded: _sign_in_again(502, "Threads refused", _START_OVER),
    # Secret Manager
    errors.StoreUnavailable: _passing(503, "Try again", _WAIT),
    errors.StoreConflict: _passing(503, "Try again", _WAIT),
    errors.Overtaken: _passing(503, "Try again", _WAIT),
    errors.StoreRefused: _misconfigured("Secret Manager refuses this service", _ASK + _FIND),
    errors.KeyUnavailable: _misconfigured("Secret Manager refuses this service", _ASK, "Enable or restore that key."),
    errors.NotAToken: _refused(502, "That did not work", _START_OVER, _DESTROY),
    errors.VersionsGone: Verdict(Outcome.SIGN_IN_AGAIN, 502, Severity.WARNING, "That did not work", _START_OVER, _GONE),
    errors.LabelMissing: _refused(403, "This account is not kept here", _ALLOW, _LABEL),
    errors.MisnamedSecret: _refused(403, "This account is not kept here", _ALLOW, "Take the label off, or rename it."),
    errors.SecretExpires: _misconfigured("This service is not set up", _ASK, _EXPIRY),
    errors.AccountNotAllowed: _refused(403, "This account is not kept here", _ALLOW),
    errors.BoundToAnother: _refused(403, "This account is not kept here", _ALLOW_ANEW),
    # Browsers and Meta
    errors.BadRequest: _refused(400, "That did not work", _START_OVER),
    errors.SignInCancelled: Verdict(Outcome.RETRY_LATER, 400, Severity.INFO, "Sign-in cancelled", _AGAIN, ""),
    errors.SignInExpired: _refused(400, "The sign-in took too long", _AGAIN),
    errors.SignInFinished: _refused(400, "This sign-in is over", _AGAIN),
    errors.SignInElsewhere: _refused(400, "This sign-in cannot be finished here", _START_OVER),
    errors.SignInRefused: _refused(400, "Threads refused", _START_OVER + _TELL),
    errors.UnknownCode: _refused(400, "This code is not known", "Open the whole address that Threads showed you."),
    errors.NotByAPerson: Verdict(Outcome.RETRY_LATER, 503, Severity.INFO, "Not yet", "Load this page again.", ""),
    errors.BodyTooLarge: _refused(413, "That did not work", _START_OVER),
    errors.Overloaded: _passing(503, "Try again", _WAIT),
}


def verdict(error: KeeperError) -> Verdict:
    """Return the row of an error."""
    return VERDICTS[type(error)]


def advice(words: str, sign_in_url: str | None) -> str:
    """Return advice with the address where people sign in, if it is known."""
    return words.format(at=f" at {sign_in_url}/login" if sign_in_url else "")
