"""The functions' processes: each dies at a remote call when told to, and several can take turns there.

Only one runs at a time and a seeded choice says which, so every interleaving can be played again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing of it may handle this."""


@dataclass(eq=False)
class Process:
    """One call of a function. `kind` is refresh, look, sign_in or remove."""

    kind: str
    dead: bool = False
    lied_to: bool = False
    error: BaseException | None = None
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), repr=False)
    _paused: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), repr=False)
    taking_turns: bool = False
    done: bool = False

    def die(self) -> Killed:
        self.dead = True
        return Killed()


def current() -> Process | None:
    """Give the process that is making this call, on whichever of its threads."""
    return _current.get()


def pause() -> None:
    """Let the others have a turn, if there are others."""
    process = _current.get()
    if process and process.taking_turns:
        process._paused.release()
        process._turn.acquire()


def run(process: Process, work: Callable[[], None]) -> None:
    """Run one process to its end, alone."""
    token = _current.set(process)
    try:
        work()
    except Killed:
        process.dead = True
    finally:
        process.done = True
        _current.reset(token)


def run_together(rng: Random, jobs: Sequence[tuple[Process, Callable[[], None]]]) -> None:
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


def _take_turns(process: Process, work: Callable[[], None]) -> None:
    process._turn.acquire()
    try:
        run(process, work)
    except BaseException as error:  # shown by the thread that waits for all
        process.error = error
    process._paused.release()
