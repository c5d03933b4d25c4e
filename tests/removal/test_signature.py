"""The signature of a signed_request: only what Meta signed is accepted."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.removal.signed import GOOD, VECTOR, VECTOR_SECRET, base64url, signed
from token_keeper.errors import BadRequest
from token_keeper.settings import Secret
from token_keeper.signed_request import SignedRequest, verify


def test_the_documented_vector_is_read() -> None:
    assert verify(VECTOR_SECRET, VECTOR) == SignedRequest("218471", datetime(2010, 12, 8, 19, 33, 20, tzinfo=UTC))


def test_a_request_signed_in_the_same_way_is_read() -> None:
    assert verify(VECTOR_SECRET, signed(GOOD)).user_id == "218471"
    assert verify(VECTOR_SECRET, signed(GOOD | {"user_id": 218471})).user_id == "218471"


def test_every_character_counts() -> None:
    alphabet = "AZaz09-_=.+/ %\n\0é"
    survivors = [
        (at, char)
        for at, old in enumerate(VECTOR)
        for char in alphabet
        if char != old and accepted(VECTOR[:at] + char + VECTOR[at + 1 :])
    ]
    assert survivors == []


def accepted(text: str, secret: Secret = VECTOR_SECRET) -> bool:
    try:
        verify(secret, text)
    except BadRequest:
        return False
    return True


SIGNATURE, _, PAYLOAD = VECTOR.partition(".")
PADDED = PAYLOAD + "=" * (-len(PAYLOAD) % 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        SIGNATURE,
        PAYLOAD,
        f"{SIGNATURE}.",
        f".{PAYLOAD}",
        f"{SIGNATURE}{PAYLOAD}",
        f"{SIGNATURE}.{PAYLOAD}.",
        f"{SIGNATURE}.{PAYLOAD}.{PAYLOAD}",
        f"{PAYLOAD}.{SIGNATURE}",
        f" {VECTOR}",
        f"{VECTOR} ",
        f"{VECTOR}\n",
        f"{VECTOR}=",
        f"{VECTOR}A",
        VECTOR[:-1],
        VECTOR[1:],
        f"{SIGNATURE[:-1]}.{PAYLOAD}",
        f"{SIGNATURE}A.{PAYLOAD}",
        f"{SIGNATURE[:10]}.{PAYLOAD}",
        f"{SIGNATURE.upper()}.{PAYLOAD}",
        f"{base64.b64encode(base64.urlsafe_b64decode(SIGNATURE + '=')).decode().rstrip('=')}.{PAYLOAD}",
        f"{base64.urlsafe_b64decode(SIGNATURE + '=').hex()}.{PAYLOAD}",
        "é.é",
        f"é.{PAYLOAD}",
        f"{SIGNATURE}.é",
        "\ud800.\ud800",
        "." * 60_000,
    ],
    ids=range(29),
)
def test_any_other_text_than_the_signed_request_is_refused(text: str) -> None:
    assert not accepted(text)


def test_a_signature_over_the_padded_payload_is_refused() -> None:
    payload = base64url(json.dumps(GOOD | {"user_id": "2184712"}).encode())
    padded = payload + "=" * (-len(payload) % 4)
    assert padded != payload
    signature = base64url(hmac.digest(b"client_secret_shhhhhh!", padded.encode(), "sha256"))
    assert not accepted(f"{signature}.{payload}")


@pytest.mark.parametrize("secret", ["client_secret_shhhhhh", "client_secret_shhhhhh!!", "CLIENT_SECRET_SHHHHHH!", "x"])
def test_another_app_secret_is_refused(secret: str) -> None:
    assert not accepted(VECTOR, Secret(secret))
    assert not accepted(signed(GOOD, secret))


@pytest.mark.parametrize("digest", ["sha1", "sha512", "md5"])
def test_another_digest_is_refused(digest: str) -> None:
    assert not accepted(signed(GOOD, digest=digest))


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


BAD_PAYLOADS = {
    "no algorithm": without("algorithm"),
    "no user": without("user_id"),
    "no issued_at": without("issued_at"),
    **{
        f"algorithm {value}": GOOD | {"algorithm": value}
        for value in ("none", "", "hmac-sha256", "HMAC-SHA1", None, [])
    },
    **{
        f"issued_at {value}": GOOD | {"issued_at": value}
        for value in (None, True, False, 0, -1, 1.0, 1291836800.5, "1291836800", [], {}, 10**12, 10**30, 253402300800)
    },
    **{f"user_id {value!r}": GOOD | {"user_id": value} for value in (None, True, False, "", 1.5, [], {}, ["218471"])},
    "a list": [GOOD],
    "a string": "HMAC-SHA256",
    "null": None,
    "no JSON": b"algorithm=HMAC-SHA256",
    "not UTF-8": b"\xff\xfe",
    "nested too deep": b"[" * 30_000,
    "a number too long": b'{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":' + b"9" * 5000 + b"}",
    "not a number": b'{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":NaN}',
    "infinite": b'{"algorithm":"HMAC-SHA256","user_id":"1","issued_at":Infinity}',
}


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=[str(name)[:40] for name in BAD_PAYLOADS])
def test_a_signed_payload_that_does_not_say_who_and_when_is_refused(payload: Any) -> None:
    assert not accepted(signed(payload))


def test_a_payload_of_an_odd_length_is_refused() -> None:
    encoded = base64url(json.dumps(GOOD).encode()) + "AAAAA"[: 5 - len(PAYLOAD) % 4]
    for cut in range(1, 5):
        text = encoded[:-cut]
        signature = base64url(hmac.digest(b"client_secret_shhhhhh!", text.encode(), "sha256"))
        accepted(f"{signature}.{text}")  # no other exception than BadRequest


@given(st.text())
def test_no_random_text_is_accepted_or_breaks_the_parser(text: str) -> None:
    assert not accepted(text)
    assert not accepted(f"{SIGNATURE}.{text}")


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(LEAF | st.lists(LEAF) | st.dictionaries(st.text(), LEAF))
def test_no_signed_value_breaks_the_parser(value: Any) -> None:
    for payload in (value, GOOD | {"user_id": value}, GOOD | {"issued_at": value}, GOOD | {"algorithm": value}):
        accepted(signed(payload))
