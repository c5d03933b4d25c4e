"""The functions' processes: each dies at a remote call when told to, and several can take turns there.

Only one runs at a time and a seeded choice says which, so every interleaving can be played again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

T = TypeVar("T")

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Killed(BaseException):
    """The process is gone. This is no Exception, so that no code in the process catches it."""


@dataclass(eq=False)
class Process:
    """One call of a function, or what somebody does by hand. `kind` is refresh, look, sign_in, remove or operator.

    `began` is when its request came, by the simulated clock, `answered` is whether its run went through, `account` is
    the secret that it works on. Until the next request it collects the secrets whose calls were disturbed, the versions
    that it stored in each, and the usernames that an ERROR was logged for. `listed` is what it saw when it listed the
    versions of a secret last: the tokens of the enabled ones. `buried` is living tokens that it has stored another one
    over, until it stores them again.
    """

    kind: str
    dead: bool = False
    lied_to: bool = False
    began: float = 0.0
    answered: bool = False
    account: str = ""
    disturbed: set[str] = field(default_factory=set)
    stored: dict[str, set[int]] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)
    listed: dict[str, dict[int, str]] = field(default_factory=dict)
    buried: dict[str, str] = field(default_factory=dict)
    error: BaseException | None = None
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), repr=False)
    _paused: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), repr=False)
    taking_turns: bool = False
    done: bool = False

    def begin(self, now: float) -> None:
        """Begin to answer a request."""
        self.began, self.answered, self.account = now, False, ""
        for collected in (self.disturbed, self.stored, self.errors, self.listed, self.buried):
            collected.clear()

    def die(self) -> Killed:
        self.dead = True
        return Killed()


def current() -> Process | None:
    """Return the process that is making this call, on whichever of its threads."""
    return _current.get()


def pause() -> None:
    """Leave the turn to the others, if there are others."""
    process = _current.get()
    if process and process.taking_turns:
        process._paused.release()
        process._turn.acquire()


def at_once(work: Callable[[], T]) -> Future[T]:
    """Run now what the functions run in a second thread: with threads no life could be repeated."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future


def run(process: Process, work: Callable[[], object]) -> None:
    """Run one process to its end, alone."""
    token = _current.set(process)
    try:
        work()
    except Killed:
        process.dead = True
    finally:
        process.done = True
        _current.reset(token)


def run_together(rng: Random, jobs: Sequence[tuple[Process, Callable[[], object]]]) -> None:
    """Run processes to their ends, each a few remote calls at a time."""
    waiting: list[Process] = []
    for process, work in jobs:
        process.taking_turns = True
        threading.Thread(target=_take_turns, args=(process, work), daemon=True).start()
        waiting.append(process)
    while waiting:
        process = rng.choice(waiting)
        process._turn.release()
        process._paused.acquire()
        if process.done:
            waiting.remove(process)
    for process, _ in jobs:
        if process.error:
            raise process.error


def _take_turns(process: Process, work: Callable[[], object]) -> None:
    process._turn.acquire()
    try:
        run(process, work)
    except BaseException as error:  # shown by the thread that waits for all
        process.error = error
    process._paused.release()
