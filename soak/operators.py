"""What operators do by hand, and mend later: they paste, destroy, disable, enable, relabel, unbind, lose a key.

Each act is one turn: while a run is under way, it comes between two of its calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.threads.person import Person
from soak.processes import Process
from soak.stage import PROJECT, Stage
from token_keeper.account import KEEPER, MANAGED_BY, USER_ID
from token_keeper.secret_manager import connect

LABELS = {MANAGED_BY: KEEPER, "team": "social"}
MARKS = {"owner": "somebody@example.com"}
WRONG_ID = "99999999999999999"
LAST_DAYS = timedelta(days=6)  # by now whoever was told has acted
NO_TOKENS = ("not a token at all", '{"access_token": "THAA"}', "THneverissued")  # the last one looks like a token
_AROUND = (("", ""), ("", ""), ("", "\n"), ("", "\r\n"), (" ", " "), ("\ufeff", "\r\n"), ("\u00a0", "\n"))
_ACTS = {
    "paste": 4,
    "bad paste": 5,
    "destroy": 2,
    "disable": 3,
    "empty": 2,
    "relabel": 2,
    "unbind": 2,
    "bind wrongly": 1,
    "lose the key": 1,
    "delay destruction": 1,
}


@dataclass(frozen=True)
class Mistake:
    """Something that is undone after some days."""

    secret: str
    until: datetime
    undo: Callable[[], None]


class Operators:
    """Those who can change the secrets. They make a mistake about once in three months with each."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._rng, self._model = stage, stage.rng, stage.model
        self._manager, self._tokens = stage.manager, stage.threads.tokens
        self._mistakes: list[Mistake] = []

    def something(self, secret: str) -> tuple[Process, Callable[[], None]]:
        """Return something that an operator does with this secret, as a process of its own."""
        what = self._rng.choices(list(_ACTS), list(_ACTS.values()))[0]
        self._stage.report.counted[f"operators: {what}"] += 1
        act = getattr(self, f"_{what.replace(' ', '_')}")
        return Process("operator"), lambda: act(secret)

    # Pasting

    def paste_own(self, secret: str) -> None:
        """Paste a token of the account's person, with whatever a clipboard leaves around it."""
        person = self._model.accounts[secret]
        age = timedelta(days=self._rng.choice((0, 2, 10, 30)))
        if self._stage.weather.outage:
            age = timedelta()  # or it would end before the outage does
        before = person.grant
        token = self._tokens.issue_long_lived(person.username, age=age, grant_age=timedelta())
        person.grant = person.grant if before is None or self._rng.random() < 0.5 else before
        before_it, behind_it = self._rng.choice(_AROUND)
        self._add(secret, before_it + token + behind_it)

    def _paste(self, secret: str) -> None:
        self.paste_own(secret)

    def _bad_paste(self, secret: str) -> None:
        person = self._model.accounts[secret]
        other = self._rng.choice([one for one in self._model.accounts.values() if one is not person])
        what = self._rng.choice(("foreign", "short-lived", "short-lived", *NO_TOKENS))
        if what == "foreign":
            what = self._foreign(other)
        elif what == "short-lived":
            what = self._tokens.issue_short_lived(person.username)
        number = self._add(secret, what)
        self._undo_later(secret, lambda: self.destroy(secret, number))

    def _foreign(self, other: Person) -> str:
        before, token = other.grant, self._tokens.issue_long_lived(other.username)
        other.grant = before or other.grant
        return token

    def _add(self, secret: str, payload: str) -> int:
        self._model.touched[secret] = None
        return self._manager.add(secret, payload)

    # Destroying, disabling, enabling

    def destroy(self, secret: str, number: int) -> None:
        if self._manager.states(secret).get(number) in ("ENABLED", "DISABLED"):
            with self._model.changing_by_hand(secret):
                self._client.destroy_secret_version(name=self._version(secret, number))

    def _destroy(self, secret: str) -> None:
        if held := self._model.held(secret):
            self.destroy(secret, self._rng.choice(list(held)))

    def _disable(self, secret: str) -> None:
        if held := self._model.held(secret):
            self._switch_off(secret, [self._rng.choice(list(held))])

    def _empty(self, secret: str) -> None:
        """Destroy or disable all versions."""
        held = list(self._model.held(secret))
        if self._rng.random() < 0.5:
            self._switch_off(secret, held)
        else:
            for number in held:
                self.destroy(secret, number)

    def _switch_off(self, secret: str, numbers: list[int]) -> None:
        with self._model.changing_by_hand(secret):
            for number in numbers:
                self._client.disable_secret_version(name=self._version(secret, number))
        self._undo_later(secret, lambda: self._switch_on(secret, numbers))

    def _switch_on(self, secret: str, numbers: list[int]) -> None:
        with self._model.changing_by_hand(secret):
            for number in numbers:
                if self._manager.states(secret).get(number) == "DISABLED":
                    self._client.enable_secret_version(name=self._version(secret, number))

    def _delay_destruction(self, secret: str) -> None:
        """Set a destroy delay: from now on Secret Manager keeps a destroyed version for some days."""
        later = Secret(name=self._secret(secret), version_destroy_ttl=timedelta(days=self._rng.choice((1, 7, 30))))
        self._client.update_secret(secret=later, update_mask=FieldMask(paths=["version_destroy_ttl"]))

    # Labels and keys

    def _relabel(self, secret: str) -> None:
        """Take the keeper's label off, which ends looking after the account."""
        self._label(secret, MANAGED_BY, None)
        self._undo_later(secret, lambda: self._label(secret, MANAGED_BY, KEEPER))

    def _unbind(self, secret: str) -> None:
        """Take the binding off, unless somebody else has the name by now, who would then be the rightful one."""
        if self._is_at_home(secret) or not self._is_taken(self._stage.homes[secret]):
            self._label(secret, USER_ID, None)

    def _bind_wrongly(self, secret: str) -> None:
        if self._is_at_home(secret) and self._manager.labels(secret).get(USER_ID):
            self._label(secret, USER_ID, WRONG_ID)
            self._undo_later(secret, lambda: self._label(secret, USER_ID, self._model.accounts[secret].id))

    def _lose_the_key(self, secret: str) -> None:
        self._stage.weather.locked.add(secret)
        self._undo_later(secret, lambda: self._stage.weather.locked.discard(secret))

    def _is_at_home(self, secret: str) -> bool:
        return self._stage.homes[secret] == self._model.accounts[secret].username

    def _is_taken(self, username: str) -> bool:
        return any(person.username == username for person in self._stage.threads.people)

    def _label(self, secret: str, name: str, value: str | None) -> None:
        labels = {**self._manager.labels(secret), name: value}
        self._manager.set_labels(secret, {key: one for key, one in labels.items() if one is not None})

    # Mending

    def _undo_later(self, secret: str, undo: Callable[[], None]) -> None:
        until = self._stage.clock.now() + timedelta(days=self._rng.randint(1, 10))
        self._mistakes.append(Mistake(secret, until, undo))

    def mend(self, everything: bool = False) -> None:
        """Undo the mistakes whose time has come, or all; and those with an account in its last days, as was told."""
        now, waiting = self._stage.clock.now(), []
        for mistake in self._mistakes:
            life = self._model.life_left(mistake.secret)
            if everything or mistake.until <= now or (life and life < LAST_DAYS):
                mistake.undo()
            else:
                waiting.append(mistake)
        self._mistakes = waiting

    def obey(self, secret: str) -> None:
        """Do what a run says of a misconfigured secret: destroy the newest version if it is none of the account's."""
        newest = max(self._model.held(secret), default=None)
        if newest is not None and not self._model.is_own(secret, newest):
            self.destroy(secret, newest)

    def strange_marks(self, secret: str) -> bool:
        """Return whether a label or annotation that is not the keeper's has changed."""
        labels, annotations = self._manager.labels(secret), self._manager.annotations(secret)
        return not (LABELS.items() <= labels.items() and MARKS.items() <= annotations.items())

    # Names

    @cached_property
    def _client(self) -> SecretManagerServiceClient:
        return connect(self._manager.address)

    @staticmethod
    def _secret(secret: str) -> str:
        return f"projects/{PROJECT}/secrets/{secret}"

    def _version(self, secret: str, number: int) -> str:
        return f"{self._secret(secret)}/versions/{number}"
