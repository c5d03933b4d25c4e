"""What the local Threads remembers: people, codes, tokens, posts, redirect URIs, switches and faults.

With a path it is kept there, readable by its owner alone, because it holds whole tokens; without, in memory.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.state_file import write_state
from sandbox.threads.credentials import Code, Token
from sandbox.threads.faults import Fault
from sandbox.threads.media import Media
from sandbox.threads.person import Grant, Person, first_people
from sandbox.threads.refusals import refused
from sandbox.threads.switches import Switches


class Ledger:
    """Everything that a restart must not lose. Hold `lock` to read or change more than one record."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self._path = path
        self.people: dict[str, Person] = {person.username: person for person in first_people()}
        self.tokens: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self.minted: dict[str, int] = {}
        self.switches = Switches()
        self.faults: list[Fault] = []
        self.redirect_uris: list[str] = []
        self.media = Media()
        if path and path.exists():
            self._load(json.loads(path.read_text()))

    @contextmanager
    def change(self) -> Iterator[datetime]:
        """Hold the lock and yield the time; save afterwards, also if the call was refused: it may have spent a code."""
        with self.lock:
            try:
                yield self.clock.now()
            finally:
                self._save()

    def person(self, username: str) -> Person:
        """Return this person; raise ValueError if there is none."""
        if username not in self.people:
            raise ValueError(f"nobody is called {username!r}")
        return self.people[username]

    def living_token(self, value: str | None) -> Token:
        """Return the token of this value; raise Refused if it is not one, or dead."""
        if not value:
            raise refused("no_token_given")
        token = self.tokens.get(value)
        if token is None:
            raise refused("invalid_token")
        if cause := token.cause_of_death(self.clock.now()):
            raise refused(cause)
        return token

    def _save(self) -> None:
        if self._path:
            write_state(self._path, self._dump())

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
            "redirect_uris": self.redirect_uris,
            "media": _all_plain(self.media.dump()),
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
        if "media" in kept:  # a file of version 1.0 has neither
            self.redirect_uris = kept["redirect_uris"]
            self.media.load(_all_timed(kept["media"]))


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in record.items()}


def _all_plain(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: [_plain(one) for one in value] if isinstance(value, list) else value for name, value in kept.items()}


def _all_timed(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: [_timed(one) for one in value] if isinstance(value, list) else value for name, value in kept.items()}


def _timed(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in record.items()
    }
