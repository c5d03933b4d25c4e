"""The sign-in: an authorization code becomes a long-lived token in the account's secret, or nothing is kept at all.

The service account this runs as cannot read any token, and nothing here asks to.
Source: Meta for Developers, Threads API, "Get Access Tokens and Permissions"; RFC 6749 section 4.1; RFC 9700.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from token_keeper.access_token import days_left, is_short_lived
from token_keeper.account import Account, Facts, printable
from token_keeper.clock import parse_rfc3339, rfc3339
from token_keeper.deadline import Meanwhile
from token_keeper.errors import (
    BadRequest,
    KeeperError,
    SignInCancelled,
    SignInElsewhere,
    SignInExpired,
    SignInFinished,
    SignInRefused,
    StoreConflict,
    UnusableReply,
    about,
)
from token_keeper.proof import check, facts_of
from token_keeper.settings import OAuthSettings
from token_keeper.signing import Signer

if TYPE_CHECKING:
    from token_keeper.store import TokenStore
    from token_keeper.threads import Inspection, LongLivedToken, Profile, ThreadsClient

STATE_AGE = timedelta(minutes=10)
COOKIE_AGE = timedelta(days=1)  # longer than the state's, so that "too late" can be told from "another browser"
RECEIPT_AGE = timedelta(days=3650)
_LONGEST_TEXT = 2048  # characters of a code or a state; real ones are under three hundred


def make_state(settings: OAuthSettings, now: datetime, host: str = "", language: str = "") -> str:
    """Return an unguessable `state` that any instance can check.

    `host` is the address that the browser asked, `language` what the person chose on the start page.
    """
    payload = {"nonce": secrets.token_urlsafe(16), "host": short_hash(host), "language": language}
    return _states(settings).sign(payload, now)


def language_of(settings: OAuthSettings, state: str, now: datetime) -> str:
    """Return the language that a person chose before they signed in, an empty string if they chose none."""
    return str(_states(settings).read(state, now).get("language", ""))


def short_hash(text: str) -> str:
    """Return what tells a state's cookie from those of other sign-ins in the same browser."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_state(
    settings: OAuthSettings, returned: str, cookie: str, now: datetime, host: str = "", finished: Collection[str] = ()
) -> None:
    """Raise BadRequest unless this browser holds the very `state` that came back, and we made it lately.

    RFC 6749 section 10.12 (CSRF): without this, anybody could have a victim's browser finish their own sign-in.
    `host` and `finished`, the hashes of states that came back before, only decide which words a refusal has.
    """
    if not returned or len(returned) > _LONGEST_TEXT:
        raise BadRequest("Threads sent no state that this service made.")
    expired = SignInExpired("A sign-in must be finished within ten minutes.")
    made = _states(settings).read(returned, now, too_old=expired)
    if not secrets.compare_digest(returned.encode(), cookie.encode()):
        raise _not_of_this_browser(settings, made.get("host") == short_hash(host), short_hash(returned) in finished)


def _not_of_this_browser(settings: OAuthSettings, same_host: bool, finished: bool) -> BadRequest:
    if finished:
        return SignInFinished("Its address works only once, and it was used before.")
    if not same_host:
        return SignInElsewhere(f"It was begun at another address of this service than {settings.public_url}.")
    return SignInElsewhere("It was begun in another browser, or finished before.")


def declined(parameters: Mapping[str, str]) -> BadRequest | None:
    """Return what the consent page came to if no code came of it. Meta spells a cancelled consent in several ways."""
    said = [parameters[name] for name in ("error", "error_reason", "error_code", "error_message") if name in parameters]
    if not said:
        return None
    if not any(said) or any(re.search("denied|declined|cancel", one, re.IGNORECASE) for one in said):
        return SignInCancelled("You cancelled the sign-in, and nothing was changed.")
    return SignInRefused("Threads ended the sign-in with an error of its own.")


def without_fragment(text: str) -> str:
    """Return a `state` or a `code` without the fragment that Meta puts behind it, which some browsers send along."""
    return re.sub(r"#_(=_)?\Z", "", text)


def check_code(code: str) -> str:
    """Return an authorization code; raise BadRequest if this is none."""
    code = without_fragment(code)
    if not code or len(code) > _LONGEST_TEXT:
        raise BadRequest("Threads sent no authorization code.")
    return code


