"""The fixtures of the Threads client's tests."""

from __future__ import annotations

import pytest

from token_keeper.threads import ThreadsClient


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that a server has to answer."""
    monkeypatch.setattr("token_keeper.threads.CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr("token_keeper.threads.READ_TIMEOUT", 0.3)


@pytest.fixture(scope="module")
def client() -> ThreadsClient:
    return ThreadsClient("https://graph.threads.com")
