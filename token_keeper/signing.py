"""What this keeper signs for itself: `state`, receipts, deletion codes. Nothing is kept on a server.

Every key is derived from the app secret, one for each purpose, so that no signed thing passes for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from token_keeper.errors import BadRequest, UnknownCode
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

    def read(self, text: str, now: datetime, too_old: BadRequest | None = None) -> dict[str, Any]:
        """Return what was signed. Raises BadRequest if it was changed or made elsewhere, `too_old` if it is too old."""
        try:
            signed_at, payload = self._serializer.loads(text)
        except BadData:
            raise BadRequest("This link was not made by this service, or was changed.") from None
        # Base64 can spell one signature in several ways; only ours is taken.
        if not hmac.compare_digest(str(self._serializer.dumps([signed_at, payload])).encode(), text.encode()):
            raise BadRequest("This link was not made by this service, or was changed.")
        age = now - datetime.fromtimestamp(signed_at, UTC)
        if not -_CLOCK_DIFFERENCE <= age <= self._max_age:
            raise too_old or BadRequest("This link is too old.")
        return dict(payload)


class Deletion(IntEnum):
    """What became of a deletion request."""

    DESTROYED = 0
    SCHEDULED = 1  # the secret delays destruction
    NOTHING_FOUND = 2
    KEPT = 3  # a newer sign-in is there


@dataclass(frozen=True, slots=True)
class DeletionState:
    """The state of a deletion request. `destroyed_on` is set where the destruction is still to come."""

    state: Deletion
    completed_at: datetime
    destroyed_on: datetime | None = None

    def sign(self, key: Secret) -> str:
        """Return the confirmation code: 40 letters and digits, because Meta wants it alphanumeric."""
        later = int(self.destroyed_on.timestamp()) if self.destroyed_on else 0
        payload = struct.pack(">BII", self.state, int(self.completed_at.timestamp()), later)
        return base64.b32encode(payload + _mac(key, payload)).decode()

    def as_of(self, now: datetime) -> DeletionState:
        """Return the state at this time: a destruction that was still to come may be over."""
        if self.destroyed_on is None or self.destroyed_on > now:
            return self
        if self.state == Deletion.SCHEDULED:
            return DeletionState(Deletion.DESTROYED, completed_at=self.destroyed_on)
        return replace(self, destroyed_on=None)

    @classmethod
    def read(cls, key: Secret, code: str) -> DeletionState:
        """Return the state that a code stands for; raise UnknownCode if we did not make it."""
        try:
            raw = base64.b32decode(code.encode("ascii"))
        except ValueError:
            raise UnknownCode("This code was not made here.") from None
        payload, mac = raw[:9], raw[9:]
        if len(raw) != 25 or not hmac.compare_digest(mac, _mac(key, payload)):
            raise UnknownCode("This code was not made here.")
        state, seconds, later = struct.unpack(">BII", payload)
        destroyed_on = datetime.fromtimestamp(later, UTC) if later else None
        return cls(Deletion(state), datetime.fromtimestamp(seconds, UTC), destroyed_on)


def _mac(key: Secret, payload: bytes) -> bytes:
    return hmac.digest(key.reveal().encode(), b"token-keeper.deletion-code:" + payload, "sha256")[:16]
