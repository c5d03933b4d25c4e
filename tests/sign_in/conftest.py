"""The fixtures of the sign-in tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def limits() -> dict[str, Any]:
    """The client waits less. The tests check that it ends, not when."""
    return {"read_timeout": 1.0, "attempts": 2}
