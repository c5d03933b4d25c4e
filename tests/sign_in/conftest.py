"""The fixtures of the sign-in tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the client's waiting. The tests check that it ends, not when."""
    monkeypatch.setattr("token_keeper.threads.READ_TIMEOUT", 1.0)
    monkeypatch.setattr("token_keeper.threads.ATTEMPTS", 2)
