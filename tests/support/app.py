"""The app and the deployment that the tests assume, and the two functions as functions-framework serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from flask.testing import FlaskClient

ROOT = Path(__file__).parent.parent.parent
MAIN = ROOT / "main.py"
APP_ID, APP_SECRET = "1234567890", "sandbox-app-secret"
ACCOUNT_LABELS = {"managed-by": "threads-token-keeper"}
PUBLIC_URL = "https://keeper.example"
# Nobody waits in a test: pauses before another try are short, and Google's quota is large.
SHORT = {
    "backoff": 0.001,
    "settling": 0.3,
    "sign_in_patience": 3.0,
    "run_patience": 3.0,
    "refusal_patience": 1.0,
    "quota": 600_000,
}


def serve(target: str, **limits: Any) -> FlaskClient:
    """Return a new instance of a function, with short limits and those given. It reads them as it is loaded."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEEPER_LIMITS", json.dumps({**SHORT, **limits}))
        return functions_framework.create_app(target, str(ROOT / "sandbox" / "functions.py")).test_client()
