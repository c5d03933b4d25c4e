"""Work in a thread of its own: to be waited for later, or not longer than a deadline."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")


class Meanwhile(Protocol):
    """Starts some work and returns what it will return."""

    def __call__(self, work: Callable[[], T]) -> Future[T]: ...


def started(work: Callable[[], T]) -> Future[T]:
    """Start `work` in a thread that keeps no process alive, and return what it will return."""
    future: Future[T] = Future()
    threading.Thread(target=contextvars.copy_context().run, args=(_run, work, future), daemon=True).start()
    return future


def _run(work: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # handed to whoever waits
        future.set_exception(error)
        del future  # its error knows this frame: a circle would keep open what a failed call holds, such as a socket


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise TimeoutError if it takes longer: it then goes on, and nobody waits."""
    return started(work).result(timeout=seconds)
