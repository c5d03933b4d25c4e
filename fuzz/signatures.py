"""What the keeper and Meta sign: nothing else may be accepted."""

from __future__ import annotations

import json
from datetime import UTC, timedelta

from fuzz.target import NOW, SENTINEL, Test, as_text, refused_at_most
from sandbox.threads.signed_request import sign


def genuine_signed() -> str:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    return Signer(Secret(SENTINEL), "state", timedelta(minutes=10)).sign({"nonce": "n"}, NOW)


def make_signed() -> Test:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    signer, genuine = Signer(Secret(SENTINEL), "state", timedelta(minutes=10)), genuine_signed()

    def test(data: bytes) -> None:
        text = _mutated(genuine, data)
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
        text = _mutated(genuine, data)
        with refused_at_most():
            DeletionState.read(key, text)
            assert text == genuine, "a deletion code that was not made here was read"

    return test


def make_signed_request() -> Test:
    from token_keeper import signed_request
    from token_keeper.settings import Secret

    key = Secret(SENTINEL)
    genuine = sign(SENTINEL, json.dumps({"algorithm": "HMAC-SHA256", "issued_at": 1, "user_id": "1"}).encode())

    def test(data: bytes) -> None:
        text = _mutated(genuine, data)
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
            read = signed_request.verify(key, sign(SENTINEL, data))
            assert read.user_id
            assert read.issued_at.tzinfo is UTC

    return test


def _mutated(genuine: str, data: bytes) -> str:
    """Return the fuzzer's own text, or the genuine one with a piece replaced by it."""
    if len(data) < 3 or data[0] % 2:
        return as_text(data[1:])
    begin, end = data[1] % (len(genuine) + 1), data[2] % (len(genuine) + 1)
    return genuine[:begin] + as_text(data[3:]) + genuine[end:]