def authorization_url(settings: OAuthSettings, state: str) -> str:
    """Write the authorization request that the browser is sent to Threads with."""
    query = {
        "client_id": settings.app_id,
        "redirect_uri": settings.redirect_uri,
        "scope": ",".join(settings.scopes),
        "response_type": "code",
        "state": state,
    }
    return f"{settings.authorize_url}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sign-in stored, for the page that says so. Nothing secret; the dates are RFC 3339."""

    username: str
    version_name: str
    signed_in_at: str
    expires_at: str
    data_access_expires_at: str | None
    missing_scopes: list[str]
    described: bool

    def days_left(self, now: datetime) -> int:
        ends = filter(None, (self.expires_at, self.data_access_expires_at))
        return days_left(min(map(parse_rfc3339, ends)), now)

    def is_old(self, now: datetime) -> bool:
        """Return whether this sign-in is of another day: what it says may no longer be so."""
        return now - parse_rfc3339(self.signed_in_at) > timedelta(days=1)

    def sign(self, settings: OAuthSettings, now: datetime) -> str:
        return _receipts(settings).sign(asdict(self), now)

    @classmethod
    def read(cls, settings: OAuthSettings, text: str, now: datetime) -> Receipt:
        """Return what `sign` wrote; raise BadRequest on anything else, one of another release included."""
        payload: dict[str, Any] = _receipts(settings).read(text, now)
        if payload.keys() != {field.name for field in fields(cls)}:
            raise BadRequest("This receipt was made by another release.")
        return cls(**payload)


def sign_in(
    settings: OAuthSettings,
    threads: ThreadsClient,
    open_store: Callable[[], TokenStore],
    code: str,
    now: Callable[[], datetime],
    meanwhile: Meanwhile,
) -> Receipt:
    """Spend an authorization code and store the long-lived token that comes of it.

    `open_store` is called once Threads has answered, `meanwhile` starts what need not be waited for. Any error leaves
    the store without the token, but for a lost reply of Secret Manager's, which may leave a version that the next
    refresh run adopts.
    """
    app_secret = settings.app_secret.reveal()
    short_lived = threads.exchange_code(settings.app_id, app_secret, settings.redirect_uri, code)
    made_at = now()
    token = threads.exchange_token(app_secret, short_lived)
    inspecting = meanwhile(lambda: threads.inspect(token.access_token))
    profile = threads.me(token.access_token)
    with about(printable(profile.username)):
        store = open_store()
        before = store.allowed_account(profile.username, profile.user_id)
        facts = _facts(made_at, token, inspecting.result())
        account = _bind(store, before, profile)
        number = store.add(account, token.access_token)
    facts = replace(facts, number=number)
    described = _describe(store, replace(account, facts=facts, problem=None), account)
    return Receipt(
        username=account.username,
        version_name=store.version_name(account, number),
        signed_in_at=rfc3339(made_at),
        expires_at=rfc3339(facts.expires_at),
        data_access_expires_at=rfc3339(facts.data_access_expires_at) if facts.data_access_expires_at else None,
        missing_scopes=[scope for scope in settings.scopes if facts.scopes and scope not in facts.scopes],
        described=described,
    )


def _facts(made_at: datetime, token: LongLivedToken, inspection: Inspection | None) -> Facts:
    """Return what is known of a new token; raise unless it is a long-lived one that Threads accepts."""
    if inspection:
        check(inspection)
    facts = facts_of(0, made_at, token, inspection)
    if facts is None or is_short_lived(facts.expires_at - made_at):
        raise UnusableReply("Threads did not say that the token is a long-lived one.")
    return facts


def _bind(store: TokenStore, account: Account, profile: Profile) -> Account:
    """Bind an account to its person before the first token goes in, so that nobody else can come first."""
    if account.user_id:
        return account
    try:
        return store.save(replace(account, user_id=profile.user_id))
    except StoreConflict:
        account = store.allowed_account(profile.username, profile.user_id)
        return account if account.user_id else store.save(replace(account, user_id=profile.user_id))


def _describe(store: TokenStore, account: Account, before: Account) -> bool:
    """Write the annotations. The token is stored already, so a failure is left to the next refresh run."""
    try:
        store.describe(account, before)
    except KeeperError:
        return False
    return True


def _states(settings: OAuthSettings) -> Signer:
    return Signer(settings.app_secret, "state", STATE_AGE)


def _receipts(settings: OAuthSettings) -> Signer:
    return Signer(settings.app_secret, "receipt", RECEIPT_AGE)
