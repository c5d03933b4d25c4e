"""The sign-in: an authorization code becomes a long-lived token in the account's secret, or nothing is kept at all.

The service account this runs as cannot read any token, and nothing here asks to.
Source: Meta for Developers, Threads API, "Get Access Tokens and Permissions"; RFC 6749 section 4.1; RFC 9700.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from token_keeper.account import SHORTEST_LIFETIME, Account
from token_keeper.clock import parse_rfc3339, rfc3339
from token_keeper.errors import BadRequest, LostReply, PassingError, StoreConflict, UnusableReply
from token_keeper.proof import facts_of, prove
from token_keeper.settings import OAuthSettings
from token_keeper.signing import Signer

if TYPE_CHECKING:
    from token_keeper.store import TokenStore
    from token_keeper.threads import Profile, ThreadsClient

STATE_AGE = timedelta(minutes=10)
RECEIPT_AGE = timedelta(days=1)
LONGEST = timedelta(seconds=60)  # from code to token; whoever waited has been told to start over by then
PATIENCE = 10.0  # seconds for which one call to Secret Manager may be repeated, while somebody waits


def make_state(settings: OAuthSettings, now: datetime) -> str:
    """Make an unguessable `state` that any instance can check."""
    return _states(settings).sign({"nonce": secrets.token_urlsafe(16)}, now)


def check_state(settings: OAuthSettings, returned: str, cookie: str, now: datetime) -> None:
    """Raise BadRequest unless this browser holds the very `state` that came back, and we made it lately.

    RFC 6749 section 10.12 (CSRF): without this, anybody could have a victim's browser finish their own sign-in.
    """
    if not returned or not cookie or not secrets.compare_digest(returned.encode(), cookie.encode()):
        raise BadRequest("This sign-in was not started in this browser, or it was finished before.")
    _states(settings).read(returned, now)


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
    version: str
    expires_at: str
    data_access_expires_at: str | None
    missing_scopes: list[str]
    described: bool

    def days_left(self, now: datetime) -> int:
        return (parse_rfc3339(self.expires_at) - now).days

    def sign(self, settings: OAuthSettings, now: datetime) -> str:
        return _receipts(settings).sign(asdict(self), now)

    @classmethod
    def read(cls, settings: OAuthSettings, text: str, now: datetime) -> Receipt:
        """Read what `sign` wrote; raise BadRequest on anything else, one of another release included."""
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
) -> Receipt:
    """Spend an authorization code and store the long-lived token that comes of it.

    `open_store` is called once Threads has answered. Any error leaves the store without the token, but for a lost
    reply of Secret Manager's, which may leave a version that the next refresh run adopts.
    """
    app_secret = settings.app_secret.reveal()
    # The dashboard's own tools show the code with the fragment "#_" behind it; people paste it so.
    short_lived = threads.exchange_code(settings.app_id, app_secret, settings.redirect_uri, code.removesuffix("#_"))
    made_at = now()
    token = threads.exchange_token(app_secret, short_lived)
    profile = threads.me(token.access_token)
    store = open_store()
    account = store.allowed_account(profile.username, profile.user_id)
    proof = prove(threads, replace(account, user_id=profile.user_id), token.access_token)
    facts = facts_of(0, made_at, token, proof.inspection)
    if facts is None or facts.expires_at - made_at < SHORTEST_LIFETIME:
        raise UnusableReply("Threads did not say that the token is a long-lived one.")
    if now() - made_at > LONGEST:
        raise LostReply("This took too long. Nothing was stored.")
    account = _bind(store, account, profile)
    number = store.add(account, token.access_token)
    facts = replace(facts, version=number)
    granted = proof.inspection.scopes if proof.inspection else ()
    return Receipt(
        username=account.username,
        version=store.version_name(account, number),
        expires_at=rfc3339(facts.expires_at),
        data_access_expires_at=rfc3339(facts.data_access_expires_at) if facts.data_access_expires_at else None,
        missing_scopes=[scope for scope in settings.scopes if granted and scope not in granted],
        described=_describe(store, replace(account, facts=facts)),
    )


def _bind(store: TokenStore, account: Account, profile: Profile) -> Account:
    """Bind an account to its person before the first token goes in, so that no other can come between."""
    if account.user_id:
        return account
    try:
        return store.save(replace(account, user_id=profile.user_id))
    except StoreConflict:
        account = store.allowed_account(profile.username, profile.user_id)
        return account if account.user_id else store.save(replace(account, user_id=profile.user_id))


def _describe(store: TokenStore, account: Account) -> bool:
    """Write the annotations; the token is stored already, so a passing failure is left to the next refresh run."""
    try:
        store.describe(account)
    except PassingError:
        return False
    return True


def _states(settings: OAuthSettings) -> Signer:
    return Signer(settings.app_secret, "state", STATE_AGE)


def _receipts(settings: OAuthSettings) -> Signer:
    return Signer(settings.app_secret, "receipt", RECEIPT_AGE)
