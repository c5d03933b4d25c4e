"""Meta's `signed_request`, which its uninstall and delete callbacks carry.

The signature is over the *encoded* payload exactly as received, before any padding is added.
Source: Meta for Developers, "Data Deletion Request Callback"; "Parsing the Signed Request".
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from token_keeper.errors import BadRequest
from token_keeper.settings import Secret


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Who asks, and when they asked."""

    user_id: str
    issued_at: datetime


def verify(app_secret: Secret, text: str) -> SignedRequest:
    """Read one that Meta signed with the app secret; raise BadRequest on anything else."""
    signature, dot, payload = text.partition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9_-]+=*", payload, re.ASCII):
        raise BadRequest("signed_request is malformed.")
    expected = hmac.digest(app_secret.reveal().encode(), payload.encode(), "sha256")
    encoded = base64.urlsafe_b64encode(expected).rstrip(b"=")
    if not hmac.compare_digest(encoded, signature.rstrip("=").encode()):
        raise BadRequest("signed_request is not signed by Meta.")
    return _read(payload)


def _read(payload: str) -> SignedRequest:
    try:
        unpadded = payload.rstrip("=")
        data = json.loads(base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4)))
    except (ValueError, RecursionError):
        raise BadRequest("signed_request is malformed.") from None
    if not isinstance(data, dict) or data.get("algorithm") != "HMAC-SHA256":
        raise BadRequest("signed_request names another algorithm.")
    user_id, issued_at = data.get("user_id"), data.get("issued_at")
    if isinstance(user_id, bool) or not isinstance(user_id, str | int) or not str(user_id):
        raise BadRequest("signed_request names no user.")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int) or not 0 < issued_at < 253402300800:
        raise BadRequest("signed_request does not say when it was issued.")
    return SignedRequest(str(user_id), datetime.fromtimestamp(issued_at, UTC))
