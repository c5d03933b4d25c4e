"""The fixtures of the attacks. They check after each test that the function is well and logged no traceback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.attack.target import Target
from tests.support.app import APP_ID, APP_SECRET


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    clock = Clock()
    log = tmp_path_factory.mktemp("attack") / "log"
    with (
        LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET) as threads,
        SecretManager(clock) as manager,
    ):
        target = Target(threads, manager, log)
        try:
            yield target
        finally:
            target.stop()


@pytest.fixture
def target(served: Target) -> Iterator[Target]:
    """The served function. After each test it must still answer, and must have logged no traceback."""
    before = served.log.stat().st_size
    yield served
    assert served.ask("/").status == 200
    logged = served.log.read_text(errors="replace")[before:]
    assert "Traceback" not in logged


@pytest.fixture
def nothing_changes(target: Target) -> Iterator[Target]:
    """The served function. The test must cause no write in Secret Manager and send no code to Threads."""
    before = target.writes(), target.spent_codes()
    yield target
    assert (target.writes(), target.spent_codes()) == before
