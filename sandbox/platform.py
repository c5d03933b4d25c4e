"""The rules of the local Threads: consent, codes, tokens, the two clocks. No HTTP in here.

A token lives 60 days and refresh renews it; the permission grant lives 90 days, and refresh renews it for a public
profile only. What Meta leaves open is a switch (`sandbox.switches`).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.authorization import META_APP_ID, AuthorizationRequest
from sandbox.clock import Clock
from sandbox.faults import Fault
from sandbox.ledger import Code, Ledger, Token
from sandbox.people import Grant, Person, nth_id
from sandbox.refusals import REFUSALS, Refused, refused

CODE_LIFE = timedelta(hours=1)
SHORT_LIFE = timedelta(hours=1)
GRANT_LIFE = timedelta(days=90)
REFRESHABLE_AFTER = timedelta(hours=24)
_DEFAULT_SCOPES = ("threads_basic", "threads_content_publish")


class Platform:
    """One app and its people. Every method is safe to call from several threads."""

    def __init__(
        self,
        clock: Clock,
        app_id: str,
        app_secret: str,
        *,
        redirect_uris: Iterable[str] | None = None,
        path: Path | None = None,
        readable_tokens: bool = False,
    ) -> None:
        self.clock = clock
        self.app_id = app_id
        self.app_secret = app_secret
        self.redirect_uris = None if redirect_uris is None else set(redirect_uris)
        self.calls: list[tuple[str, str | None]] = []
        self._readable = readable_tokens
        self._ledger = Ledger(path)
        self._lock = threading.RLock()
        self.people = self._ledger.people
        self.switches = self._ledger.switches

    # -- the browser's part

    def authorization_request(self, query: Mapping[str, str]) -> AuthorizationRequest:
        """Check what the app asks for; a refusal here is one that the real Threads shows in the browser."""
        registered = self.redirect_uris
        if registered is not None and self.switches.trailing_slash:
            registered = {uri.rstrip("/") + "/" for uri in registered}
        return AuthorizationRequest.read(query, self.app_id, registered)

    def consent(self, request: AuthorizationRequest, username: str, scopes: Iterable[str]) -> str:
        """Let this person grant these scopes of the request; give the address to send the browser to."""
        person = self.people.get(username)
        if person is None:
            raise refused("bad_parameter", shape=3)
        if not person.accepted:
            raise refused("not_invited")
        granted = [scope for scope in request.scopes if scope in set(scopes)]
        code = self.issue_code(username, request.redirect_uri, granted)
        return request.answer(code=code) + "#_"

    def cancel(self, request: AuthorizationRequest) -> str:
        """Give the address that the browser is sent to where a person says no."""
        return request.answer(
            error="access_denied",
            error_reason="user_denied",
            error_description="The user denied your request",
            echo_state=self.switches.state_on_cancel,
        )

    # -- the app's calls

    def exchange_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Give a short-lived token for an authorization code, which works once."""
        with self._change() as now:
            self._check_app(form, "authorization_code")
            code = self._ledger.codes.pop(form.get("code", ""), None)
            if code is None or now >= code.expires_at or code.client_id != form.get("client_id"):
                raise refused("code_spent")
            if code.redirect_uri != form.get("redirect_uri"):
                raise refused("bad_redirect_uri")
            token = self._mint(code.person, long_lived=False, scopes=code.scopes)
            return {"access_token": token.value, "user_id": self._user_id(code.person)}

    def exchange_token(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Give a long-lived token for a short-lived one."""
        with self._change():
            self._check_grant_type(query, "th_exchange_token")
            if query.get("client_secret") != self.app_secret:
                raise refused("bad_secret")
            short_lived = self._living(query.get("access_token"))
            if short_lived.long_lived:
                raise refused("wrong_kind")
            return self._token_reply(self._mint(short_lived.person, long_lived=True, scopes=short_lived.scopes))

    def refresh(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Give 60 more days for a long-lived token that is a day old; for a public profile, 90 more of the grant."""
        with self._change() as now:
            self._check_grant_type(query, "th_refresh_token")
            token = self._living(query.get("access_token"))
            if not token.long_lived:
                raise refused("wrong_kind")
            if "threads_basic" not in token.scopes:
                raise refused("permission")
            if now - token.issued_at < REFRESHABLE_AFTER:
                raise self._too_young()
            grant = token.person.grant
            if grant and not token.person.private and now < grant.expires_at:
                grant.expires_at = now + GRANT_LIFE
            return self._token_reply(self._renewed(token))

    def me(self, query: Mapping[str, str]) -> dict[str, str]:
        """Tell whose token this is."""
        with self._lock:
            token = self._living(query.get("access_token"))
            grant = token.person.grant
            if "threads_basic" not in token.scopes or grant is None or self.clock.now() >= grant.expires_at:
                raise refused("permission")
            known = {"id": token.person.id, "username": token.person.username}
            fields = query.get("fields", "id").split(",")
            if not set(fields) <= set(known):
                raise refused("bad_parameter")
            return {name: known[name] for name in fields}

    def debug(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Describe the input token; the access token must be a living one of a tester."""
        with self._lock:
            self._living(query.get("access_token"))
            if not self.switches.debug_works:
                raise refused("permission")
            token = self._ledger.tokens.get(query.get("input_token", ""))
            if token is None:
                return {"data": {"is_valid": False, "scopes": []} | REFUSALS["invalid_token"].body()}
            return {"data": self._description(token)}

    def probe(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Give an app token: it proves that the app's id and secret belong together."""
        self._check_app(query, "client_credentials")
        return {"access_token": f"TH|{self.app_id}|{secrets.token_urlsafe(20)}", "token_type": "bearer"}

    # -- what happens to people

    def add_person(self, username: str, *, private: bool = False, accepted: bool = True, note: str = "") -> Person:
        """Add a person with an id of their own; raise ValueError where the username is taken."""
        with self._change():
            self._ledger.check_free(username)
            person = Person(username, nth_id(len(self.people)), private, accepted, note)
            self.people[username] = person
            return person

    def remove_app(self, username: str) -> None:
        """The person removes the app: every token of theirs is dead (190/458), and the grant is gone."""
        with self._change():
            self._ledger.end_tokens(username, "app_removed").grant = None

    def change_password(self, username: str) -> None:
        """The person changes the password: every token of theirs is dead (190/460)."""
        with self._change():
            self._ledger.end_tokens(username, "password_changed")

    def checkpoint(self, username: str) -> None:
        """Threads wants to see the person first: every token of theirs is dead (190/459)."""
        with self._change():
            self._ledger.end_tokens(username, "checkpoint")

    def revoke(self, username: str) -> None:
        """Threads invalidates every token of the person (190/467)."""
        with self._change():
            self._ledger.end_tokens(username, "invalidated")

    def rename(self, username: str, to: str) -> None:
        """Give the person another username; the id and the tokens stay."""
        with self._change():
            self._ledger.rename(username, to)

    def hand_over(self, username: str, to: str) -> None:
        """Let the person `to` take this username; who had it is called `<username>.before` from then on."""
        with self._change():
            self._ledger.person(to)
            if to == username:
                raise ValueError("a username changes hands between two people")
            self._ledger.rename(username, f"{username}.before")
            self._ledger.rename(to, username)

    def set_private(self, username: str, private: bool = True) -> None:
        """Make the profile private or public."""
        with self._change():
            self._ledger.person(username).private = private

    def set_accepted(self, username: str, accepted: bool = True) -> None:
        """Let the person accept the tester invite, or take it back."""
        with self._change():
            self._ledger.person(username).accepted = accepted

    # -- for tests and for the control page

    def issue_code(self, username: str, redirect_uri: str, scopes: Iterable[str] = _DEFAULT_SCOPES) -> str:
        """Give the code of a consent that this person has just given."""
        with self._change() as now:
            value, person = secrets.token_urlsafe(90), self._ledger.person(username)
            person.grant = Grant(list(scopes), now + GRANT_LIFE)
            self._ledger.codes[value] = Code(value, person, self.app_id, redirect_uri, list(scopes), now + CODE_LIFE)
            return value

    def issue_long_lived(
        self,
        username: str,
        *,
        age: timedelta = timedelta(),
        grant_age: timedelta | None = None,
        scopes: Iterable[str] = _DEFAULT_SCOPES,
    ) -> str:
        """Give a long-lived token that was issued `age` ago, after a consent `grant_age` (else `age`) ago."""
        return self._issue(username, True, age, age if grant_age is None else grant_age, scopes)

    def issue_short_lived(
        self, username: str, *, age: timedelta = timedelta(), scopes: Iterable[str] = _DEFAULT_SCOPES
    ) -> str:
        """Give a token that lives for an hour, after a consent just given."""
        return self._issue(username, False, age, age, scopes)

    def alive(self, value: str) -> bool:
        """Tell whether Threads would accept this token now, whatever has become of the grant."""
        with self._lock:
            token = self._ledger.tokens.get(value)
            return token is not None and token.cause_of_death(self.clock.now()) is None

    def owner(self, value: str) -> str | None:
        """Give the username of the person whose token or code this is, None where there is none."""
        with self._lock:
            known = self._ledger.tokens.get(value) or self._ledger.codes.get(value)
            return known.person.username if known else None

    def holdings(self) -> dict[str, list[Token]]:
        """Give everybody's tokens by username, newest last."""
        with self._lock:
            return self._ledger.holdings()

    def fail(self, call: str, name: str, times: int | None = 1, username: str | None = None, **details: Any) -> None:
        """Make the next `times` of this call go wrong, or all of them (None). `details`: shape, status, seconds."""
        with self._change():
            self._ledger.faults.append(Fault(call, name, times, username, **details))

    def clear_faults(self) -> None:
        """Let everything go well again."""
        with self._change():
            self._ledger.faults.clear()

    @property
    def faults(self) -> list[Fault]:
        """Give the faults still to come, the first first."""
        with self._lock:
            return list(self._ledger.faults)

    def turn(self, wanted: dict[str, Any]) -> None:
        """Set several switches at once; raise ValueError, and set none, where one does not fit."""
        with self._change():
            self.switches.turn(wanted)

    def arrive(self, call: str, username: str | None) -> Fault | None:
        """Note that a call came in, and take the fault that waits for it."""
        with self._change():
            self.calls.append((call, username))
            fault = next((one for one in self._ledger.faults if one.fits(call, username)), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._ledger.faults.remove(fault)
            return fault

    def about_somebody_else(self, call: str, username: str | None) -> dict[str, Any]:
        """Give this call's reply for another person; nothing happens to the first one's token."""
        with self._change() as now:
            other = next(person for person in reversed(self.people.values()) if person.username != username)
            if other.grant is None:
                other.grant = Grant(list(_DEFAULT_SCOPES), now + GRANT_LIFE)
            token = self._mint(other, long_lived=call != "exchange_code", scopes=other.grant.scopes)
            replies: dict[str, dict[str, Any]] = {
                "exchange_code": {"access_token": token.value, "user_id": self._user_id(other)},
                "me": {"id": other.id, "username": other.username},
                "debug": {"data": self._description(token)},
            }
            return replies.get(call) or self._token_reply(token)

    def for_an_hour(self, username: str) -> dict[str, Any]:
        """Give a token reply that holds a short-lived token; nothing happens to the person's other tokens."""
        with self._change():
            person = self._ledger.person(username)
            scopes = person.grant.scopes if person.grant else _DEFAULT_SCOPES
            return self._token_reply(self._mint(person, long_lived=False, scopes=scopes))

    def signed_user_id(self, username: str) -> str:
        """Give the id that a signed_request names this person by."""
        person = self._ledger.person(username)
        return person.id if self.switches.signed_user_id_matches else person.other_id

    # -- the rules, one by one

    @contextmanager
    def _change(self) -> Iterator[datetime]:
        with self._lock:
            try:
                yield self.clock.now()
            finally:  # a refused call may have spent a code
                self._ledger.save()

    def _check_app(self, given: Mapping[str, str], grant_type: str) -> None:
        if given.get("client_id") != self.app_id:
            raise refused("meta_app" if given.get("client_id") == META_APP_ID else "bad_app")
        if given.get("client_secret") != self.app_secret:
            raise refused("bad_secret")
        self._check_grant_type(given, grant_type)

    def _check_grant_type(self, given: Mapping[str, str], grant_type: str) -> None:
        if given.get("grant_type") != grant_type:
            raise refused("bad_parameter", rfc="unsupported_grant_type")

    def _living(self, value: str | None) -> Token:
        if not value:
            raise refused("no_token_given")
        token = self._ledger.tokens.get(value)
        if token is None:
            raise refused("invalid_token")
        if cause := token.cause_of_death(self.clock.now()):
            raise refused(cause)
        return token

    def _too_young(self) -> Refused:
        how = self.switches
        return refused(
            "too_young",
            shape=how.too_young_shape,
            code=how.too_young_code,
            subcode=how.too_young_subcode or None,
            status=how.too_young_status,
        )

    def _user_id(self, person: Person) -> int | str:
        return person.id if self.switches.code_user_id_is_string else int(person.id)

    def _issue(
        self, username: str, long_lived: bool, age: timedelta, grant_age: timedelta, scopes: Iterable[str]
    ) -> str:
        with self._change() as now:
            person = self._ledger.person(username)
            person.grant = Grant(list(scopes), now - grant_age + GRANT_LIFE)
            return self._mint(person, long_lived=long_lived, scopes=scopes, issued_at=now - age).value

    def _mint(
        self, person: Person, *, long_lived: bool, scopes: Iterable[str], issued_at: datetime | None = None
    ) -> Token:
        since = issued_at or self.clock.now()
        lifetime = timedelta(seconds=self.switches.expires_in) if long_lived else SHORT_LIFE
        value = self._ledger.readable_value(person, long_lived) if self._readable else self._opaque_value()
        return self._ledger.add(Token(value, person, long_lived, since, since + lifetime, list(scopes)))

    def _opaque_value(self) -> str:
        return f"THAA{secrets.token_urlsafe(132)}"

    def _renewed(self, token: Token) -> Token:
        if not self.switches.same_string:
            if self.switches.old_token_dies:
                token.dead = "invalidated"
            return self._mint(token.person, long_lived=True, scopes=token.scopes)
        token.issued_at = self.clock.now()
        token.expires_at = token.issued_at + timedelta(seconds=self.switches.expires_in)
        return token

    def _token_reply(self, token: Token) -> dict[str, Any]:
        lifetime = round((token.expires_at - token.issued_at).total_seconds())
        return {"access_token": token.value, "token_type": "bearer", "expires_in": lifetime}

    def _description(self, token: Token) -> dict[str, Any]:
        person, cause = token.person, token.cause_of_death(self.clock.now())
        described: dict[str, Any] = {
            "type": "USER",
            "application": "Local Threads",
            "is_valid": cause is None,
            "issued_at": int(token.issued_at.timestamp()),
            "expires_at": int(token.expires_at.timestamp()),
            "scopes": list(token.scopes),
            "user_id": person.id if self.switches.debug_user_id_matches else person.other_id,
        }
        if person.grant:
            described["data_access_expires_at"] = int(person.grant.expires_at.timestamp())
        return described | (REFUSALS[cause].body() if cause else {})
