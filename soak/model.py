"""What must hold after every step, whatever went wrong. It watches the two sandboxes and never asks the keeper.

The promise: an account of which the store has held a living, long-lived token of its own (in an enabled version)
holds one from then on. The exceptions, and there are no others:

- revoked: the person (or Threads, on their behalf) ended every token of theirs, or had them destroyed;
- torn: Threads lets the old token die at a refresh, this was the refresh, and the new one never reached the store
  because the reply got lost, the process was killed, Secret Manager refused it for as long as it was tried, or
  Threads itself disowned it. Which of these it was is seen at the wire, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.credentials import Token
from sandbox.threads.person import Person
from sandbox.threads.server import LocalThreads
from soak.processes import Process
from soak.weather import KILL, SPOILT_REPLIES, TIMEOUT, Trouble
from soak.wire import WRITES, Call
from token_keeper.account import USER_ID, secret_id_for

# A refresh keeps trying to store for 300 s; less than this and it gave up too early.
LONG_ENOUGH = timedelta(seconds=240)

# Answers of `/me` by which Threads says that a token is dead, or somebody else's, or that its person must sign in.
VERDICTS = frozenset(
    {"invalid_token", "app_removed", "checkpoint", "unconfirmed", "password_changed", "expired", "invalidated"}
    | {"session_492", "session", "unauthorized", "error_in_200", "another_person", "no_resource", "no_resource_100"}
    | {"wrong_kind", "bad_parameter", "no_token_given", "not_found", "not_allowed", "too_young"}
    | {"permission", "permission_200", "permission_299"}
)
# Codes of Secret Manager that are not worth a repetition.
FINAL_CODES = frozenset({"PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"})


class Violation(AssertionError):
    """The promise is broken."""


@dataclass
class Flight:
    """A token that Threads has made and the store has not: on its way, and the old one is dead."""

    secret: str
    token: str
    process: Process
    reason: str | None = None
    first_failure: float | None = None


class Model:
    """The state of every account as it must be."""

    def __init__(self, threads: LocalThreads, manager: SecretManager) -> None:
        self._threads, self._manager = threads, manager
        self.accounts: dict[str, Person] = {}
        self.kept: dict[str, bool] = {}
        self.touched: dict[str, None] = {}
        self.pasted: set[tuple[str, int]] = set()
        self.losses_excused: dict[str, int] = {}
        self._flights: list[Flight] = []
        self._foreign: set[str] = set()
        self._never_proven: set[str] = set()
        self._before: dict[tuple[int, str], tuple[dict[int, str], dict[str, str]]] = {}

    # What is watched at the wire

    def before(self, call: Call, process: Process) -> None:
        if call.name in WRITES:
            self._before[id(process), call.secret] = self._seen(call.secret)
            if process.kind == "look":
                raise Violation(f"GET / changed something: {call.name} of {call.secret}")

    def refreshed(self, call: Call, process: Process, trouble: Trouble | None, was_alive: bool) -> None:
        """Threads has answered a refresh: if that killed the stored token, the new one is in flight."""
        if trouble and trouble.name == "another_person":
            self._foreign.add(self._threads.tokens.newest().value)
        old = self._token(call.token)
        if not old or not was_alive or self._threads.tokens.alive(call.token):
            return
        secret = self._secret_of(old.person)
        self.touched[secret] = None
        new = self._threads.tokens.newest(old.person).value
        flight = Flight(secret, new, process)
        if trouble and (trouble.name in SPOILT_REPLIES or trouble.name == TIMEOUT):
            flight.reason = "the reply got lost"
        if trouble and trouble.name == KILL:
            flight.reason = "killed"
        self._flights.append(flight)

    def asked_who(self, call: Call, trouble: Trouble | None, answered: bool) -> None:
        """`/me` was asked about a token."""
        if call.token in self._foreign:
            # Where Threads gives somebody else's token and then does not say whose it is, it is kept until it does.
            told = answered and trouble is None
            (self._never_proven.discard if told else self._never_proven.add)(call.token)
        for flight in self._flights:
            if flight.token == call.token:
                flight.reason = flight.reason or self._disowned(trouble, answered)

    def _disowned(self, trouble: Trouble | None, answered: bool) -> str | None:
        if trouble.name in VERDICTS if trouble else not answered:
            return "Threads disowned the new token"
        return None

    def after(self, call: Call, process: Process, trouble: Trouble | None, now: float) -> None:
        """A call to the store is over; whether it had its effect is read from the store."""
        if call.name not in WRITES:
            return
        self.touched[call.secret] = None
        states, labels = self._before.pop((id(process), call.secret))
        new_states, new_labels = self._seen(call.secret)
        added = [n for n in new_states if n not in states]
        destroyed = [n for n, state in states.items() if state != new_states[n]]
        if added:
            self._added(call, added[-1], labels)
        if destroyed and process.kind == "refresh":
            self._destroyed(call, destroyed, states)
        if labels.get(USER_ID) and new_labels.get(USER_ID) not in (labels[USER_ID], None):
            raise Violation(f"{call.secret} was bound to another person")
        if call.name == "AddSecretVersion" and not added:
            self._not_added(call, trouble, now)
        if call.name == "UpdateSecret":
            self._described(call)

    def died(self, process: Process) -> None:
        for flight in self._flights:
            if flight.process is process:
                flight.reason = flight.reason or "killed"

    def ended(self, process: Process) -> None:
        """A process has returned: what it had in flight and no reason for is a loss at the next check."""
        self._flights = [one for one in self._flights if one.process is not process or one.reason]

    def _added(self, call: Call, number: int, labels: dict[str, str]) -> None:
        self._flights = [one for one in self._flights if one.token != call.token]
        token = self._token(call.token)
        if token is None:
            raise Violation(f"{call.secret}/{number}: the keeper stored something that is no token")
        if not token.long_lived:
            raise Violation(f"{call.secret}/{number}: the keeper stored a one-hour token")
        bound = labels.get(USER_ID)
        right = token.person.id == bound if bound else secret_id_for(token.person.username) == call.secret
        if not right and call.token not in self._never_proven:
            raise Violation(f"{call.secret}/{number}: the keeper stored a token of {token.person.username}")
        if not right:
            self.pasted.add((call.secret, number))

    def _destroyed(self, call: Call, numbers: list[int], states: dict[int, str]) -> None:
        enabled = sorted((n for n, state in states.items() if state == "ENABLED"), reverse=True)
        for number in numbers:
            if number == max(states):
                raise Violation(f"{call.secret}/{number}: refresh destroyed the newest version")
            if number in enabled[:2]:
                raise Violation(f"{call.secret}/{number}: refresh destroyed one of the newest two enabled versions")

    def _not_added(self, call: Call, trouble: Trouble | None, now: float) -> None:
        for flight in self._flights:
            if flight.token == call.token and trouble:
                flight.first_failure = now if flight.first_failure is None else flight.first_failure
                patient = now - flight.first_failure >= LONG_ENOUGH.total_seconds()
                final = trouble.name in FINAL_CODES
                if patient or final:
                    flight.reason = "Secret Manager refused it for as long as it was tried"

    def _described(self, call: Call) -> None:
        number = self._manager.annotations(call.secret).get("version", "0")
        payload = self._manager.payloads(call.secret).get(int(number))
        token = self.token(payload) if payload else None
        if token and not token.long_lived:
            raise Violation(f"{call.secret}/{number}: the keeper took a one-hour token for one to keep")

    # What is checked after each step

    def check(self, secrets: Iterator[str] | None = None) -> None:
        """Check these accounts, or those touched since the last check."""
        for secret in list(self.touched) if secrets is None else list(secrets):
            self._check(secret)
        self.touched.clear()

    def revoked(self, person: Person) -> None:
        """All tokens of this person are dead or destroyed now, by their own will or Threads'."""
        self.kept[self._secret_of(person)] = False

    def whole(self, secret: str) -> bool:
        """Tell whether some enabled version holds a living long-lived token of the account's own."""
        return any(self._usable(secret, payload) for payload in self._manager.payloads(secret).values())

    def _check(self, secret: str) -> None:
        if self.whole(secret):
            self.kept[secret] = True
            self._flights = [one for one in self._flights if one.secret != secret]
            return
        if not self.kept.get(secret):
            return
        reasons = [one.reason for one in self._flights if one.secret == secret and one.reason]
        if not reasons:
            raise Violation(f"{secret}: LOST. {self.describe(secret)}")
        self.kept[secret] = False
        for reason in reasons[-1:]:
            self.losses_excused[reason] = self.losses_excused.get(reason, 0) + 1
        self._flights = [one for one in self._flights if one.secret != secret]

    def describe(self, secret: str) -> str:
        now = self._threads.clock.now()
        held = {}
        for number, payload in self._manager.payloads(secret).items():
            token = self._token(payload.decode(errors="replace").strip())
            held[number] = (
                f"{payload.decode()[:24].strip()}: {token.cause_of_death(now) or 'alive' if token else 'no token'}"
            )
        return f"enabled: {held}; annotations: {self._manager.annotations(secret)}"

    def _usable(self, secret: str, payload: bytes) -> bool:
        token = self._token(payload.decode(errors="replace").strip())
        if not token or not token.long_lived or token.person is not self.accounts[secret]:
            return False
        return token.cause_of_death(self._threads.clock.now()) is None

    def life_left(self, secret: str) -> timedelta | None:
        """Give how long the newest own token still lives, None where there is none."""
        payloads = self._manager.payloads(secret)
        usable = [payload for number, payload in sorted(payloads.items()) if self._usable(secret, payload)]
        token = self._token(usable[-1].decode().strip()) if usable else None
        return token.expires_at - self._threads.clock.now() if token else None

    # Small things

    def _seen(self, secret: str) -> tuple[dict[int, str], dict[str, str]]:
        return self._manager.states(secret), self._manager.labels(secret)

    def token(self, payload: bytes) -> Token | None:
        return self._token(payload.decode(errors="replace").strip())

    def _token(self, value: str) -> Token | None:
        return self._threads.tokens.get(value)

    def _secret_of(self, person: Person) -> str:
        return next((secret for secret, owner in self.accounts.items() if owner is person), "")
