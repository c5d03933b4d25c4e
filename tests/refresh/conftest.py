"""The fixtures of the `refresh` tests."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.refresh.world import ALICE, DAY, World


@pytest.fixture
def limits() -> dict[str, Any]:
    """Shorten the time that Threads has to answer."""
    return {"read_timeout": 1.0}


@pytest.fixture
def empty(refresh: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock) -> World:
    """A world in which nobody has signed in."""
    return World(refresh, threads, manager, clock)


@pytest.fixture
def world(empty: World) -> World:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    assert empty.run()["outcome"] == "refreshed"
    empty.clock.forward(2 * DAY)
    empty.threads.control.calls.clear()
    empty.manager.calls.clear()
    return empty
