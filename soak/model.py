"""What must hold after every step, whatever went wrong. It watches the two sandboxes and never asks the keeper.

The promise: an account of which the store has held a living, long-lived token of its own (in an enabled version)
holds one from then on. The exceptions, and there are no others:

- revoked: the person (or Threads, on their behalf) ended every token of theirs, or had them destroyed;
- taken away: somebody destroyed or disabled every version by hand;
- torn: a token got lost on its way, for a reason of `soak.flights`.

And the right one is the newest: a run adds a token only over what it was made of, never over a living newer one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.credentials import Token
from sandbox.threads.person import Person
from sandbox.threads.server import LocalThreads
from soak.flights import Flight, Flights
from soak.processes import Process
from soak.violation import Violation
from soak.weather import Mishap
from soak.wire import WRITES, Call
from token_keeper.access_token import bare
from token_keeper.account import MANAGED_BY, USER_ID, secret_id_for

# A refresh, a copy that tries a store which failed before, a bare one of what was pasted, and one to spare.
MOST_A_DAY = 4
Seen = tuple[dict[int, str], dict[str, str]]


NOBODYS = "it was unbound while its person had another name, and nobody acted on what was said"


class Model:
    """The state of every account as it must be."""

    def __init__(self, threads: LocalThreads, manager: SecretManager) -> None:
        self._threads, self._manager = threads, manager
        self.accounts: dict[str, Person] = {}
        self.kept: dict[str, bool] = {}
        self.touched: dict[str, None] = {}
        self.flights = Flights()
        self._origins: dict[str, str] = {}  # of each token, the one that it was made of
        self._added_at: dict[str, list[float]] = {}
        self._foreign: set[str] = set()
        self._never_proven: set[str] = set()
        self._before: dict[tuple[int, str], Seen] = {}
        self._newest: dict[int, tuple[str, bool]] = {}

    # What is watched at the wire

    def before(self, call: Call, process: Process) -> None:
        if call.name in WRITES:
            self._before[id(process), call.secret] = self._seen(call.secret)
            if process.kind == "look":
                raise Violation(f"GET / changed something: {call.name} of {call.secret}")
        if call.name == "refresh" and (old := self._token(call.token)):
            self._newest[id(process)] = self._threads.tokens.newest(old.person).value, self._is_alive(old)

    def after(self, call: Call, process: Process, mishap: Mishap | None, now: float) -> None:
        """A call is over; whether it had its effect is read from the sandboxes."""
        process.account = call.secret or process.account
        if mishap:
            process.disturbed |= {process.account, self.secret_of(call)} - {""} if call.token else {call.secret}
        if call.name == "refresh":
            self._refreshed(call, process, mishap)
        if call.name == "me":
            self._asked_who(call, mishap)
        if call.name == "ListSecretVersions":
            process.listed[call.secret] = {} if mishap else self.held(call.secret)
        if call.name in WRITES:
            self._written(call, process, mishap, now)

    def secret_of(self, call: Call) -> str:
        """Return the secret that a call is about, or an empty string if it is about all or none."""
        token = self._token(call.token) if call.token and not call.secret else None
        return self._secret_of(token.person) if token else call.secret

    def _refreshed(self, call: Call, process: Process, mishap: Mishap | None) -> None:
        """Threads has answered a refresh: if that killed the stored token, the new one is on its way."""
        if mishap and mishap.name == "another_person":
            self._foreign.add(self._threads.tokens.newest().value)
        old, (newest, was_alive) = self._token(call.token), self._newest.pop(id(process), ("", False))
        if not old:
            return
        new = self._threads.tokens.newest(old.person).value
        if new != newest:
            self._origins[new] = call.token
        if was_alive and not self._is_alive(old):
            secret = self._secret_of(old.person)
            self.touched[secret] = None
            self.flights.begin(Flight(secret, new, call.token, process), mishap)
            self.flights.changed_by_hand(secret, self.held(secret).values())

    def _asked_who(self, call: Call, mishap: Mishap | None) -> None:
        """`/me` was asked about a token."""
        if call.token in self._foreign:
            # If Threads gives somebody else's token and then does not say whose it is, it is kept until it does.
            (self._never_proven.add if mishap else self._never_proven.discard)(call.token)
        self.flights.asked_who(call.token, mishap)

    def _written(self, call: Call, process: Process, mishap: Mishap | None, now: float) -> None:
        self.touched[call.secret] = None
        states, labels = self._before.pop((id(process), call.secret))
        new_states, new_labels = self._seen(call.secret)
        added = [n for n in new_states if n not in states]
        destroyed = [n for n, state in states.items() if state != new_states[n]]
        if added:
            self._added(call, process, added[-1], labels, mishap, now)
        elif call.name == "AddSecretVersion":
            self.flights.not_added(call.token, mishap, now)
        if destroyed and process.kind == "refresh":
            self._destroyed(call, destroyed, states)
        self._check_labels(call.secret, labels, new_labels)
        if call.name == "UpdateSecret":
            self._described(call)

    def ended(self, process: Process) -> None:
        self.flights.ended(process)
        if process.buried and not process.dead:
            raise Violation(f"{list(process.buried)}: written over a living version that is newer than the used one")

    # What the keeper may write

    def _added(
        self, call: Call, process: Process, number: int, labels: dict[str, str], mishap: Mishap | None, now: float
    ) -> None:
        self.flights.landed(call.token)
        token, name = self._token(call.token), f"{call.secret}/{number}"
        if token is None:
            raise Violation(f"{name}: the keeper stored something that is no token")
        if not token.long_lived:
            raise Violation(f"{name}: the keeper stored a one-hour token")
        if not self._is_rightful(call.secret, token, labels) and call.token not in self._never_proven:
            raise Violation(f"{name}: the keeper stored a token of {token.person.username}")
        process.stored.setdefault(call.secret, set()).add(number)
        if process.kind == "refresh" and not mishap:
            self._check_number(name, call.secret, now)
        if process.kind == "refresh" and call.secret not in process.disturbed:
            self._check_order(name, call, process)

    def _check_number(self, name: str, secret: str, now: float) -> None:
        """Check that the runs of one day do not add version after version."""
        times = [one for one in self._added_at.get(secret, []) if now - one < 86400] + [now]
        self._added_at[secret] = times
        if len(times) > MOST_A_DAY:
            raise Violation(f"{name}: runs have added {len(times)} versions within a day")

    def _is_rightful(self, secret: str, token: Token, labels: dict[str, str]) -> bool:
        """Return whether a token belongs into a secret: by the bound id, or by name if that label is wrong or gone."""
        named = secret_id_for(token.person.username) == secret
        bound = labels.get(USER_ID)
        return token.person.id == bound or (named and token.person is self.accounts[secret]) or (named and not bound)

    def _check_order(self, name: str, call: Call, process: Process) -> None:
        """Check what a run adds against what it has seen last: what it used is there, and nothing newer lives.

        It may add over a living version that it stores again at once.
        """
        if process.buried.get(call.secret) == call.token:
            del process.buried[call.secret]
            return
        listed, used = process.listed.get(call.secret, {}), self._origins.get(call.token, call.token)
        own = process.stored[call.secret]
        numbers = [number for number, token in listed.items() if token == used and number not in own]
        if not numbers:
            raise Violation(f"{name}: stored although what it was made of had been taken away")
        for number, token in listed.items():
            if number > max(numbers) and token not in (used, call.token) and self.is_usable(call.secret, token):
                process.buried[call.secret] = token

    def _destroyed(self, call: Call, numbers: list[int], states: dict[int, str]) -> None:
        enabled = sorted((n for n, state in states.items() if state == "ENABLED"), reverse=True)
        for number in numbers:
            if number == max(states):
                raise Violation(f"{call.secret}/{number}: refresh destroyed the newest version")
            if number in enabled[:2]:
                raise Violation(f"{call.secret}/{number}: refresh destroyed one of the newest two enabled versions")
        if self.kept.get(call.secret) and not self.whole(call.secret):
            raise Violation(f"{call.secret}: refresh destroyed {numbers} while nothing newer lived")

    @staticmethod
    def _check_labels(secret: str, before: dict[str, str], now: dict[str, str]) -> None:
        if before.get(USER_ID) and now.get(USER_ID) not in (before[USER_ID], None):
            raise Violation(f"{secret} was bound to another person")
        if now.get(MANAGED_BY) != before.get(MANAGED_BY):
            raise Violation(f"{secret}: the keeper's label was written back, or taken off")

    def _described(self, call: Call) -> None:
        number = self._manager.annotations(call.secret).get("version", "0")
        payload = self._manager.payloads(call.secret).get(int(number))
        token = self.token(payload) if payload else None
        if token and not token.long_lived:
            raise Violation(f"{call.secret}/{number}: the keeper took a one-hour token for one to keep")

    # What people do by hand

    def promised(self, secret: str) -> None:
        """A person was told that their token is stored."""
        self.kept[secret] = True
        self.touched[secret] = None

    def revoked(self, secret: str) -> None:
        """All tokens of this account's person are dead now, by their own will or Threads'."""
        self.kept[secret] = False

    @contextmanager
    def changing_by_hand(self, secret: str) -> Iterator[None]:
        """Somebody destroys, disables or enables versions: what a run is working from may be gone then."""
        was_whole = self.whole(secret)
        yield
        self.touched[secret] = None
        if was_whole and not self.whole(secret):
            self.kept[secret] = False
        self.flights.changed_by_hand(secret, self.held(secret).values())

    # What is checked after each step

    def check(self, secrets: Iterator[str] | None = None) -> None:
        """Check these accounts, or those touched since the last check."""
        for secret in list(self.touched) if secrets is None else list(secrets):
            self._check(secret)
        self.touched.clear()

    def _check(self, secret: str) -> None:
        whole = self.whole(secret)
        lost = not whole and self.kept.get(secret, False)
        if not self.flights.close(secret, lost) and lost:
            if not self._was_told_to_be_nobodys(secret):
                raise Violation(f"{secret}: LOST. {self.describe(secret)}")
            self.flights.excused[NOBODYS] += 1
        self.kept[secret] = whole

    def _was_told_to_be_nobodys(self, secret: str) -> bool:
        """Return whether somebody unbound a renamed person's account: nobody may refresh it, and each run says so."""
        bound, problem = self._manager.labels(secret).get(USER_ID), self._manager.annotations(secret).get("problem")
        return not bound and problem is not None

    def whole(self, secret: str) -> bool:
        """Return whether some enabled version holds a living long-lived token of the account's own."""
        return any(self.is_usable(secret, token) for token in self.held(secret).values())

    def life_left(self, secret: str) -> timedelta | None:
        """Return how long the newest own token still lives, None if there is none."""
        usable = [token for _, token in sorted(self.held(secret).items()) if self.is_usable(secret, token)]
        token = self._token(usable[-1]) if usable else None
        return token.expires_at - self._threads.clock.now() if token else None

    def describe(self, secret: str) -> str:
        now, held = self._threads.clock.now(), {}
        for number, text in self.held(secret).items():
            token = self._token(text)
            held[number] = f"{text[:24]}: {(token.cause_of_death(now) or 'alive') if token else 'no token'}"
        manager = self._manager
        return f"enabled: {held}; labels: {manager.labels(secret)}; annotations: {manager.annotations(secret)}"

    # Small things

    def held(self, secret: str) -> dict[int, str]:
        """Return the tokens of the enabled versions, without what pasting leaves around them."""
        return {number: bare(one.decode(errors="replace")) for number, one in self._manager.payloads(secret).items()}

    def token(self, payload: bytes) -> Token | None:
        return self._token(bare(payload.decode(errors="replace")))

    def is_own(self, secret: str, number: int) -> bool:
        """Return whether an enabled version holds a long-lived token of the account's person, alive or dead."""
        token = self._token(self.held(secret).get(number, ""))
        return bool(token and token.long_lived and token.person is self.accounts[secret])

    def is_short_lived(self, value: str) -> bool:
        """Return whether this is a one-hour token that still lives."""
        token = self._token(value)
        return bool(token and not token.long_lived and self._is_alive(token))

    def is_somebody_elses(self, secret: str, value: str) -> bool:
        token = self._token(value)
        return bool(token and token.person is not self.accounts[secret] and self._is_alive(token))

    def grant_ended(self, secret: str) -> bool:
        grant = self.accounts[secret].grant
        return grant is None or grant.expires_at <= self._threads.clock.now()

    def is_usable(self, secret: str, value: str) -> bool:
        token = self._token(value)
        return bool(token and token.long_lived and token.person is self.accounts[secret] and self._is_alive(token))

    def _is_alive(self, token: Token) -> bool:
        return token.cause_of_death(self._threads.clock.now()) is None

    def _seen(self, secret: str) -> Seen:
        return self._manager.states(secret), self._manager.labels(secret)

    def _token(self, value: str) -> Token | None:
        return self._threads.tokens.get(value)

    def _secret_of(self, person: Person) -> str:
        return next((secret for secret, owner in self.accounts.items() if owner is person), "")
