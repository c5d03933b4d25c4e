"""Signs the body of the uninstall and the delete callback as Meta does.

The HMAC is over the payload as it is sent: base64url, without padding.
"""

from __future__ import annotations

import base64
import hmac
import json


def signed_request(app_secret: str, user_id: str, issued_at: int) -> str:
    """Return `<signature>.<payload>` for this person, which expires after an hour."""
    payload = {
        "algorithm": "HMAC-SHA256",
        "expires": issued_at + 3600,
        "issued_at": issued_at,
        "user_id": user_id,
    }
    return sign(app_secret, json.dumps(payload, separators=(",", ":")).encode())


def sign(app_secret: str, payload: bytes) -> str:
    """Return `<signature>.<payload>` for any payload."""
    encoded = _base64url(payload)
    signature = hmac.digest(app_secret.encode(), encoded.encode(), "sha256")
    return f"{_base64url(signature)}.{encoded}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
