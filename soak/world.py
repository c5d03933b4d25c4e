"""A world for the two functions to survive in: both sandboxes, simulated days, weather, people, and the model.

The functions are the real ones, behind their real entry points; the official client and `requests` talk to the
sandboxes over real sockets. Only the time is simulated, and crashes are exceptions that nothing can handle.
"""

from __future__ import annotations

import io
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import functions_framework
import grpc
import requests
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads import LocalThreads
from soak import processes, simulated_time, wire
from soak.model import Model, Violation
from soak.people import People
from soak.processes import Process
from soak.weather import KILL, TIMEOUT, Trouble, Weather
from soak.wire import STORE, THREADS, Call
from token_keeper import run

MAIN = Path(__file__).parent.parent / "main.py"
APP_ID, APP_SECRET = "1234567890", "soak-app-secret"
PUBLIC_URL = "https://keeper.example"
PROJECT = "demo"
ROUND_TRIP = timedelta(milliseconds=25)
FINE = ("refreshed", "too_young")
# What an outage leaves of a token's life. A private profile's grant may end meanwhile: then no refresh helps, and its
# owner must first be told, by one run, and come, on another day.
TO_BE_REFRESHED, TO_BE_SIGNED_IN = timedelta(days=2, hours=12), timedelta(days=6)
# In how many runs all must once be well. Any of them may be the one that tells another private profile to sign in.
QUIET_RUNS = 10


@dataclass
class Report:
    """What a seed went through."""

    seed: int
    account_days: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    longest_outage: float = 0.0
    seconds: float = 0.0
    violation: str | None = None


