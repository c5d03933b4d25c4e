"""What the keeper signs for itself, changed in every way: `state`, receipts, deletion codes."""

from __future__ import annotations

import base64
import hmac
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from token_keeper import sign_in
from token_keeper.errors import BadRequest
from token_keeper.settings import OAuthSettings, Secret
from token_keeper.signing import Deletion, DeletionState, Signer

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
KEY, OTHER_KEY = Secret("an app secret"), Secret("an app secret!")
SETTINGS = OAuthSettings(
    project="demo",
    app_id="1",
    app_secret=KEY,
    public_url="https://keeper.example",
    scopes=("threads_basic",),
    authorize_url="https://threads.com/oauth/authorize",
    api_url="https://graph.threads.com",
    emulator=None,
)
RECEIPT = sign_in.Receipt(
    "alice",
    "projects/demo/secrets/s/versions/1",
    signed_in_at="2026-11-01T12:00:00Z",
    expires_at="2027-01-01T00:00:00Z",
    data_access_expires_at=None,
    missing_scopes=[],
    described=True,
)
ALPHABET = "AZaz09-_.=~+/ %\n\0é"

STATE_TEXT = sign_in.make_state(SETTINGS, NOW)
RECEIPT_TEXT = RECEIPT.sign(SETTINGS, NOW)
DELETION = DeletionState(Deletion.SCHEDULED, NOW, NOW + timedelta(days=7))
CODE_TEXT = DELETION.sign(KEY)


def read_state(text: str, now: datetime = NOW, settings: OAuthSettings = SETTINGS) -> None:
    sign_in.check_state(settings, text, text, now)


def read_receipt(text: str, now: datetime = NOW, settings: OAuthSettings = SETTINGS) -> sign_in.Receipt:
    return sign_in.Receipt.read(settings, text, now)


def read_code(text: str, now: datetime = NOW, settings: OAuthSettings = SETTINGS) -> DeletionState:
    return DeletionState.read(settings.app_secret, text)


SIGNED = {
    "state": (STATE_TEXT, read_state),
    "receipt": (RECEIPT_TEXT, read_receipt),
    "deletion code": (CODE_TEXT, read_code),
}
each = pytest.mark.parametrize(("text", "read"), SIGNED.values(), ids=SIGNED)
Read = Callable[..., Any]


def accepted(read: Read, *args: Any) -> bool:
    try:
        read(*args)
    except BadRequest:
        return False
    return True


def test_a_signed_value_is_read_back() -> None:
    read_state(STATE_TEXT)
    assert read_receipt(RECEIPT_TEXT) == RECEIPT
    for state in Deletion:
        for destroyed_on in (None, NOW + timedelta(days=1000)):
            deletion = DeletionState(state, NOW, destroyed_on)
            assert read_code(deletion.sign(KEY)) == deletion


@each
def test_no_character_can_be_changed(text: str, read: Read) -> None:
    changed = [text[:at] + char + text[at + 1 :] for at in range(len(text)) for char in ALPHABET]
    assert [one for one in changed if one != text and accepted(read, one)] == []


@each
def test_no_part_can_be_removed_added_or_moved(text: str, read: Read) -> None:
    changed = {text[:at] for at in range(len(text))} | {text[at:] for at in range(1, len(text))}
    changed |= {text + char for char in ALPHABET} | {char + text for char in ALPHABET}
    changed |= {text[:at] + "A" + text[at:] for at in range(len(text))}
    changed |= {text[:at] + text[at + 1 :] for at in range(len(text))}
    changed |= {text * 2, text[::-1], text.swapcase(), text.lower(), text.upper(), f" {text}", f"{text} ", f"{text}=="}
    assert [one for one in changed - {text} if accepted(read, one)] == []


@each
@given(junk=st.text())
def test_no_other_text_is_accepted_or_breaks_it(text: str, read: Read, junk: str) -> None:
    assert not accepted(read, junk)
    assert not accepted(read, f"{junk}.{text.rpartition('.')[2]}")


@each
def test_another_key_is_refused(text: str, read: Read) -> None:
    other = OAuthSettings(**{**vars(SETTINGS), "app_secret": OTHER_KEY})
    assert not accepted(read, text, NOW, other)


def test_a_value_signed_for_one_purpose_is_refused_for_every_other() -> None:
    passed = [
        (name, other)
        for name, (text, _) in SIGNED.items()
        for other, (_, read) in SIGNED.items()
        if accepted(read, text) != (name == other)
    ]
    assert passed == []


