"""The fixtures of the Threads client's tests."""

from __future__ import annotations

import pytest

from tests.threads_client.server import client_of
from token_keeper.threads import ThreadsClient


@pytest.fixture
def client() -> ThreadsClient:
    return client_of("https://graph.threads.com")
