"""The stage of one seed: both sandboxes, the two functions, the weather and the model, in simulated time.

The functions are the real ones, behind their real entry points; the official client and `requests` talk to the
sandboxes over real sockets. Only the time is simulated, and crashes are exceptions that nothing can handle.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import grpc
from werkzeug.test import Client

import main
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from soak import processes
from soak.model import Model
from soak.processes import Process
from soak.simulated_time import SimulatedClock
from soak.telling import Telling
from soak.weather import KILL, TIMEOUT, Mishap, Weather
from soak.wire import STORE, THREADS, Call, ThreadsWire, store_wire
from token_keeper import web
from token_keeper.clients import Clients
from token_keeper.errors import LostReply, ThreadsUnavailable
from token_keeper.limits import Limits

APP_ID, APP_SECRET = "1234567890", "soak-app-secret"
PUBLIC_URL = "https://keeper.example"
PROJECT = "demo"
ROUND_TRIP = timedelta(milliseconds=25)


@dataclass
class Report:
    """What a seed went through."""

    seed: int
    account_days: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    longest_outage: float = 0.0
    longest_silence: float = 0.0
    seconds: float = 0.0
    violation: str | None = None


class Stage:
    """Replaces the time and the connections of the process, so it needs a process of its own."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        random.seed(seed)  # the jitter of retries
        self.clock = SimulatedClock(processes.pause)
        self.threads = LocalThreads(self.clock, app_id=APP_ID, app_secret=APP_SECRET, readable_tokens=True)
        self.manager = SecretManager(self.clock)
        self.model = Model(self.threads, self.manager)
        self.weather = Weather(self.rng)
        self.report = Report(seed)
        self.homes: dict[str, str] = {}  # the username that each secret is named after
        self.step = 0
        self._functions: dict[tuple[str, int], Client] = {}
        self._turn_switches()
        self.telling = Telling(self.model, self.manager, self.weather, timedelta(hours=self.refresh_after))

    # What the functions are asked

    def alone(self, process: Process, work: Callable[[], object]) -> None:
        """Run one process to its end, and check what it left."""
        processes.run(process, work)
        self._settle([process])

    def together(self, jobs: Sequence[tuple[Process, Callable[[], object]]]) -> None:
        """Run several processes that take turns, and check what they left."""
        processes.run_together(self.rng, jobs)
        self._settle([process for process, _ in jobs])

    def _settle(self, ended: list[Process]) -> None:
        for process in ended:
            if process.dead:
                self._functions.clear()  # a new process has nothing of the old one's memory
            self.model.ended(process)
        self.model.check()

    def function(self, target: str, instance: int = 0) -> Client:
        """Return an instance of a function, started if need be."""
        if (target, instance) not in self._functions:
            function = (main.OAuth if target == "oauth" else main.Refresh)(self._clients())
            self._functions[target, instance] = Client(web.Application(function))
        return self._functions[target, instance]

    def _clients(self) -> Clients:
        """Return clients of a new process. It has one worker: several would race each other, differently each time."""
        connect_threads, connect_store = partial(ThreadsWire, self.boundary), partial(store_wire, self.boundary)
        return Clients(Limits(workers=1), self.clock, connect_threads, connect_store, processes.at_once)

    # Every remote call of the functions

    def boundary(self, call: Call, proceed: Callable[[], Any]) -> Any:
        process = processes.current()
        if process is None:
            return proceed()
        processes.pause()
        if process.dead:
            raise processes.Killed
        self.step += 1
        self.report.counted["remote calls"] += 1
        self.clock.forward(ROUND_TRIP)
        mishap = self.weather.mishap(call, process, self.clock.monotonic(), self.model.secret_of(call))
        self.model.before(call, process)
        try:
            return self._perform(call, proceed, mishap, process)
        finally:
            self.model.after(call, process, mishap, self.clock.monotonic())
            if call.side == STORE:  # a reply of Threads is still to be read, and must not seem to take minutes
                processes.pause()

    def _perform(self, call: Call, proceed: Callable[[], Any], mishap: Mishap | None, process: Process) -> Any:
        if mishap is None:
            return proceed()
        if (mishap.name, mishap.when) == (KILL, "before"):
            raise process.die()
        if mishap.name == "connect":
            self.clock.forward(timedelta(seconds=5))
            raise ThreadsUnavailable("Threads could not be reached.")
        if (mishap.name, mishap.when) == (TIMEOUT, "before"):
            self.clock.forward(timedelta(seconds=15))
            raise LostReply("Threads did not answer.")
        self._arrange(call, mishap)
        reply = proceed()
        self.threads.control.clear_faults() if call.side == THREADS else self.manager.heal()
        if mishap.name == TIMEOUT:
            self.clock.forward(timedelta(seconds=15))
            raise LostReply("Threads did not answer.")
        if mishap.name == KILL:
            raise process.die()
        return reply

    def _arrange(self, call: Call, mishap: Mishap) -> None:
        if mishap.name in (KILL, TIMEOUT):
            return
        if call.side == THREADS:
            codes: dict[str, Any] = {"code": mishap.code, "subcode": mishap.subcode}
            self.threads.control.fail(call.name, mishap.name, seconds=0.0, **codes)  # late, without the wait
        elif mishap.name == "corrupt":
            self.manager.corrupt()
        else:
            self.manager.fail(call.name, grpc.StatusCode[mishap.name], mishap.when)

    # The set-up of a seed

    def _turn_switches(self) -> None:
        rng = self.rng
        same = rng.random() < 0.25
        self.refresh_after = rng.choice((24, 168, 168, 168))
        self.threads.control.turn(
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

    def set_environment(self) -> None:
        os.environ.update(
            GOOGLE_CLOUD_PROJECT=PROJECT,
            SECRET_MANAGER_EMULATOR_HOST=self.manager.address,
            THREADS_APP_ID=APP_ID,
            THREADS_APP_SECRET=APP_SECRET,
            PUBLIC_URL=PUBLIC_URL,
            THREADS_API_URL=self.threads.url,
            REFRESH_AFTER_HOURS=str(self.refresh_after),
        )
