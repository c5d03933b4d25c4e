"""Meta's uninstall and delete callbacks: who may ask, what is destroyed, and what an old request cannot touch."""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import ACCOUNT_LABELS, APP_SECRET, PUBLIC_URL, sign_in
from flask.testing import FlaskClient
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from token_keeper.errors import BadRequest
from token_keeper.settings import Secret
from token_keeper.signed_request import SignedRequest, verify

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


# The signature


def test_the_documented_vector_is_read() -> None:
    assert verify(VECTOR_SECRET, VECTOR) == SignedRequest("218471", datetime(2010, 12, 8, 19, 33, 20, tzinfo=UTC))


def test_what_is_signed_here_alike_is_read() -> None:
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
def test_what_is_not_the_signed_thing_itself_is_refused(text: str) -> None:
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
        accepted(f"{signature}.{text}")  # whatever it is, it is no other exception


@given(st.text())
def test_no_text_is_accepted_or_breaks_it(text: str) -> None:
    assert not accepted(text)
    assert not accepted(f"{SIGNATURE}.{text}")


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(LEAF | st.lists(LEAF) | st.dictionaries(st.text(), LEAF))
def test_no_signed_value_breaks_it(value: Any) -> None:
    for payload in (value, GOOD | {"user_id": value}, GOOD | {"issued_at": value}, GOOD | {"algorithm": value}):
        accepted(signed(payload))


# What a bad request does: nothing


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_request_that_meta_did_not_sign_changes_nothing(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, path: str
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    before = manager.annotations(ALICE)
    manager.calls.clear()
    good = threads.signed_request("alice")
    forms: list[Any] = [
        {},
        {"signed_request": ""},
        {"signed_request": good[:-2]},
        {"signed_request": VECTOR},
        {"signed_request": [good, good]},
        {"signed_request": signed(GOOD | {"user_id": ALICE_ID}, "another")},
        {"signed_request": signed({"algorithm": "HMAC-SHA256", "user_id": ALICE_ID}, APP_SECRET)},
        {"Signed_Request": good},
    ]
    for form in forms:
        reply = oauth.post(path, data=form, base_url=PUBLIC_URL)
        assert reply.status_code == 400, form
        assert reply.json is not None
        assert reply.json.keys() == {"error"}
    for reply in (
        oauth.post(f"{path}?signed_request={good}", base_url=PUBLIC_URL),
        oauth.post(path, json={"signed_request": good}, base_url=PUBLIC_URL),
    ):
        assert reply.status_code == 400
    assert oauth.get(f"{path}?signed_request={good}", base_url=PUBLIC_URL).status_code == 405
    assert manager.calls == []
    assert manager.states(ALICE) == {1: "ENABLED"}
    assert manager.annotations(ALICE) == before


# Uninstall


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_every_version_from_before_the_request_is_destroyed_disabled_ones_too(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, path: str
) -> None:
    for _ in range(3):
        assert sign_in(oauth, threads).status_code == 303
    sign_in(oauth, threads, "bob")
    disable(manager, 2)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, path, threads.signed_request("alice")).status_code == 200
    assert set(manager.states(ALICE).values()) == {"DESTROYED"}
    assert manager.annotations(ALICE) == {}
    assert manager.states("threads-token-bob") == {1: "ENABLED"}
    assert manager.annotations("threads-token-bob")["version"] == "1"


def disable(manager: SecretManager, number: int) -> None:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )
    from grpc import insecure_channel

    transport = SecretManagerServiceGrpcTransport(channel=insecure_channel(manager.address))
    with SecretManagerServiceClient(transport=transport) as client:
        client.disable_secret_version(name=f"projects/demo/secrets/{ALICE}/versions/{number}")


def test_uninstall_keeps_the_binding_and_answers_an_empty_object(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    reply = post(oauth, "/uninstall", threads.signed_request("alice"))
    assert reply.json == {}
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "threads-user-id": ALICE_ID}


