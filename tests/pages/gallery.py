"""Every page in every state, rendered from fixture values: what the browser tests look at and the pictures show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from token_keeper import errors, pages, status_page
from token_keeper.account import Account, Facts, Problem
from token_keeper.languages import Language
from token_keeper.outcomes import Outcome, verdict
from token_keeper.report import Result
from token_keeper.sign_in import Receipt
from token_keeper.signing import Deletion, DeletionState

NOW = datetime(2026, 11, 26, 14, 33, tzinfo=UTC)
BASE = "https://threads-oauth-4f7c2k9qva-uc.a.run.app"
LONG_NAME = "a_very_long_username.of_thirty"
_SECRET = "projects/my-bots-of-this-year-482915/secrets/threads-token-alice"
_CODES = "HTTP 400, code 190, subcode 463"
_CHECK = "Run `./deploy.sh check`, which finds what is wrong and says how to mend it."
_SIGN_IN = "Have the account's owner sign in again."


def days(number: float) -> timedelta:
    return timedelta(days=number)


def result(
    name: str,
    outcome: Outcome,
    detail: str | None = None,
    token: float | None = 59.4,
    grant: float | None = 89.4,
    since: float | None = None,
) -> Result:
    """Return one account whose token and grant end in so many days, and whose problem began so many days ago."""
    facts = None
    if token is not None:
        facts = Facts(12, NOW - days(60 - token), NOW + days(token), NOW + days(grant) if grant is not None else None)
    problem = Problem(outcome.value, NOW - days(since), detail or "") if since is not None else None
    account = Account(f"threads-token-{name.replace('.', '-')}", "1", facts, "", problem=problem)
    return Result(account, _SECRET, outcome, facts, 12 if facts else None, detail)


_EXPIRED = f"Threads no longer accepts this token ({_CODES}: it expired). {_SIGN_IN}"
_REFUSED = f"Threads refuses the app's configuration (HTTP 400, code 101). {_CHECK}"
_ENDS = f"The permission grant ends on 2026-12-05T14:33:00Z, and refreshing does not renew it. {_SIGN_IN}"
_ENDED = f"The permission grant ended on 2026-11-20T14:33:00Z; calls fail although the token lives. {_SIGN_IN}"
_OVERDUE = "It was last refreshed on 2026-11-20T03:17:00Z: see whether the schedule runs."
_PASTED = "Version 13 is not described yet; the next run inspects it."
_GONE = (
    "Its versions are gone: all of them are destroyed or disabled. Enable one of them if they are only disabled; "
    f"else have the account's owner sign in again at {BASE}/login."
)

_UNCLEAR = "Threads refused, and did not say clearly why (HTTP 400, code 12345)."
_UNLABELLED = (
    "The secret has lost the label managed-by=threads-token-keeper, so nobody looks after it. "
    "Run `./deploy.sh account NAME` to look after it again, or `./deploy.sh forget NAME` to end it."
)
_FOREIGN = (
    "The token belongs to another Threads account. "
    "Destroy that version, so that the one before it is used again; or sign in again."
)

FIVE = [
    result("alice", Outcome.CURRENT),
    result("bob.builds", Outcome.SIGN_IN_AGAIN, _EXPIRED, token=-3, grant=27),
    result("carol_news", Outcome.MISCONFIGURED, _REFUSED, token=41.2, grant=71.2, since=18.2),
    result("dan", Outcome.RETRY_LATER, "Threads reports a passing fault (HTTP 503).", token=57.1, grant=87.1),
    result("eve", Outcome.NOT_SIGNED_IN, token=None),
]
EVERY_MATTER = [
    *FIVE,
    result(LONG_NAME, Outcome.RETRY_LATER, "Threads limits the rate of calls (HTTP 429).", token=6.5, grant=36.5),
    result("frank", Outcome.CURRENT, _ENDS, token=59.5, grant=9),
    result("grace", Outcome.CURRENT, _PASTED, token=59, grant=None),
    result("heidi", Outcome.SIGN_IN_AGAIN, _ENDED, token=59.5, grant=-6),
    result("ivan", Outcome.RETRY_LATER, _OVERDUE, token=53.5, grant=83.5),
    result("judy", Outcome.SIGN_IN_AGAIN, _GONE, token=40, grant=70, since=1.5),
    result("kim", Outcome.RETRY_LATER, _UNCLEAR, token=55, grant=85, since=0.4),
    result("leo", Outcome.MISCONFIGURED, _UNLABELLED, token=58, grant=88),
    result("mia", Outcome.MISCONFIGURED, _FOREIGN, token=30, grant=60, since=0.02),
    replace(result("nick", Outcome.CURRENT, _PASTED, token=None), number=13),
]
# What a visitor of the sign-in pages may be told, one for each way in which it is said.
REFUSALS = [
    errors.SettingError("THREADS_APP_SECRET is not set."),
    errors.ThreadsUnavailable("Threads or Secret Manager took too long."),
    errors.LostReply("Threads did not answer, or the connection broke."),
    errors.UnusableReply("Threads answered without an access token."),
    errors.Throttled("Threads limits the rate of calls (HTTP 429)."),
    errors.BlockedForNow("Threads blocks this for now (HTTP 400, code 368): look at the account's notices."),
    errors.TokenRefused(
        "Threads no longer accepts this token (HTTP 400, code 190, subcode 460: the password was changed)."
    ),
    errors.PermissionMissing("The token lacks a permission (HTTP 400, code 10)."),
    errors.AppMisconfigured("Threads refuses the app's configuration (HTTP 400, code 101)."),
    errors.CodeSpent("The authorization code was used before, is too old, or does not fit."),
    errors.UnclearRefusal(_UNCLEAR),
    errors.StoreUnavailable("Secret Manager is not available right now (DEADLINE_EXCEEDED)."),
    errors.StoreRefused("Secret Manager refused (PERMISSION_DENIED, IAM_PERMISSION_DENIED)."),
    errors.AccountNotAllowed("The account mallory is not on the list."),
    errors.BoundToAnother(f"The secret of the account {LONG_NAME} is bound to another person."),
    errors.BadRequest("Threads sent no state that this service made."),
    errors.BadRequest("This link was not made by this service, or was changed."),
    errors.SignInCancelled("You cancelled the sign-in, and nothing was changed."),
    errors.SignInExpired("A sign-in must be finished within ten minutes."),
    errors.SignInFinished("Its address works only once, and it was used before."),
    errors.SignInElsewhere("It was begun in another browser, or finished before."),
    errors.SignInElsewhere(f"It was begun at another address of this service than {BASE}."),
    errors.SignInRefused("Threads ended the sign-in with an error of its own."),
    errors.UnknownCode("This code was not made here."),
    errors.NotByAPerson("Your browser asked for this page before you did."),
    errors.Overloaded("Too many requests are being read."),
]
MANY = [result(f"account_{number:05}", Outcome.CURRENT) for number in range(1, 10_001)]


def receipt(*, missing: tuple[str, ...] = (), described: bool = True) -> Receipt:
    ends = "2027-01-25T14:32:59Z", "2027-02-24T14:32:59Z"
    return Receipt("alice", f"{_SECRET}/versions/1", "2026-11-26T14:33:00Z", *ends, list(missing), described)


def every_page(language: Language) -> Iterator[tuple[str, str]]:
    """Yield the name and the HTML of every state of every page."""
    less = receipt(missing=("threads_content_publish",), described=False)
    yield "start", render("start.html", language)
    yield "token kept", signed_in(language, receipt())
    yield (
        "token kept, less granted",
        signed_in(language, less),
    )
    yield "token kept, no grant", signed_in(language, replace(receipt(), data_access_expires_at=None))
    yield "token kept, earlier", signed_in(language, receipt(), old=True)
    for number, refusal in enumerate(REFUSALS):
        yield f"error {number} {type(refusal).__name__}", error(language, refusal)
    yield "not found", told(language, "There is nothing here")
    yield (
        "not for browsers",
        told(
            language,
            "This address is not for browsers",
            "Threads itself calls it when somebody removes the app, or asks for their data to be deleted.",
        ),
    )
    for state in Deletion:
        yield f"deletion, {state.name.lower()}", deletion(language, state, state == Deletion.SCHEDULED)
    yield "deletion, kept and scheduled", deletion(language, Deletion.KEPT, True)
    yield "status, one", status(language, FIVE[2:3])
    yield "status, five", status(language, FIVE)
    yield "status, every matter", status(language, EVERY_MATTER)
    yield "status, no sign-in address", status(language, EVERY_MATTER, sign_in_url=None)
    yield "status, all well", status(language, MANY[:3])
    yield "status, nobody signed in", status(language, FIVE[4:])
    yield "status, nobody", status(language, [])
    yield "status, many", status(language, [*EVERY_MATTER, *MANY], page="2", rows=20)
    yield "status, last page", status(language, MANY[:250], page="9", rows=120)
    yield "status, failed", render("status.html", language, error="Google's metadata server did not answer yet.")


def render(template: str, language: Language, **values: object) -> str:
    return pages.render(template, language, **{"base": BASE, "kept": {}, "tail": "", "once": False, **values})


def signed_in(language: Language, kept: Receipt, *, old: bool = False) -> str:
    return render("signed_in.html", language, receipt=kept, now=NOW, old=old)


def error(language: Language, refusal: errors.KeeperError) -> str:
    row, unknown = verdict(refusal), isinstance(refusal, errors.UnknownCode)
    retry = row.status != 500 and not unknown
    return told(language, row.title, str(refusal), row.visitor, retry=retry, once=not unknown)


def told(
    language: Language, title: str, message: str = "", advice: str = "", *, retry: bool = False, once: bool = False
) -> str:
    values = {"title": title, "message": message, "advice": advice, "retry": retry, "once": once}
    return render("error.html", language, **values)


def deletion(language: Language, state: Deletion, later: bool) -> str:
    found = DeletionState(state, NOW, NOW + days(7) if later else None)
    return render(
        "deletion.html",
        language,
        found=found,
        state=state.name.lower(),
        code="MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43UOV3HO6DZ",
    )


def status(
    language: Language, results: list[Result], sign_in_url: str | None = BASE, page: str = "1", rows: int = 200
) -> str:
    view = status_page.view(results, NOW, sign_in_url, page, rows)
    return render("status.html", language, error=None, **view)
