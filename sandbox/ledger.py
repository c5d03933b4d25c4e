"""What the local Threads has written down: people, codes, tokens, switches and faults.

With a path it is kept there, readable by its owner alone, because it holds whole tokens; without, in memory.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.faults import Fault
from sandbox.people import Grant, Person, cast
from sandbox.switches import Switches


@dataclass(eq=False)
class Token:
    """An access token. `issued_at` is when it was issued or last refreshed; `dead` names the refusal that ended it."""

    value: str = field(repr=False)
    person: Person
    long_lived: bool
    issued_at: datetime
    expires_at: datetime
    scopes: list[str]
    dead: str | None = None

    def cause_of_death(self, now: datetime) -> str | None:
        """Name the refusal that this token meets, None where it is alive."""
        return self.dead or ("expired" if now >= self.expires_at else None)


@dataclass(eq=False)
class Code:
    """An authorization code, bound to the request that it answers."""

    value: str = field(repr=False)
    person: Person
    client_id: str
    redirect_uri: str
    scopes: list[str]
    expires_at: datetime


class Ledger:
    """Everything that a restart must not lose."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.people: dict[str, Person] = {person.username: person for person in cast()}
        self.tokens: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self.minted: dict[str, int] = {}
        self.switches = Switches()
        self.faults: list[Fault] = []
        if path and path.exists():
            self._load(json.loads(path.read_text()))

    def person(self, username: str) -> Person:
        """Give this person; raise ValueError where there is none."""
        if username not in self.people:
            raise ValueError(f"nobody is called {username!r}")
        return self.people[username]

    def check_free(self, username: str) -> None:
        """Raise ValueError where this username cannot be taken."""
        if not username:
            raise ValueError("a username must not be empty")
        if username in self.people:
            raise ValueError(f"the username {username!r} is taken")

    def rename(self, username: str, to: str) -> None:
        """Give the person another username."""
        person = self.person(username)
        self.check_free(to)
        del self.people[username]
        person.username = to
        self.people[to] = person

    def add(self, token: Token) -> Token:
        """Write down a new token."""
        self.tokens[token.value] = token
        return token

    def readable_value(self, person: Person, long_lived: bool) -> str:
        """Make `THalice-1`, `THalice-2`, or, for tokens of an hour, `THalice-short-1`."""
        stem = f"TH{person.username}-" if long_lived else f"TH{person.username}-short-"
        self.minted[stem] = self.minted.get(stem, 0) + 1
        return f"{stem}{self.minted[stem]}"

    def holdings(self) -> dict[str, list[Token]]:
        """Give everybody's tokens by username, newest last."""
        held: dict[str, list[Token]] = {username: [] for username in self.people}
        for token in self.tokens.values():
            held[token.person.username].append(token)
        return held

    def end_tokens(self, username: str, cause: str) -> Person:
        """Let every token and every code of the person be refused from now on."""
        person = self.person(username)
        for token in self.tokens.values():
            if token.person is person:
                token.dead = token.dead or cause
        self.codes = {value: code for value, code in self.codes.items() if code.person is not person}
        return person

    def save(self) -> None:
        """Write everything to the path, whole or not at all."""
        if not self._path:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}.tmp")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._dump(), file)
        draft.replace(self._path)

    def _dump(self) -> dict[str, Any]:
        return {
            "people": [
                _plain(vars(one) | {"grant": one.grant and _plain(vars(one.grant))}) for one in self.people.values()
            ],
            "tokens": [_plain(vars(one) | {"person": one.person.id}) for one in self.tokens.values()],
            "codes": [_plain(vars(one) | {"person": one.person.id}) for one in self.codes.values()],
            "minted": self.minted,
            "switches": asdict(self.switches),
            "faults": [asdict(one) for one in self.faults],
        }

    def _load(self, kept: dict[str, Any]) -> None:
        people = [Person(**one | {"grant": one["grant"] and Grant(**_timed(one["grant"]))}) for one in kept["people"]]
        by_id = {person.id: person for person in people}
        self.people = {person.username: person for person in people}
        for one in kept["tokens"]:
            self.tokens[one["value"]] = Token(**_timed(one) | {"person": by_id[one["person"]]})
        for one in kept["codes"]:
            self.codes[one["value"]] = Code(**_timed(one) | {"person": by_id[one["person"]]})
        self.minted = kept["minted"]
        self.switches = Switches(**kept["switches"])
        self.faults = [Fault(**one) for one in kept["faults"]]


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in record.items()}


def _timed(record: dict[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(value) if name.endswith("_at") else value for name, value in record.items()}
