"""The app and the deployment that the tests assume, and the two functions as functions-framework serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads

ROOT = Path(__file__).parent.parent.parent
MAIN = ROOT / "main.py"
APP_ID, APP_SECRET = "1234567890", "sandbox-app-secret"
ACCOUNT_LABELS = {"managed-by": "threads-token-keeper"}
PUBLIC_URL = "https://keeper.example"
# No test waits long: the pauses before another attempt are short, and Google's quota is large.
SHORT = {
    "backoff": 0.001,
    "settling": 0.3,
    "sign_in_patience": 3.0,
    "run_patience": 3.0,
    "refusal_patience": 1.0,
    "quota": 600_000,
}


def settings_for(threads: LocalThreads, manager: SecretManager, public_url: str = PUBLIC_URL) -> dict[str, str]:
    """Return the settings of both functions, as a deployment would set them."""
    return {
        "GOOGLE_CLOUD_PROJECT": "demo",
        "SECRET_MANAGER_EMULATOR_HOST": manager.address,
        "THREADS_APP_ID": APP_ID,
        "THREADS_APP_SECRET": APP_SECRET,
        "PUBLIC_URL": public_url,
        "THREADS_AUTHORIZE_URL": f"{threads.url}/oauth/authorize",
        "THREADS_API_URL": threads.url,
    }


def serve(target: str, **limits: Any) -> FlaskClient:
    """Return a new instance of a function, with short limits and those given. It reads them as it is loaded."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEEPER_LIMITS", json.dumps({**SHORT, **limits}))
        return functions_framework.create_app(target, str(ROOT / "sandbox" / "functions.py")).test_client()
