"""The fixtures of the sign-in tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def limits() -> dict[str, Any]:
    """Shorten the client's waiting. The tests check that it ends, not when."""
    return {"read_timeout": 1.0, "attempts": 2}
