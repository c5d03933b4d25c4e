"""The fixtures of the local Threads' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, SECRET


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(clock: Clock) -> Iterator[LocalThreads]:
    with LocalThreads(clock, app_id=APP, app_secret=SECRET, readable_tokens=True) as running:
        yield running
