"""What this keeper signs for itself: `state`, receipts, deletion codes. Nothing is kept on a server.

Every key is derived from the app secret, one for each purpose, so that no signed thing passes for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from token_keeper.errors import BadRequest
from token_keeper.settings import Secret

_CLOCK_DIFFERENCE = timedelta(minutes=1)  # between two instances


class Signer:
    """Signs small JSON objects for one purpose; good on any instance that has the app secret."""

    def __init__(self, key: Secret, purpose: str, max_age: timedelta) -> None:
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._serializer = URLSafeSerializer(key.reveal(), salt=f"token-keeper.{purpose}", signer_kwargs=options)
        self._max_age = max_age

    def sign(self, payload: dict[str, Any], now: datetime) -> str:
        return str(self._serializer.dumps([int(now.timestamp()), payload]))

    def read(self, text: str, now: datetime) -> dict[str, Any]:
        """Give back what was signed; raise BadRequest if it was changed, made elsewhere or is too old."""
        try:
            signed_at, payload = self._serializer.loads(text)
        except BadData:
            raise BadRequest("This link was not made by this service, or was changed.") from None
        # Base64 can spell one signature in several ways; only ours is taken.
        if not hmac.compare_digest(str(self._serializer.dumps([signed_at, payload])).encode(), text.encode()):
            raise BadRequest("This link was not made by this service, or was changed.")
        age = now - datetime.fromtimestamp(signed_at, UTC)
        if not -_CLOCK_DIFFERENCE <= age <= self._max_age:
            raise BadRequest("This link is too old.")
        return dict(payload)


def deletion_code(key: Secret, completed_at: datetime, found: bool) -> str:
    """Sign the state of a deletion request: 32 letters and digits, as Meta wants it alphanumeric."""
    payload = struct.pack(">I?", int(completed_at.timestamp()), found)
    return base64.b32encode(payload + _mac(key, payload)).decode()


def read_deletion_code(key: Secret, code: str) -> tuple[datetime, bool]:
    """Give when a request was completed and whether anything was found; raise BadRequest if we did not make it."""
    try:
        raw = base64.b32decode(code.encode("ascii"))
    except ValueError:
        raise BadRequest("This code was not made here.") from None
    payload, mac = raw[:5], raw[5:]
    if len(raw) != 20 or not hmac.compare_digest(mac, _mac(key, payload)):
        raise BadRequest("This code was not made here.")
    seconds, found = struct.unpack(">I?", payload)
    return datetime.fromtimestamp(seconds, UTC), found


def _mac(key: Secret, payload: bytes) -> bytes:
    return hmac.digest(key.reveal().encode(), b"token-keeper.deletion-code:" + payload, "sha256")[:15]
