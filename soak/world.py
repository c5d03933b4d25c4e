"""Days in the life of the two functions: weather, people, and the model that checks after each step."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import timedelta
from typing import Any

from soak import processes
from soak.people import People
from soak.processes import Process
from soak.stage import APP_SECRET, Report, Stage
from soak.violation import Violation

FINE = ("refreshed", "too_young")
# What an outage leaves of a token's life. A private profile's grant may end meanwhile: then no refresh helps, and its
# owner must first be told, by one run, and come, on another day.
TO_BE_REFRESHED, TO_BE_SIGNED_IN = timedelta(days=2, hours=12), timedelta(days=6)
# In how many runs all must once be well. Any of them may be the one that tells another private profile to sign in.
QUIET_RUNS = 10


class World:
    """One seed's world."""

    def __init__(self, seed: int, accounts: int, days: int) -> None:
        self.days = days
        self.stage = stage = Stage(seed)
        self.rng, self.clock, self.weather, self.report = stage.rng, stage.clock, stage.weather, stage.report
        self.threads, self.manager, self.model = stage.threads, stage.manager, stage.model
        self.people = People(stage, accounts)

    def live(self) -> Report:
        """Play all the days; the report names the first violation, if there is one."""
        started = time.perf_counter()
        log = _Log()
        with redirect_stdout(log), self.threads, self.manager:
            self.stage.set_environment()
            try:
                self._days()
            except Violation as violation:
                day = self.clock.monotonic() / 86400
                self.report.violation = f"seed {self.report.seed}, day {day:.2f}, step {self.stage.step}: {violation}"
        self.report.excused.update(self.model.flights.excused)
        self.report.counted.update(self.weather.counted + self.stage.telling.counted)
        self.report.longest_silence = self.stage.telling.longest_silence / timedelta(days=1)
        self.report.seconds = time.perf_counter() - started
        return self.report

    # Days

    def _days(self) -> None:
        self.people.settle()
        next_quiet = self.rng.randint(40, 80)
        for day in range(self.days):
            self.clock.forward(timedelta(hours=self.rng.choice((12, 20, 24, 24, 24, 28, 36))))
            self.manager.quota = self.weather.new_day(self.clock.now())
            if self.rng.random() < 0.03 and not self.weather.outage:
                self._begin_outage()
            self._one_day()
            if day % 10 == 9:
                self.model.check(iter(self.model.accounts))
            if day >= next_quiet and not self.weather.outage:
                self._quiet()
                next_quiet = day + self.rng.randint(40, 80)
        self.weather.outage = None
        self._quiet()
        self.report.account_days = int(self.clock.monotonic() / 86400) * len(self.model.accounts)

    def _one_day(self) -> None:
        jobs, together = self.people.todays_doings(), self.rng.random() < 0.3
        posts = [(Process("refresh"), self._post(0, alone=not together))]
        if self.rng.random() < 0.2:
            posts.append((Process("refresh"), self._post(1, alone=not together)))
        if together:
            self.stage.together([*jobs, *posts])
        else:
            for job in [*jobs, *posts]:
                self.stage.alone(*job)
        if self.rng.random() < 0.05:
            self.stage.alone(Process("look"), self._look)
        if self.rng.random() < 0.1 and not together:
            self._compare(posts[-1][0])

    def _compare(self, run: Process) -> None:
        """Look at the accounts when a run has just ended, while nothing disturbs."""
        if run.answered and "" not in run.disturbed:
            quota, self.manager.quota, self.weather.quiet = self.manager.quota, None, True
            self.stage.alone(
                Process("look"), lambda: self.stage.telling.check_look(self.people.told, run.disturbed, self._look())
            )
            self.manager.quota, self.weather.quiet = quota, False

    def _begin_outage(self) -> None:
        self.people.operators.mend(everything=True)  # or what is enabled later could end before the outage does
        rooms = [
            life - (TO_BE_SIGNED_IN if person.private else TO_BE_REFRESHED)
            for secret, person in self.model.accounts.items()
            if (life := self.model.life_left(secret))
        ]
        room = min(rooms, default=timedelta())
        if room > timedelta(hours=4):
            lasts = self.weather.begin_outage(self.clock.now(), room, list(self.model.accounts))
            self.report.longest_outage = max(self.report.longest_outage, lasts / timedelta(days=1))

    def _quiet(self) -> None:
        """No faults for a while, and people do what they are told: then everything must be in order."""
        self.weather.quiet = True
        self.manager.quota = None
        self.people.come_home()
        for round_ in range(QUIET_RUNS):
            self.clock.forward(timedelta(hours=self.stage.refresh_after + 1))
            self.stage.alone(Process("refresh"), self._post(0, alone=True))
            self.people.obey()
            if round_ >= 2 and all(outcome in FINE for outcome in self.people.told.values()):
                break
        for secret in self.model.accounts:
            self._check_order(secret)
        self.weather.quiet = False

    def _check_order(self, secret: str) -> None:
        model, outcome = self.model, self.people.told.get(secret, "nothing")
        if outcome not in FINE:
            raise Violation(f"{secret}: once quiet, still {outcome}. {model.describe(secret)}")
        if not model.whole(secret):
            raise Violation(f"{secret}: once quiet, no usable token. {model.describe(secret)}")
        payloads, facts = self.manager.payloads(secret), self.manager.annotations(secret)
        if facts.get("version") != str(max(payloads)) or max(payloads) != max(self.manager.states(secret)):
            raise Violation(f"{secret}: once quiet, the annotations are not of the newest. {model.describe(secret)}")
        token = model.token(payloads[max(payloads)])
        if not token or facts["expires-at"] > f"{token.expires_at + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}":
            raise Violation(f"{secret}: once quiet, the annotations promise too much. {model.describe(secret)}")
        if len(payloads) > 2:
            raise Violation(f"{secret}: once quiet, {len(payloads)} enabled versions. {model.describe(secret)}")
        if self.people.operators.strange_marks(secret):
            raise Violation(f"{secret}: labels or annotations of others were changed")

    # What the functions are asked

    def _post(self, instance: int, alone: bool) -> Callable[[], None]:
        def post() -> None:
            for _ in range(self.rng.choice((1, 1, 2))):
                if self._run(instance, alone) != 503:
                    break
                self.clock.forward(timedelta(minutes=5))

        return post

    def _run(self, instance: int, alone: bool) -> int:
        """Refresh all accounts, check what the reply says, and return its status."""
        process, telling = processes.current(), self.stage.telling
        assert process is not None
        process.begin(self.clock.monotonic())
        before = telling.complaints(self.clock.now())
        reply = self.stage.function("refresh", instance).post("/")
        self.report.counted["runs"] += 1
        body, outage = reply.get_json(), self.weather.outage
        self.people.hear(body)
        process.answered = "error" not in body
        if process.answered:
            unclear = outage is not None and outage.is_unclear and not self.weather.quiet
            telling.check(process, before, body, self.clock.now(), alone)
            telling.check_unclear(process, body, self.clock.now(), unclear and alone)
        return reply.status_code

    def _look(self) -> dict[str, Any]:
        body: dict[str, Any] = self.stage.function("refresh").get("/").get_json()
        return body


def live(seed: int, accounts: int, days: int) -> Report:
    """Play one seed; for a process of its own."""
    return World(seed, accounts, days).live()


class _Log(io.TextIOBase):
    """What the functions log. No token may be in it, and each process remembers whom an ERROR was about."""

    def write(self, text: str) -> int:
        if re.search(r"TH[a-z]|" + APP_SECRET, text):
            sys.stderr.write(text)
            raise Violation("a token or the app secret is in the log")
        if '"event": "bug"' in text:
            raise Violation(f"a bug: {text}")
        if '"severity": "ERROR"' in text and (process := processes.current()):
            process.errors.add(json.loads(text).get("username", ""))
        return len(text)