def test_a_version_from_after_the_request_is_kept_with_its_facts(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(hours=1))
    request = threads.signed_request("alice")
    clock.forward(timedelta(hours=1))
    sign_in(oauth, threads)
    kept = manager.annotations(ALICE)
    for path in ("/uninstall", "/delete"):
        assert post(oauth, path, request).status_code == 200
        assert manager.states(ALICE) == {1: "DESTROYED", 2: "ENABLED"}
        assert manager.annotations(ALICE) == kept
        assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID


def test_facts_that_describe_an_older_version_are_cleared_although_a_newer_is_kept(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(hours=1))
    request = threads.signed_request("alice")
    clock.forward(timedelta(hours=1))
    manager.add(ALICE, threads.tokens.issue_long_lived("alice"))  # nothing describes it
    assert post(oauth, "/uninstall", request).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED", 2: "ENABLED"}
    assert manager.annotations(ALICE) == {}


def test_an_old_request_that_is_replayed_after_a_new_sign_in_changes_nothing(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(minutes=1))
    request = threads.signed_request("alice")
    assert post(oauth, "/delete", request).status_code == 200
    clock.forward(timedelta(minutes=1))
    sign_in(oauth, threads)
    before = (manager.states(ALICE), manager.labels(ALICE), manager.annotations(ALICE))
    for path in ("/uninstall", "/delete"):
        assert post(oauth, path, request).status_code == 200
        assert (manager.states(ALICE), manager.labels(ALICE), manager.annotations(ALICE)) == before


# Delete


def test_delete_unbinds_the_person_and_keeps_what_is_not_theirs(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "team": "press"})
    manager.set_annotations(ALICE, {"note": "Ask Eve first."})
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "team": "press"}
    assert manager.annotations(ALICE) == {"note": "Ask Eve first."}
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert sign_in(oauth, threads).status_code == 303  # the account stays allowed


