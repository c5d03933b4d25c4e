"""What goes wrong, when: passing faults, lost replies, quotas, kills, and outages of up to 59 days of either side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

import grpc

from sandbox.secret_manager.quota import Quota
from sandbox.threads.faults import CALLS, MANNERS, Fault
from sandbox.threads.refusals import REFUSALS
from soak.processes import Process
from soak.simulated_time import START
from soak.wire import STORE, THREADS, Call

# A hang is played as a timeout.
UNPLAYED = ("hang", "float_lifetime", "no_lifetime", "no_username")
When = Literal["before", "after"]
LOST, TIMEOUT, KILL = "lost_reply", "timeout", "kill"
# The reply is not what was asked for, but Threads has done what was asked.
SPOILT_REPLIES = ("lost_reply", "truncated")
CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
)
_MIXES = {"calm": (0.0, 0.0), "breezy": (0.02, 0.002), "stormy": (0.15, 0.01), "deadly": (0.03, 0.05)}


@dataclass(frozen=True)
class Trouble:
    """What happens to one call: a fault's name or a gRPC code's, and on which side of the call's effect."""

    name: str
    when: When = "before"
    outage: bool = False


@dataclass
class Outage:
    """One side, or one of its calls, fails until `ends`."""

    side: str
    call: str | None
    trouble: Trouble
    ends: datetime

    def hits(self, call: Call) -> bool:
        return call.side == self.side and self.call in (None, call.name)


class Weather:
    """Chooses a trouble for each remote call. Seeded, so that it comes the same way again."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.outage: Outage | None = None
        self._calm_until = START
        self.quiet = False
        self.counted: Counter[str] = Counter()
        self._lasting: list[tuple[Call, Trouble, int]] = []
        self._fault_rate = self._kill_rate = 0.0

    def new_day(self, now: datetime) -> Quota | None:
        """Choose the day's mix; give its quota."""
        mix = self._rng.choices(list(_MIXES), (5, 4, 2, 1))[0]
        self._fault_rate, self._kill_rate = (0.0, 0.0) if self.quiet or now < self._calm_until else _MIXES[mix]
        self._lasting.clear()
        if self.outage and (self.quiet or now >= self.outage.ends):
            self.outage = None
        if self.quiet or now < self._calm_until or self._rng.random() < 0.8:
            return Quota()
        return Quota(read=self._rng.randint(20, 600), write=self._rng.randint(20, 600))

    def begin_outage(self, now: datetime, at_most: timedelta) -> timedelta:
        """Choose an outage that ends in time for the oldest token; give how long it lasts."""
        days = min(self._rng.choice((0.2, 1, 3, 10, 30, 59)) * self._rng.uniform(0.9, 1.0), at_most / timedelta(days=1))
        side, call, trouble = self._rng.choice(
            (
                (THREADS, None, Trouble("connect", outage=True)),
                (THREADS, None, Trouble("connect", outage=True)),
                (THREADS, None, Trouble("unavailable", outage=True)),
                (THREADS, "refresh", Trouble("throttled", outage=True)),
                (THREADS, "refresh", Trouble("html_502", outage=True)),
                (THREADS, "debug", Trouble("unknown_error", outage=True)),
                (STORE, None, Trouble("UNAVAILABLE", outage=True)),
                (STORE, None, Trouble("RESOURCE_EXHAUSTED", outage=True)),
                (STORE, "AccessSecretVersion", Trouble("UNAVAILABLE", outage=True)),
                (STORE, "UpdateSecret", Trouble("UNAVAILABLE", outage=True)),
                (STORE, "DestroySecretVersion", Trouble("PERMISSION_DENIED", outage=True)),
            )
        )
        self.outage = Outage(side, call, trouble, now + timedelta(days=days))
        # It may end two days before the oldest token does, or six before that of a person who must come: undisturbed
        # runs must be had, or nobody could.
        self._calm_until = self.outage.ends + timedelta(days=5)
        self.counted["outages"] += 1
        return timedelta(days=days) if call in (None, "refresh", "AccessSecretVersion") else timedelta()

    def trouble(self, call: Call, process: Process) -> Trouble | None:
        """Choose what happens to this call."""
        chosen = self._choose(call, process)
        if chosen:
            self.counted["crashes" if chosen.name == KILL else "faults"] += 1
        return chosen

    def _choose(self, call: Call, process: Process) -> Trouble | None:
        if self.quiet:
            return None
        if self.outage and self.outage.hits(call):
            return self.outage.trouble
        rng = self._rng
        if rng.random() < self._kill_rate:
            return Trouble(KILL, rng.choice(("before", "after")))
        for at, (hit, trouble, left) in enumerate(self._lasting):
            if (hit.name, hit.token, hit.secret) == (call.name, call.token, call.secret):
                self._lasting[at] = (hit, trouble, left - 1)
                if left <= 1:
                    del self._lasting[at]
                return trouble
        if rng.random() >= self._fault_rate:
            return None
        trouble = self._threads(call, process) if call.side == THREADS else self._store(call)
        if rng.random() < 0.4 and trouble.name != "another_person":
            self._lasting.append((call, trouble, rng.choice((1, 2, 2, 5, 40))))
        return trouble

    def _threads(self, call: Call, process: Process) -> Trouble:
        name = self._rng.choice([*_threads_faults(call.name), "connect", TIMEOUT, TIMEOUT, LOST, LOST, LOST])
        if name == "another_person":
            # Two lies that agree with each other are a truth to whoever asks; one is what must not get through.
            if process.lied_to:
                return Trouble("unavailable")
            process.lied_to = True
        return Trouble(name, self._rng.choice(("before", "after")) if name == TIMEOUT else "before")

    def _store(self, call: Call) -> Trouble:
        if call.name == "AccessSecretVersion" and self._rng.random() < 0.2:
            return Trouble("corrupt", "after")
        return Trouble(self._rng.choice(CODES).name, self._rng.choice(("before", "after")))


def _threads_faults(call: str) -> list[str]:
    found = []
    for name in [*REFUSALS, *MANNERS]:
        try:
            Fault(call, name)
        except ValueError:
            continue
        if name not in UNPLAYED:
            found.append(name)
    assert call in CALLS
    return found
