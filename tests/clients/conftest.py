"""What the tests with clients of other people stand on: a local Secret Manager that holds two secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager


@pytest.fixture
def manager() -> Iterator[SecretManager]:
    with SecretManager(Clock()) as manager:
        manager.create("alice", labels={"team": "red"})
        manager.create("bob", labels={"team": "blue"})
        manager.add("alice", "token-1")
        yield manager