class World:
    """One seed's world. It takes over the process's time and wires, so it wants a process of its own."""

    def __init__(self, seed: int, accounts: int, days: int) -> None:
        self.seed, self.days = seed, days
        self.rng = Random(seed)
        random.seed(seed)  # the jitter of retries
        run.WORKERS = 1  # several at a time would race each other, differently each time
        self.clock = simulated_time.SimulatedClock()
        simulated_time.install(self.clock, processes.pause)
        wire.install(self.boundary)
        self.threads = LocalThreads(self.clock, app_id=APP_ID, app_secret=APP_SECRET, readable_tokens=True)
        self.manager = SecretManager(self.clock)
        # No destruction is delayed here, and looking for one at each call takes most of the time of a long life.
        self.manager._store._destroy_what_is_due = lambda: False  # type: ignore[method-assign]
        self.model = Model(self.threads, self.manager)
        self.weather = Weather(self.rng)
        self.report = Report(seed)
        self.step = 0
        self._functions: dict[tuple[str, int], FlaskClient] = {}
        self._calls = self.report.counted
        self._turn_switches()
        self.people = People(self, accounts)

    def live(self) -> Report:
        """Let all the days pass; the report tells of the first violation, if there is one."""
        started = time.perf_counter()
        log = _Log()
        with redirect_stdout(log), self.threads, self.manager:
            self._set_environment()
            try:
                self._days()
            except Violation as violation:
                day = self.clock.seconds() / 86400
                self.report.violation = f"seed {self.seed}, day {day:.2f}, step {self.step}: {violation}"
        self.report.excused.update(self.model.losses_excused)
        self._calls.update(self.weather.counted)
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
        self.report.account_days = int(self.clock.seconds() / 86400) * len(self.model.accounts)

    def _one_day(self) -> None:
        jobs = [(Process(kind), work) for kind, work in self.people.todays_doings()]
        posts = [(Process("refresh"), self._post(0))]
        if self.rng.random() < 0.2:
            posts.append((Process("refresh"), self._post(1)))
        if self.rng.random() < 0.3:
            self.together([*jobs, *posts])
        else:
            for job in [*jobs, *posts]:
                self.alone(*job)
        if self.rng.random() < 0.05:
            self.alone(Process("look"), self.look)

    def _begin_outage(self) -> None:
        rooms = [
            life - (TO_BE_SIGNED_IN if person.private else TO_BE_REFRESHED)
            for secret, person in self.model.accounts.items()
            if (life := self.model.life_left(secret))
        ]
        room = min(rooms, default=timedelta())
        if room > timedelta(hours=4):
            lasts = self.weather.begin_outage(self.clock.now(), room)
            self.report.longest_outage = max(self.report.longest_outage, lasts / timedelta(days=1))

    def _quiet(self) -> None:
        """No faults for a while, and people do what they are told: then everything must be in order."""
        self.weather.quiet = True
        self.manager.quota = None
        self.people.come_home()
        for round_ in range(QUIET_RUNS):
            self.clock.forward(timedelta(hours=self.refresh_after + 1))
            self.alone(Process("refresh"), self._post(0))
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
        if self.people.strange_marks(secret):
            raise Violation(f"{secret}: labels or annotations of others were changed")

    # What the functions are asked

    def alone(self, process: Process, work: Callable[[], None]) -> None:
        processes.run(process, work)
        self._settle([process])

    def together(self, jobs: list[tuple[Process, Callable[[], None]]]) -> None:
        processes.run_together(self.rng, jobs)
        self._settle([process for process, _ in jobs])

    def _settle(self, ended: list[Process]) -> None:
        for process in ended:
            if process.dead:
                self.model.died(process)
                self._functions.clear()  # a new process has nothing of the old one's memory
            self.model.ended(process)
        self.model.check()
        self.people.check_receipts()

    def _post(self, instance: int) -> Callable[[], None]:
        def post() -> None:
            for _ in range(self.rng.choice((1, 1, 2))):
                reply = self.function("refresh", instance).post("/")
                self._calls["runs"] += 1
                self.people.hear(reply.get_json())
                if reply.status_code != 503:
                    break
                self.clock.forward(timedelta(minutes=5))

        return post

    def look(self) -> None:
        self.function("refresh").get("/")

    def function(self, target: str, instance: int = 0) -> FlaskClient:
        """Give an instance of a function, started if need be."""
        if (target, instance) not in self._functions:
            app = functions_framework.create_app(target, str(MAIN))  # type: ignore[no-untyped-call]
            app.testing = True  # an unexpected exception ends the soak, rather than become a 500
            self._functions[target, instance] = app.test_client()
        return self._functions[target, instance]

    # Every remote call of the functions

    def boundary(self, call: Call, proceed: Callable[[], Any]) -> Any:
        process = processes.current()
        if process is None:
            return proceed()
        processes.pause()
        if process.dead:
            raise processes.Killed
        self.step += 1
        self._calls["remote calls"] += 1
        self.clock.forward(ROUND_TRIP)
        trouble = self.weather.trouble(call, process)
        was_alive = call.name == "refresh" and self.threads.platform.alive(call.token)
        self.model.before(call, process)
        reply = None
        try:
            reply = self._perform(call, proceed, trouble, process)
            return reply
        finally:
            self.model.after(call, process, trouble, self.clock.seconds())
            if call.name == "refresh":
                self.model.refreshed(call, process, trouble, was_alive)
            if call.name == "me":
                self.model.asked_who(call, trouble, answered=reply is not None and reply.status_code == 200)
            if call.side == STORE:  # a reply of Threads is still to be read, and must not seem to take minutes
                processes.pause()

    def _perform(self, call: Call, proceed: Callable[[], Any], trouble: Trouble | None, process: Process) -> Any:
        if trouble is None:
            return proceed()
        if (trouble.name, trouble.when) == (KILL, "before"):
            raise process.die()
        if trouble.name == "connect":
            self.clock.forward(timedelta(seconds=5))
            raise requests.exceptions.ConnectTimeout
        if (trouble.name, trouble.when) == (TIMEOUT, "before"):
            self.clock.forward(timedelta(seconds=15))
            raise requests.exceptions.ReadTimeout
        self._arrange(call, trouble)
        reply = proceed()
        self.threads.platform.clear_faults() if call.side == THREADS else self.manager.heal()
        if trouble.name == TIMEOUT:
            self.clock.forward(timedelta(seconds=15))
            raise requests.exceptions.ReadTimeout
        if trouble.name == KILL:
            raise process.die()
        return reply

    def _arrange(self, call: Call, trouble: Trouble) -> None:
        if trouble.name in (KILL, TIMEOUT):
            return
        if call.side == THREADS:
            self.threads.platform.fail(call.name, trouble.name, seconds=0.0)  # late, without the wait
        elif trouble.name == "corrupt":
            self.manager.corrupt()
        else:
            self.manager.fail(call.name, grpc.StatusCode[trouble.name], trouble.when)
        assert call.side in (THREADS, STORE)

    # The set-up of a seed

    def _turn_switches(self) -> None:
        rng = self.rng
        same = rng.random() < 0.25
        self.refresh_after = rng.choice((24, 168, 168, 168))
        self.threads.platform.turn(
            {
                "same_string": same,
                "old_token_dies": not same and rng.random() < 0.6,
                "debug_works": rng.random() < 0.7,
                "debug_user_id_matches": rng.random() < 0.8,
                "code_user_id_is_string": rng.random() < 0.5,
                "wrapped": rng.random() < 0.2,
                "expires_in": rng.choice((5184000, 5183944)),
                "too_young_shape": rng.choice((1, 2, 3, 4)),
                "too_young_code": rng.choice((100, 24, 1, 10, 190, 4, 2)),
            }
        )

    def _set_environment(self) -> None:
        os.environ.update(
            GOOGLE_CLOUD_PROJECT=PROJECT,
            SECRET_MANAGER_EMULATOR_HOST=self.manager.address,
            THREADS_APP_ID=APP_ID,
            THREADS_APP_SECRET=APP_SECRET,
            PUBLIC_URL=PUBLIC_URL,
            THREADS_API_URL=self.threads.url,
            REFRESH_AFTER_HOURS=str(self.refresh_after),
        )


def live(seed: int, accounts: int, days: int) -> Report:
    """Live one seed; for a process of its own."""
    return World(seed, accounts, days).live()


class _Log(io.TextIOBase):
    """What the functions log: nobody reads it here, but no token may be in it."""

    def write(self, text: str) -> int:
        if re.search(r"TH[a-z]|" + APP_SECRET, text):
            sys.stderr.write(text)
            raise Violation("a token or the app secret is in the log")
        return len(text)