@pytest.mark.parametrize("salt", ["itsdangerous", "state", "", "token-keeper.other"])
@pytest.mark.parametrize("kind", [URLSafeSerializer, URLSafeTimedSerializer])
def test_a_signature_made_elsewhere_with_the_app_secret_is_no_state(salt: str, kind: type[URLSafeSerializer]) -> None:
    text = str(kind(KEY.reveal(), salt=salt).dumps([int(NOW.timestamp()), {"nonce": "x"}]))
    assert not accepted(read_state, text)


@pytest.mark.parametrize(
    ("text", "read", "age"),
    [(STATE_TEXT, read_state, timedelta(minutes=10)), (RECEIPT_TEXT, read_receipt, timedelta(days=3650))],
    ids=["state", "receipt"],
)
def test_it_is_too_old_a_second_after_its_age_and_not_of_the_future(text: str, read: Read, age: timedelta) -> None:
    second = timedelta(seconds=1)
    assert accepted(read, text, NOW + age)
    assert not accepted(read, text, NOW + age + second)
    assert not accepted(read, text, NOW + timedelta(days=36500))
    assert accepted(read, text, NOW - timedelta(seconds=60))  # the clocks of two instances may differ
    assert not accepted(read, text, NOW - timedelta(seconds=61))
    assert not accepted(read, text, NOW - timedelta(days=365))


def test_a_code_signed_without_a_purpose_is_refused() -> None:
    payload = struct.pack(">BII", Deletion.DESTROYED, int(NOW.timestamp()), 0)
    mac = hmac.digest(KEY.reveal().encode(), payload, "sha256")[:16]
    assert not accepted(read_code, base64.b32encode(payload + mac).decode())


def test_a_deletion_code_does_not_age() -> None:
    assert read_code(CODE_TEXT, NOW + timedelta(days=3650)) == DELETION


@pytest.mark.parametrize("state", Deletion)
def test_a_delayed_destruction_is_shown_as_done_after_its_time(state: Deletion) -> None:
    end = NOW + timedelta(days=7)
    deletion = DeletionState(state, NOW, end)
    assert deletion.as_of(end - timedelta(seconds=1)) == deletion
    later = deletion.as_of(end)
    assert later.destroyed_on is None
    if state == Deletion.SCHEDULED:
        assert later == DeletionState(Deletion.DESTROYED, end)
    else:
        assert later == DeletionState(state, NOW)


def test_a_receipt_older_than_a_day_speaks_of_the_past() -> None:
    assert not RECEIPT.is_old(NOW + timedelta(days=1))
    assert RECEIPT.is_old(NOW + timedelta(days=1, seconds=1))


def test_a_deletion_code_is_alphanumeric_and_says_nothing_of_its_key() -> None:
    codes = {DeletionState(state, NOW + timedelta(seconds=n)).sign(KEY) for n in range(25) for state in Deletion}
    assert len(codes) == 100
    assert all(len(code) == 40 and code.isalnum() and code.isascii() for code in codes)


def test_a_state_is_never_the_same_twice_and_holds_128_bits() -> None:
    states = {sign_in.make_state(SETTINGS, NOW) for _ in range(100)}
    assert len(states) == 100
    nonces = [Signer(KEY, "state", timedelta(1)).read(state, NOW)["nonce"] for state in states]
    assert len(set(nonces)) == 100
    assert all(len(nonce) >= 22 for nonce in nonces)


@pytest.mark.parametrize(
    ("returned", "cookie"),
    [
        (STATE_TEXT, ""),
        ("", STATE_TEXT),
        ("", ""),
        (STATE_TEXT, STATE_TEXT[:-1]),
        (STATE_TEXT[:-1], STATE_TEXT),
        (STATE_TEXT, sign_in.make_state(SETTINGS, NOW)),
        (STATE_TEXT, f"{STATE_TEXT} "),
        (STATE_TEXT, "é"),
    ],
)
def test_a_state_must_equal_its_cookie(returned: str, cookie: str) -> None:
    with pytest.raises(BadRequest):
        sign_in.check_state(SETTINGS, returned, cookie, NOW)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())))
def test_any_payload_comes_back_as_it_was(payload: dict[str, Any]) -> None:
    signer = Signer(KEY, "receipt", timedelta(days=1))
    text = signer.sign(payload, NOW)
    assert signer.read(text, NOW) == payload
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_receipt_holds_no_token_and_no_secret() -> None:
    signer = Signer(KEY, "receipt", timedelta(days=1))
    assert signer.read(RECEIPT_TEXT, NOW).keys() == {
        "username",
        "version_name",
        "signed_in_at",
        "expires_at",
        "data_access_expires_at",
        "missing_scopes",
        "described",
    }
