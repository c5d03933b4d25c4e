"""Signed requests as Meta sends them, good and forged."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.app import PUBLIC_URL
from token_keeper.settings import Secret

ALICE, ALICE_ID = "threads-token-alice", "17841405793187001"
# Made with the secret and the payload that public parsers of signed_request are tested with.
VECTOR_SECRET = Secret("client_secret_shhhhhh!")
VECTOR = (
    "w5ZbbWP9yOwBA1uJZbc7-9gZok0O42U4i0yyvxXE_jY.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV4cGlyZXMiOjEyOTE4NDA0MDAs"
    "Imlzc3VlZF9hdCI6MTI5MTgzNjgwMCwidXNlcl9pZCI6IjIxODQ3MSJ9"
)
GOOD = {"algorithm": "HMAC-SHA256", "expires": 1291840400, "issued_at": 1291836800, "user_id": "218471"}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(payload: Any, secret: str = "client_secret_shhhhhh!", digest: str = "sha256") -> str:
    encoded = base64url(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return f"{base64url(hmac.digest(secret.encode(), encoded.encode(), digest))}.{encoded}"


def post(oauth: FlaskClient, path: str, signed_request: str) -> TestResponse:
    return oauth.post(path, data={"signed_request": signed_request}, base_url=PUBLIC_URL)
