"""The rules of the local Threads: consent, the exchanges, refresh, `/me`, `debug_token`. No HTTP in here.

A token lives 60 days and refresh renews it; the permission grant lives 90 days, and refresh renews it for a public
profile only. What Meta leaves open is a switch (`sandbox.threads.switches`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sandbox.threads.access import check_own, permitted
from sandbox.threads.authorization import META_APP_ID, AuthorizationRequest, check_redirect_uri
from sandbox.threads.fields import pick
from sandbox.threads.ledger import Ledger
from sandbox.threads.refusals import REFUSALS, Refused, refused
from sandbox.threads.registration import Registration
from sandbox.threads.replies import code_reply, description, token_reply, user_fields
from sandbox.threads.tokens import GRANT_LIFE, Tokens

REFRESHABLE_AFTER = timedelta(hours=24)


class Api:
    """One app and what it may call. Every method is safe to call from several threads."""

    def __init__(self, ledger: Ledger, tokens: Tokens, app: Registration) -> None:
        self._ledger, self._tokens, self._app = ledger, tokens, app

    # The browser's part

    def authorization_request(self, query: Mapping[str, str]) -> AuthorizationRequest:
        """Return what the app asks for; raise Refused for what the real Threads shows in the browser."""
        return AuthorizationRequest.read(query, self._app.app_id, self._registered())

    def redirect_uris(self) -> list[str] | None:
        """Return the redirect URIs that are registered, None if any will do."""
        if self._app.redirect_uris is None:
            return None
        return sorted({*self._app.redirect_uris, *self._ledger.redirect_uris})

    def add_redirect_uri(self, uri: str) -> None:
        """Register one more redirect URI; raise ValueError if Threads would not take it."""
        try:
            check_redirect_uri(uri, None)
        except Refused as no:
            raise ValueError(f"not a redirect URI: {no.refusal.message}") from None
        with self._ledger.change():
            if uri not in self._ledger.redirect_uris:
                self._ledger.redirect_uris.append(uri)

    def consent(self, request: AuthorizationRequest, username: str, scopes: Iterable[str]) -> str:
        """Grant these scopes of the request on behalf of this person; return the address to send the browser to."""
        person = self._ledger.people.get(username)
        if person is None:
            raise refused("bad_parameter", shape=3)
        if not person.accepted:
            raise refused("not_invited")
        granted = [scope for scope in request.scopes if scope in set(scopes)]
        code = self._tokens.issue_code(username, request.redirect_uri, granted)
        return request.answer(code=code) + "#_"

    def cancel(self, request: AuthorizationRequest) -> str:
        """Return the address that the browser is sent to if a person says no."""
        return request.answer(
            error="access_denied",
            error_reason="user_denied",
            error_description="The user denied your request",
            echo_state=self._ledger.switches.state_on_cancel,
        )

    # The app's calls

    def exchange_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return a short-lived token for an authorization code, which works once."""
        with self._ledger.change() as now:
            self._check_app(form, "authorization_code")
            code = self._ledger.codes.pop(form.get("code", ""), None)
            if code is None or now >= code.expires_at or code.client_id != form.get("client_id"):
                raise refused("code_spent")
            if code.redirect_uri != form.get("redirect_uri"):
                raise refused("bad_redirect_uri")
            token = self._tokens.mint(code.person, long_lived=False, scopes=code.scopes)
            return code_reply(token, self._ledger.switches)

    def exchange_token(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a long-lived token for a short-lived one."""
        with self._ledger.change():
            _check_grant_type(query, "th_exchange_token")
            if query.get("client_secret") != self._app.app_secret:
                raise refused("bad_secret")
            short_lived = self._ledger.living_token(query.get("access_token"))
            if short_lived.long_lived:
                raise refused("wrong_kind")
            return token_reply(self._tokens.mint(short_lived.person, long_lived=True, scopes=short_lived.scopes))

    def refresh(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a token for 60 more days, for one that is a day old; renew the grant of a public profile."""
        with self._ledger.change() as now:
            _check_grant_type(query, "th_refresh_token")
            token = self._ledger.living_token(query.get("access_token"))
            if not token.long_lived:
                raise refused("wrong_kind")
            if "threads_basic" not in token.scopes:
                raise refused("permission")
            if now - token.issued_at < REFRESHABLE_AFTER:
                raise self._too_young()
            grant = token.person.grant
            if grant and not token.person.private and now < grant.expires_at:
                grant.expires_at = now + GRANT_LIFE
            return token_reply(self._tokens.renew(token))

    def me(self, given: Mapping[str, str], base_url: str = "", user: str = "me") -> dict[str, Any]:
        """Return the profile of the token's owner; its picture is served below `base_url`."""
        with self._ledger.lock:
            token = permitted(self._ledger, given)
            check_own(token, user)
            return pick(user_fields(token.person, base_url), given)

    def debug(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a description of the input token; the access token is a living one of a tester, or the app's."""
        with self._ledger.lock:
            if query.get("access_token") not in self._app.tokens:
                self._ledger.living_token(query.get("access_token"))
            if not self._ledger.switches.debug_works:
                raise refused("permission")
            token = self._ledger.tokens.get(query.get("input_token", ""))
            if token is None:
                return {"data": {"is_valid": False, "scopes": []} | REFUSALS["invalid_token"].body()}
            return {"data": description(token, self._ledger.clock.now(), self._ledger.switches)}

    def probe(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return an app token: it proves that the app's id and secret belong together."""
        self._check_app(query, "client_credentials")
        return {"access_token": self._app.tokens[1], "token_type": "bearer"}

    # The rules, one by one

    def _registered(self) -> list[str] | None:
        registered = self.redirect_uris()
        if registered is not None and self._ledger.switches.trailing_slash:
            return [uri.rstrip("/") + "/" for uri in registered]
        return registered

    def _check_app(self, given: Mapping[str, str], grant_type: str) -> None:
        if given.get("client_id") != self._app.app_id:
            raise refused("meta_app" if given.get("client_id") == META_APP_ID else "bad_app")
        if given.get("client_secret") != self._app.app_secret:
            raise refused("bad_secret")
        _check_grant_type(given, grant_type)

    def _too_young(self) -> Refused:
        how = self._ledger.switches
        return refused(
            "too_young",
            shape=how.too_young_shape,
            code=how.too_young_code,
            subcode=how.too_young_subcode or None,
            status=how.too_young_status,
        )


def _check_grant_type(given: Mapping[str, str], grant_type: str) -> None:
    if given.get("grant_type") != grant_type:
        raise refused("bad_parameter", rfc="unsupported_grant_type")
