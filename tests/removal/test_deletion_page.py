"""The page that shows what became of a deletion request."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import insecure_channel

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE, post
from tests.support.sign_in import sign_in


def page_of(oauth: FlaskClient, signed_request: str) -> str:
    """Ask for a deletion and return the address of its page."""
    reply = post(oauth, "/delete", signed_request)
    assert reply.status_code == 200
    assert reply.json is not None
    assert reply.json["confirmation_code"].isalnum()
    assert reply.json["confirmation_code"].isascii()
    return str(reply.json["url"])


def test_a_completed_deletion_is_shown(oauth: FlaskClient, threads: LocalThreads, clock: Clock) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    text = oauth.get(page_of(oauth, threads.signed_request("alice"))).text
    assert "Your data was deleted" in text
    assert f"{clock.now():%Y-%m-%d}" in text


def test_where_destruction_is_delayed_the_page_names_the_day_and_says_deleted_from_then_on(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    delay_destruction(manager, timedelta(days=7))
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    destroyed_on = clock.now() + timedelta(days=7)
    page = page_of(oauth, threads.signed_request("alice"))
    assert f"tokens disabled and will be destroyed on {destroyed_on:%Y-%m-%d}" in capsys.readouterr().out
    again = page_of(oauth, threads.signed_request("alice"))  # the second request finds no version to destroy
    assert manager.states(ALICE) == {1: "DISABLED"}
    text = oauth.get(page).text
    assert "was deleted" not in text
    assert "destroyed for good on" in text
    assert f"{destroyed_on:%Y-%m-%d}" in text
    assert "was deleted" not in oauth.get(again).text
    clock.forward(timedelta(days=7, minutes=1))
    text = oauth.get(page).text
    assert "Your data was deleted" in text
    assert f"{destroyed_on:%Y-%m-%d}" in text


def delay_destruction(manager: SecretManager, by: timedelta) -> None:
    transport = SecretManagerServiceGrpcTransport(channel=insecure_channel(manager.address))
    with SecretManagerServiceClient(transport=transport) as client:
        secret = Secret(name=f"projects/demo/secrets/{ALICE}", version_destroy_ttl=by)
        client.update_secret(secret=secret, update_mask=FieldMask(paths=["version_destroy_ttl"]))


def test_an_uninstall_before_it_does_not_hide_that_destruction_is_delayed(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    delay_destruction(manager, timedelta(days=7))
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/uninstall", threads.signed_request("alice")).status_code == 200
    assert "destroyed for good on" in oauth.get(page_of(oauth, threads.signed_request("alice"))).text


def test_a_version_of_a_newer_sign_in_is_shown_as_kept(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(hours=1))
    request = threads.signed_request("alice")
    clock.forward(timedelta(hours=1))
    sign_in(oauth, threads)
    text = oauth.get(page_of(oauth, request)).text
    assert "A newer sign-in is kept." in capsys.readouterr().out
    assert "was deleted" not in text
    assert "You have signed in again since" in text
    assert manager.states(ALICE) == {1: "DESTROYED", 2: "ENABLED"}


def test_an_unknown_id_is_shown_as_nothing_found(oauth: FlaskClient, threads: LocalThreads) -> None:
    text = oauth.get(page_of(oauth, threads.signed_request("mallory"))).text
    assert "no data was found" in text
    assert "was deleted" not in text


def test_a_deletion_code_that_was_changed_is_refused(oauth: FlaskClient, threads: LocalThreads) -> None:
    page = page_of(oauth, threads.signed_request("mallory"))
    code = page.partition("code=")[2]
    assert oauth.get(page).status_code == 200
    for bad in ("", code[:-1], code + "A", code.lower(), code[::-1], "A" * 40, f"{code}%20", f"{code}&code={code}"):
        reply = oauth.get(f"/deletion?code={bad}")
        assert reply.status_code == 400, bad
        assert "deleted" not in reply.text
