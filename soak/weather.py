"""What goes wrong, when: passing faults, lost replies, late rights, quotas, kills, and outages of up to 59 days."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from sandbox.secret_manager.quota import Quota
from sandbox.threads.faults import CALLS, CUSTOM, MANNERS, Fault
from sandbox.threads.refusals import REFUSALS
from soak.processes import Process
from soak.simulated_time import START
from soak.wire import STORE, THREADS, Call

When = Literal["before", "after"]
LOST, TIMEOUT, KILL = "lost_reply", "timeout", "kill"
# The reply is not what was asked for, but Threads has done what was asked.
SPOILT_REPLIES = ("lost_reply", "truncated")
# Codes of Secret Manager that say no; the others say "not now".
FINAL_CODES = ("PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION", "NOT_FOUND")
_CODES = (
    *("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "CANCELLED", "ABORTED"),
    *FINAL_CODES,
)
# Codes and subcodes that are on no list of Meta's errors.
UNCLEAR = ((100, 33), (803, None), (2500, None), (9999, None), (27, 1))
_MIXES = {"calm": (0.0, 0.0), "breezy": (0.02, 0.002), "stormy": (0.15, 0.01), "deadly": (0.03, 0.05)}
_RIGHTS = ("AddSecretVersion", "UpdateSecret")


@dataclass(frozen=True)
class Mishap:
    """What happens to one call: a fault's name or a gRPC code's, and on which side of the call's effect.

    `code` and `subcode` are those of an error that is on no list.
    """

    name: str
    when: When = "before"
    code: int | None = None
    subcode: int | None = None

    @property
    def is_unclear(self) -> bool:
        return self.name == CUSTOM


@dataclass(frozen=True)
class Kind:
    """A kind of outage: one side, or some of its calls, fails, for all or for one account only.

    `days` is how long it lasts at most.
    """

    side: str
    calls: tuple[str, ...]
    mishap: Mishap
    days: float = 59.0
    for_one: bool = False


@dataclass(frozen=True)
class Outage:
    """`secret` is that of the only account concerned, None if it is all."""

    kind: Kind
    ends: datetime
    secret: str | None

    def hits(self, call: Call, secret: str) -> bool:
        if self.secret not in (None, secret):
            return False
        return call.side == self.kind.side and (not self.kind.calls or call.name in self.kind.calls)

    @property
    def is_unclear(self) -> bool:
        """Whether Threads refuses, and `/me` does too, without a clear word."""
        return self.kind.mishap.is_unclear and {"refresh", "me"} <= set(self.kind.calls)


@dataclass
class LateRights:
    """A right, or a credential, that comes `seconds` after the first write that wanted it."""

    mishap: Mishap
    seconds: float
    ends: float | None = None

    def hits(self, call: Call, now: float) -> bool:
        if call.name not in _RIGHTS:
            return False
        self.ends = self.ends or now + self.seconds
        return now < self.ends


class Weather:
    """Chooses a mishap for each remote call. Seeded, so that it comes the same way again."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.outage: Outage | None = None
        self.locked: set[str] = set()  # secrets whose encryption key is gone
        self.quiet = False
        self.counted: Counter[str] = Counter()
        self._calm_until = START
        self._lasting: list[tuple[Call, Mishap, int]] = []
        self._late: LateRights | None = None
        self._fault_rate = self._kill_rate = 0.0

    def new_day(self, now: datetime) -> Quota | None:
        """Choose the day's mix; return its quota."""
        mix = self._rng.choices(list(_MIXES), (5, 4, 2, 1))[0]
        if self.outage and (self.quiet or now >= self.outage.ends):
            self.outage = None
        calm = self.quiet or now < self._calm_until
        self._fault_rate, self._kill_rate = (0.0, 0.0) if calm else _MIXES[mix]
        self._lasting.clear()
        self._late = None if calm or self._rng.random() < 0.9 else self._late_rights()
        if calm or self._rng.random() < 0.8:
            return Quota()
        return Quota(read=self._rng.randint(20, 600), write=self._rng.randint(20, 600))

    def _late_rights(self) -> LateRights:
        self.counted["late rights"] += 1
        code = self._rng.choice(("PERMISSION_DENIED", "UNAUTHENTICATED"))
        return LateRights(Mishap(code), self._rng.choice((1, 20, 120, 400)))

    def begin_outage(self, now: datetime, at_most: timedelta, secrets: list[str]) -> timedelta:
        """Choose an outage that ends in time for the oldest token; return how long it lasts."""
        kind = self._rng.choice(self._kinds())
        days = self._rng.choice((0.2, 1, 3, 10, 30, 59)) * self._rng.uniform(0.9, 1.0)
        lasts = min(timedelta(days=min(days, kind.days)), at_most)
        self.outage = Outage(kind, now + lasts, self._rng.choice(secrets) if kind.for_one else None)
        # It may end two days before the oldest token does, or six before that of a person who must come: undisturbed
        # runs must be had, or nobody could.
        self._calm_until = self.outage.ends + timedelta(days=5)
        self.counted["outages"] += 1
        self.counted[f"outage of {kind.side}: {'+'.join(kind.calls) or 'all'}"] += 1
        return lasts

    def _kinds(self) -> list[Kind]:
        code, subcode = self._rng.choice(UNCLEAR)
        unclear, write = Mishap(CUSTOM, code=code, subcode=subcode), ("AddSecretVersion",)
        return [
            *[Kind(THREADS, (), Mishap("connect"))] * 2,
            Kind(THREADS, (), Mishap("unavailable")),
            Kind(THREADS, ("refresh",), Mishap("throttled")),
            Kind(THREADS, ("refresh",), Mishap("html_502")),
            Kind(THREADS, ("refresh",), unclear),
            Kind(THREADS, ("refresh", "me"), unclear),
            *[Kind(THREADS, ("refresh", "me"), unclear, for_one=True)] * 2,
            Kind(THREADS, ("me",), unclear),
            Kind(THREADS, ("me",), Mishap("invalid_token"), days=1),
            Kind(THREADS, ("debug",), Mishap("unknown_error")),
            Kind(THREADS, ("debug",), unclear),
            Kind(STORE, (), Mishap("UNAVAILABLE")),
            Kind(STORE, (), Mishap("RESOURCE_EXHAUSTED")),
            Kind(STORE, ("AccessSecretVersion",), Mishap("UNAVAILABLE")),
            Kind(STORE, ("UpdateSecret",), Mishap("UNAVAILABLE")),
            Kind(STORE, ("DestroySecretVersion",), Mishap("PERMISSION_DENIED")),
            *[Kind(STORE, write, Mishap("UNAVAILABLE"), days=3)] * 2,
            Kind(STORE, write, Mishap("PERMISSION_DENIED"), days=3),
            Kind(STORE, (*write, "UpdateSecret"), Mishap("UNAUTHENTICATED"), days=1),
        ]

    def mishap(self, call: Call, process: Process, now: float, secret: str) -> Mishap | None:
        """Choose what happens to this call, which is about this secret."""
        chosen = self._choose(call, process, now, secret)
        if chosen:
            self.counted["crashes" if chosen.name == KILL else "faults"] += 1
        return chosen

    def _choose(self, call: Call, process: Process, now: float, secret: str) -> Mishap | None:
        if call.side == STORE and call.secret in self.locked and call.name in ("AccessSecretVersion", _RIGHTS[0]):
            return Mishap("FAILED_PRECONDITION")
        if self.quiet:
            return None
        if self.outage and self.outage.hits(call, secret):
            return self.outage.kind.mishap
        if self._late and self._late.hits(call, now):
            return self._late.mishap
        if self._rng.random() < self._kill_rate:
            return Mishap(KILL, self._rng.choice(("before", "after")))
        return self._repeated(call) or self._random(call, process)

    def _repeated(self, call: Call) -> Mishap | None:
        for at, (hit, mishap, left) in enumerate(self._lasting):
            if (hit.name, hit.token, hit.secret) == (call.name, call.token, call.secret):
                self._lasting[at] = (hit, mishap, left - 1)
                if left <= 1:
                    del self._lasting[at]
                return mishap
        return None

    def _random(self, call: Call, process: Process) -> Mishap | None:
        if self._rng.random() >= self._fault_rate:
            return None
        mishap = self._threads(call, process) if call.side == THREADS else self._store(call)
        if self._rng.random() < 0.4 and mishap.name != "another_person":
            self._lasting.append((call, mishap, self._rng.choice((1, 2, 2, 5, 40))))
        return mishap

    def _threads(self, call: Call, process: Process) -> Mishap:
        unlisted = [CUSTOM] * 3
        name = self._rng.choice([*_threads_faults(call.name), *unlisted, "connect", TIMEOUT, TIMEOUT, LOST, LOST, LOST])
        if name == CUSTOM:
            code, subcode = self._rng.choice(UNCLEAR)
            return Mishap(name, code=code, subcode=subcode)
        if name == "another_person":
            # A keeper can find one false reply, and not two that agree with each other: so a process gets one at most.
            if process.lied_to:
                return Mishap("unavailable")
            process.lied_to = True
        return Mishap(name, self._rng.choice(("before", "after")) if name == TIMEOUT else "before")

    def _store(self, call: Call) -> Mishap:
        if call.name == "AccessSecretVersion" and self._rng.random() < 0.2:
            return Mishap("corrupt", "after")
        return Mishap(self._rng.choice(_CODES), self._rng.choice(("before", "after")))


def _threads_faults(call: str) -> list[str]:
    found = []
    for name in [*REFUSALS, *MANNERS]:
        try:
            Fault(call, name)
        except ValueError:
            continue
        if name != "hang":  # played as a timeout
            found.append(name)
    assert call in CALLS
    return found
