"""Work in a thread of its own: what it leaves behind."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress

from tests.support.processes import until
from token_keeper.deadline import within


class Held:
    """What some work holds, such as a socket."""


def test_work_that_failed_keeps_nothing_of_what_it_held() -> None:
    seen: list[weakref.ref[Held]] = []

    def work() -> None:
        held = Held()
        seen.append(weakref.ref(held))
        raise ValueError

    gc.disable()  # it would find a circle some time later
    try:
        with suppress(ValueError):
            within(5, work)
        until(lambda: seen[0]() is None, seconds=2)
    finally:
        gc.enable()
