"""Makes codes and tokens for the API and for tests, and answers questions about them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sandbox.threads.credentials import Code, Token
from sandbox.threads.ledger import Ledger
from sandbox.threads.person import Grant, Person

CODE_LIFE = timedelta(hours=1)
SHORT_LIFE = timedelta(hours=1)
GRANT_LIFE = timedelta(days=90)
DEFAULT_SCOPES = ("threads_basic", "threads_content_publish")
RandomText = Callable[[int], str]


class Tokens:
    """Every code and token of the app. Every method is safe to call from several threads."""

    def __init__(
        self, ledger: Ledger, app_id: str, *, readable: bool = False, random_text: RandomText = secrets.token_urlsafe
    ) -> None:
        self._ledger, self._app_id = ledger, app_id
        self._readable, self._random_text = readable, random_text

    # What tests ask for

    def issue_code(self, username: str, redirect_uri: str, scopes: Iterable[str] = DEFAULT_SCOPES) -> str:
        """Return the code of a consent that this person has just given."""
        with self._ledger.change() as now:
            value, person = self._random_text(90), self._ledger.person(username)
            person.grant = Grant(list(scopes), now + GRANT_LIFE)
            code = Code(value, person, self._app_id, redirect_uri, list(scopes), now + CODE_LIFE)
            self._ledger.codes[value] = code
            return value

    def issue_long_lived(
        self,
        username: str,
        *,
        age: timedelta = timedelta(),
        grant_age: timedelta | None = None,
        scopes: Iterable[str] = DEFAULT_SCOPES,
    ) -> str:
        """Return a long-lived token that was issued `age` ago, after a consent `grant_age` (else `age`) ago."""
        return self._issue(username, True, age, age if grant_age is None else grant_age, scopes)

    def issue_short_lived(
        self, username: str, *, age: timedelta = timedelta(), scopes: Iterable[str] = DEFAULT_SCOPES
    ) -> str:
        """Return a token that lives for an hour, after a consent just given."""
        return self._issue(username, False, age, age, scopes)

    def alive(self, value: str) -> bool:
        """Return whether Threads would accept this token now, whatever has become of the grant."""
        token = self.get(value)
        return token is not None and token.cause_of_death(self._ledger.clock.now()) is None

    def owner(self, value: str) -> str | None:
        """Return the username of the person whose token or code this is, None if there is none."""
        with self._ledger.lock:
            known = self._ledger.tokens.get(value) or self._ledger.codes.get(value)
            return known.person.username if known else None

    def get(self, value: str) -> Token | None:
        """Return the token of this value, dead or alive, None if it was never issued."""
        with self._ledger.lock:
            return self._ledger.tokens.get(value)

    def newest(self, person: Person | None = None) -> Token:
        """Return the token that was made last, for this person if one is named."""
        with self._ledger.lock:
            tokens = reversed(self._ledger.tokens.values())
            return next(token for token in tokens if person is None or token.person is person)

    def by_username(self) -> dict[str, list[Token]]:
        """Return everybody's tokens by username, newest last."""
        with self._ledger.lock:
            held: dict[str, list[Token]] = {username: [] for username in self._ledger.people}
            for token in self._ledger.tokens.values():
                held[token.person.username].append(token)
            return held

    # What the API makes, within a change of the ledger

    def mint(
        self, person: Person, *, long_lived: bool, scopes: Iterable[str], issued_at: datetime | None = None
    ) -> Token:
        """Make a token and record it."""
        since = issued_at or self._ledger.clock.now()
        lifetime = timedelta(seconds=self._ledger.switches.expires_in) if long_lived else SHORT_LIFE
        value = self._readable_value(person, long_lived) if self._readable else f"THAA{self._random_text(132)}"
        token = Token(value, person, long_lived, since, since + lifetime, list(scopes))
        self._ledger.tokens[value] = token
        return token

    def renew(self, token: Token) -> Token:
        """Return the token that a refresh returns for this one: another or the same, as the switches say."""
        switches = self._ledger.switches
        if not switches.same_string:
            if switches.old_token_dies:
                token.dead = "invalidated"
            return self.mint(token.person, long_lived=True, scopes=token.scopes)
        token.issued_at = self._ledger.clock.now()
        token.expires_at = token.issued_at + timedelta(seconds=switches.expires_in)
        return token

    def _issue(
        self, username: str, long_lived: bool, age: timedelta, grant_age: timedelta, scopes: Iterable[str]
    ) -> str:
        with self._ledger.change() as now:
            person = self._ledger.person(username)
            person.grant = Grant(list(scopes), now - grant_age + GRANT_LIFE)
            return self.mint(person, long_lived=long_lived, scopes=scopes, issued_at=now - age).value

    def _readable_value(self, person: Person, long_lived: bool) -> str:
        """Return `THalice-1`, `THalice-2`, or, for tokens of an hour, `THalice-short-1`."""
        stem = f"TH{person.username}-" if long_lived else f"TH{person.username}-short-"
        minted = self._ledger.minted
        minted[stem] = minted.get(stem, 0) + 1
        return f"{stem}{minted[stem]}"
