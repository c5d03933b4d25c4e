"""What the keeper and Meta sign."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, timedelta

from fuzz.support import NOW, SENTINEL, Test, mutated, refused_at_most


def genuine_signed() -> str:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    return Signer(Secret(SENTINEL), "state", timedelta(minutes=10)).sign({"nonce": "n"}, NOW)


def make_signed() -> Test:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    signer, genuine = Signer(Secret(SENTINEL), "state", timedelta(minutes=10)), genuine_signed()

    def test(data: bytes) -> None:
        text = mutated(genuine, data)
        with refused_at_most():
            signer.read(text, NOW)
            assert text == genuine, "a state that was not made here was read"

    return test


def make_deletion_code() -> Test:
    from token_keeper.settings import Secret
    from token_keeper.signing import Deletion, DeletionState

    key = Secret(SENTINEL)
    genuine = DeletionState(Deletion.SCHEDULED, NOW, NOW).sign(key)

    def test(data: bytes) -> None:
        text = mutated(genuine, data)
        with refused_at_most():
            DeletionState.read(key, text)
            assert text == genuine, "a deletion code that was not made here was read"

    return test


def make_signed_request() -> Test:
    from token_keeper import signed_request
    from token_keeper.settings import Secret

    key = Secret(SENTINEL)
    genuine = _signed(json.dumps({"algorithm": "HMAC-SHA256", "issued_at": 1, "user_id": "1"}).encode())

    def test(data: bytes) -> None:
        text = mutated(genuine, data)
        with refused_at_most():
            signed_request.verify(key, text)
            signature, _, payload = text.partition(".")
            assert f"{signature.rstrip('=')}.{payload}" == genuine, "a request that was not signed was read"

    return test


def make_signed_payload() -> Test:
    """Read a signed_request with a valid signature and any payload."""
    from token_keeper import signed_request
    from token_keeper.settings import Secret

    key = Secret(SENTINEL)

    def test(data: bytes) -> None:
        with refused_at_most():
            read = signed_request.verify(key, _signed(data))
            assert read.user_id
            assert read.issued_at.tzinfo is UTC

    return test


def _signed(payload: bytes) -> str:
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    mac = hmac.digest(SENTINEL.encode(), encoded, "sha256")
    return f"{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}.{encoded.decode()}"
