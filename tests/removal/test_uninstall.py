"""An uninstall destroys the versions from before the request, and no later one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE, ALICE_ID, post
from tests.support.app import ACCOUNT_LABELS
from tests.support.sign_in import sign_in


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
    manager.add(ALICE, threads.tokens.issue_long_lived("alice"))  # no annotation describes it
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
