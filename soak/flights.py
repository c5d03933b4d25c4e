"""Tokens that Threads has made and the store has not, while the old one is dead: on their way, and all there is.

A keeper can lose one of them without a fault of its own. The reasons, and there are no others:

- the reply of the refresh got lost, or the process was killed;
- Secret Manager refused it: for seven minutes and for good, or "not now" until the end of the run;
- Threads said that it is somebody else's, or that the dead token still lives;
- somebody took the used version away while it was being refreshed.

Which of these it was is seen at the wire, not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from soak.processes import Process
from soak.violation import Violation
from soak.weather import FINAL_CODES, KILL, SPOILT_REPLIES, TIMEOUT, Mishap

RUN = 1500.0  # seconds after which a run must have ended
AT_THE_END = 20.0  # seconds: the pause before another try, and the try
REFUSED_FOR = 400.0  # seconds for which a refusal may be a right that is late
REFUSED = "Secret Manager refused it for as long as it was tried"
# Replies of `/me` that make a dead token look alive, or look like another account's.
_LIES = ("permission", "permission_200", "permission_299", "another_person")


@dataclass
class Flight:
    """One token on its way. `old` is the dead one that it was made of."""

    secret: str
    token: str
    old: str
    process: Process
    reason: str | None = None
    failures: tuple[float, float] | None = None  # when adding it failed first and last
    refused: bool = False  # whether it failed in the end for good
    to_the_end: bool = False  # whether it was tried until the run had to end

    def __post_init__(self) -> None:
        self.run = self.process, self.process.began

    def failed(self, mishap: Mishap | None, now: float) -> None:
        """Note that adding it failed."""
        self.failures = (self.failures[0] if self.failures else now, now)
        self.refused = mishap is not None and mishap.name in FINAL_CODES
        self.to_the_end = now >= self.process.began + RUN - AT_THE_END

    def was_tried_for_long(self) -> bool:
        first, last = self.failures or (0.0, 0.0)
        return self.to_the_end or (self.refused and last - first >= REFUSED_FOR)


class Flights:
    """All tokens that are on their way."""

    def __init__(self) -> None:
        self._flights: list[Flight] = []
        self.excused: Counter[str] = Counter()
        self._cost: Counter[tuple[Process, float]] = Counter()  # by run

    def begin(self, flight: Flight, mishap: Mishap | None) -> None:
        """Note that a refresh has ended the old token."""
        if mishap and (mishap.name in SPOILT_REPLIES or mishap.name == TIMEOUT):
            flight.reason = "the reply got lost"
        if mishap and mishap.name == KILL:
            flight.reason = "killed"
        self._flights.append(flight)

    def asked_who(self, token: str, mishap: Mishap | None) -> None:
        """Note what `/me` said of a token."""
        for flight in self._flights:
            if flight.token == token and mishap and mishap.name == "another_person":
                flight.reason = flight.reason or "Threads said that it is somebody else's"
            if flight.old == token and mishap and mishap.name in _LIES:
                flight.reason = flight.reason or "Threads said that the dead token lives"

    def changed_by_hand(self, secret: str, held: Collection[str]) -> None:
        """Note that only these tokens are in enabled versions now: what a refresh is using may have been taken away."""
        for flight in self._of(secret):
            if flight.old not in held:
                flight.reason = flight.reason or "taken away while it was being refreshed"

    def not_added(self, token: str, mishap: Mishap | None, now: float) -> None:
        for flight in self._flights:
            if flight.token == token:
                flight.failed(mishap, now)

    def landed(self, token: str) -> None:
        self._flights = [one for one in self._flights if one.token != token]

    def ended(self, process: Process) -> None:
        """Note that a process is over: what it had on its way has a reason now, or is a loss at the next check."""
        for flight in self._flights:
            if flight.process is process and process.dead:
                flight.reason = flight.reason or "killed"
            if flight.process is process and flight.was_tried_for_long():
                flight.reason = flight.reason or REFUSED
        self._flights = [one for one in self._flights if one.process is not process or one.reason]

    def close(self, secret: str, lost: bool) -> bool:
        """Forget what is on its way to a secret; return whether a loss there had a reason."""
        found = [flight for flight in self._of(secret) if flight.reason]
        self._flights = [one for one in self._flights if one.secret != secret]
        if lost and found:
            self._count(found[-1])
        return bool(found)

    def _count(self, flight: Flight) -> None:
        self.excused[str(flight.reason)] += 1
        if flight.reason == REFUSED:
            self._cost[flight.run] += 1
            if self._cost[flight.run] > 1 and not flight.refused:
                raise Violation("a store that took nothing cost one run more than one account")

    def _of(self, secret: str) -> list[Flight]:
        return [flight for flight in self._flights if flight.secret == secret]
