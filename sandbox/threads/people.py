"""What happens to people: they join, leave the app, change their password or their name, and Threads ends tokens."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.threads.ledger import Ledger
from sandbox.threads.person import Person, nth_id


class People:
    """Everybody who has a profile. Every method is safe to call from several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __iter__(self) -> Iterator[Person]:
        with self._ledger.lock:
            return iter(list(self._ledger.people.values()))

    def __getitem__(self, username: str) -> Person:
        return self._ledger.people[username]

    def by_id(self, user_id: str) -> Person | None:
        """Return the person of this id, None if there is none."""
        return next((person for person in self if person.id == user_id), None)

    def add(self, username: str, *, private: bool = False, accepted: bool = True, note: str = "") -> Person:
        """Add a person with an id of their own; raise ValueError if the username is taken."""
        with self._ledger.change():
            self._check_free(username)
            person = Person(username, nth_id(len(self._ledger.people)), private, accepted, note)
            self._ledger.people[username] = person
            return person

    def remove_app(self, username: str) -> None:
        """Remove the app on behalf of the person: every token of theirs is dead (190/458), and the grant is gone."""
        self._end_tokens(username, "app_removed")
        with self._ledger.change():
            self._ledger.person(username).grant = None

    def change_password(self, username: str) -> None:
        """Change the person's password: every token of theirs is dead (190/460)."""
        self._end_tokens(username, "password_changed")

    def checkpoint(self, username: str) -> None:
        """Ask the person to prove who they are: every token of theirs is dead (190/459)."""
        self._end_tokens(username, "checkpoint")

    def revoke(self, username: str) -> None:
        """Invalidate every token of the person, as Threads may (190/467)."""
        self._end_tokens(username, "invalidated")

    def rename(self, username: str, to: str) -> None:
        """Change the person's username; the id and the tokens stay."""
        with self._ledger.change():
            self._rename(username, to)

    def hand_over(self, username: str, to: str) -> None:
        """Move this username to the person `to`; who had it is called `<username>.before` from then on."""
        with self._ledger.change():
            self._ledger.person(to)
            if to == username:
                raise ValueError("a username changes hands between two people")
            self._rename(username, f"{username}.before")
            self._rename(to, username)

    def set_private(self, username: str, private: bool = True) -> None:
        """Make the profile private or public."""
        with self._ledger.change():
            self._ledger.person(username).private = private

    def set_accepted(self, username: str, accepted: bool = True) -> None:
        """Accept the tester invite on behalf of the person, or withdraw it."""
        with self._ledger.change():
            self._ledger.person(username).accepted = accepted

    def signed_user_id(self, username: str) -> str:
        """Return the id that a signed_request names this person by."""
        person = self._ledger.person(username)
        return person.id if self._ledger.switches.signed_user_id_matches else person.other_id

    def _end_tokens(self, username: str, cause: str) -> None:
        with self._ledger.change():
            person = self._ledger.person(username)
            for token in self._ledger.tokens.values():
                if token.person is person:
                    token.dead = token.dead or cause
            codes = self._ledger.codes
            for value in [value for value, code in codes.items() if code.person is person]:
                del codes[value]

    def _rename(self, username: str, to: str) -> None:
        person = self._ledger.person(username)
        self._check_free(to)
        del self._ledger.people[username]
        person.username = to
        self._ledger.people[to] = person

    def _check_free(self, username: str) -> None:
        if not username:
            raise ValueError("a username must not be empty")
        if username in self._ledger.people:
            raise ValueError(f"the username {username!r} is taken")
