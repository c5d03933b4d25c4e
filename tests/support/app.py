"""The app and the deployment that the tests assume, and access to the names of a running main.py."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

MAIN = Path(__file__).parent.parent.parent / "main.py"
APP_ID, APP_SECRET = "1234567890", "sandbox-app-secret"
ACCOUNT_LABELS = {"managed-by": "threads-token-keeper"}
PUBLIC_URL = "https://keeper.example"


def names_of(client: FlaskClient) -> dict[str, Any]:
    """Return the names of the main.py behind a client. functions-framework runs that file anew for each app."""
    return inspect.unwrap(client.application.view_functions["run"]).__globals__