def test_delete_after_uninstall_still_unbinds(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/uninstall", threads.signed_request("alice")).status_code == 200
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == ACCOUNT_LABELS


def test_the_reply_to_delete_is_what_meta_asks_for(oauth: FlaskClient, threads: LocalThreads, clock: Clock) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    reply = post(oauth, "/delete", threads.signed_request("alice"))
    assert reply.mimetype == "application/json"
    assert reply.json is not None
    code = reply.json["confirmation_code"]
    assert re.fullmatch(r"[A-Za-z0-9]+", code)
    assert reply.json == {"url": f"https://keeper.example/deletion?code={code}", "confirmation_code": code}
    page = oauth.get(reply.json["url"])
    assert page.status_code == 200
    assert "Your data was deleted" in page.text
    assert f"{clock.now():%Y-%m-%d %H:}" in page.text
    assert "alice" not in page.text


def test_an_unknown_person_gets_the_same_answer_and_the_operator_an_error(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_in(oauth, threads)
    capsys.readouterr()
    threads.control.turn({"signed_user_id_matches": False})
    for path in ("/uninstall", "/delete"):
        reply = post(oauth, path, threads.signed_request("alice"))
        assert reply.status_code == 200
        (line,) = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
        assert line["severity"] == "ERROR"
        assert line["event"].endswith("_unmatched")
        assert "alice" not in line["message"]
    assert reply.json is not None
    assert re.fullmatch(r"[A-Z2-7]{32}", reply.json["confirmation_code"])
    assert reply.json.keys() == {"url", "confirmation_code"}
    assert "Your request was received" in oauth.get(reply.json["url"]).text
    assert manager.states(ALICE) == {1: "ENABLED"}


@pytest.mark.parametrize("user_id", ["*", "1 OR labels.managed-by=threads-token-keeper", '"', "a" * 64, "ü", "-", "A"])
def test_a_user_id_that_no_label_can_hold_finds_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, user_id: str
) -> None:
    sign_in(oauth, threads)
    payload = GOOD | {"user_id": user_id, "issued_at": int((clock.now() + timedelta(hours=1)).timestamp())}
    assert post(oauth, "/delete", signed(payload, APP_SECRET)).status_code == 200
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_every_account_of_one_person_is_cleared(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    threads.people.rename("alice", "alicia")
    manager.create("threads-token-alicia", labels=ACCOUNT_LABELS)
    sign_in(oauth, threads, "alicia")
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alicia")).status_code == 200
    for secret_id in (ALICE, "threads-token-alicia"):
        assert manager.states(secret_id) == {1: "DESTROYED"}
        assert manager.labels(secret_id) == ACCOUNT_LABELS


# Where it cannot be done


@pytest.mark.parametrize("method", ["ListSecrets", "ListSecretVersions", "DestroySecretVersion", "UpdateSecret"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_passing_fault_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, method: str, when: Any
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    manager.fail(method, StatusCode.UNAVAILABLE, when)
    request = threads.signed_request("alice")
    reply = post(oauth, "/delete", request)
    if reply.status_code != 200:  # a lost reply to the last step may be seen as somebody else's change
        assert reply.status_code == 503
        assert post(oauth, "/delete", request).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert manager.labels(ALICE) == ACCOUNT_LABELS
    assert manager.annotations(ALICE) == {}


def test_a_removal_that_stops_half_way_is_503_and_its_repetition_completes_it(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    for _ in range(3):
        sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    request = threads.signed_request("alice")
    manager.fail("DestroySecretVersion", StatusCode.UNAVAILABLE, times=99, match="versions/2")
    reply = post(oauth, "/delete", request)
    assert reply.status_code == 503
    assert reply.json is not None
    assert reply.json.keys() == {"error"}
    assert manager.states(ALICE)[2] == "ENABLED"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID  # by which it is found again
    manager.heal()
    assert post(oauth, "/delete", request).status_code == 200
    assert set(manager.states(ALICE).values()) == {"DESTROYED"}
    assert manager.labels(ALICE) == ACCOUNT_LABELS


def test_a_version_that_could_not_be_destroyed_is_never_called_destroyed(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    manager.fail("DestroySecretVersion", StatusCode.ABORTED)
    reply = post(oauth, "/uninstall", threads.signed_request("alice"))
    assert (reply.status_code, manager.states(ALICE)) in [(200, {1: "DESTROYED"}), (503, {1: "ENABLED"})]


@pytest.mark.parametrize("method", ["ListSecrets", "ListSecretVersions", "DestroySecretVersion", "UpdateSecret"])
def test_a_right_that_is_missing_is_an_error_that_the_operator_mends(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    capsys.readouterr()
    manager.deny([method])
    reply = post(oauth, "/delete", threads.signed_request("alice"))
    assert reply.status_code in (500, 503)
    assert '"severity": "ERROR"' in capsys.readouterr().out
    manager.deny([])
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == ACCOUNT_LABELS


def test_what_changes_during_a_removal_is_not_lost(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    changed = []

    def change(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and not changed:
            changed.append(True)
            manager.set_labels(ALICE, {**manager.labels(ALICE), "team": "press"})

    manager.on_call = change
    request = threads.signed_request("alice")
    if post(oauth, "/delete", request).status_code == 503:
        assert post(oauth, "/delete", request).status_code == 200
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "team": "press"}


# The deletion page


def test_a_deletion_code_that_was_changed_is_refused(oauth: FlaskClient, threads: LocalThreads) -> None:
    reply = post(oauth, "/delete", threads.signed_request("mallory"))
    assert reply.json is not None
    code = reply.json["confirmation_code"]
    assert oauth.get(f"/deletion?code={code}").status_code == 200
    for bad in ("", code[:-1], code + "A", code.lower(), code[::-1], "A" * 32, f"{code}%20", f"{code}&code={code}"):
        page = oauth.get(f"/deletion?code={bad}")
        assert page.status_code == 400, bad
        assert "deleted" not in page.text


# The local Threads against a real server


def test_the_local_threads_callbacks_are_understood(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    server = make_server("127.0.0.1", 0, oauth.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        sign_in(oauth, threads)
        clock.forward(timedelta(seconds=2))
        assert threads.send_uninstall("alice", f"{url}/uninstall").status == 200
        assert manager.states(ALICE) == {1: "DESTROYED"}
        sign_in(oauth, threads)
        clock.forward(timedelta(seconds=2))
        delivery = threads.send_delete("alice", f"{url}/delete")
        assert delivery.status == 200
        assert json.loads(delivery.body).keys() == {"url", "confirmation_code"}
        assert manager.labels(ALICE) == ACCOUNT_LABELS
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
