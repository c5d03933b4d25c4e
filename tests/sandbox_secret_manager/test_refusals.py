"""What the official client sees of refusals with a reason, of lost keys and of silent connections."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from grpc import StatusCode

from sandbox.secret_manager.relay import Relay
from sandbox.secret_manager.server import SecretManager

ALICE = "projects/demo/secrets/alice"
BOB = "projects/demo/secrets/bob"
KEPT = "projects/123456789012/secrets/alice/versions"


@pytest.fixture
def manager(clock) -> Iterator[SecretManager]:
    with SecretManager(clock) as manager:
        manager.create("alice")
        manager.create("bob")
        yield manager


@pytest.fixture
def client(manager) -> Iterator[SecretManagerServiceClient]:
    with grpc.insecure_channel(manager.address) as channel:
        yield SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


@pytest.mark.parametrize("reason", ["SERVICE_DISABLED", "BILLING_DISABLED", "SECURITY_POLICY_VIOLATED"])
def test_a_failure_carries_the_reason_that_was_asked_for(client, manager, reason):
    manager.fail("GetSecret", StatusCode.PERMISSION_DENIED, times=2, match="alice", reason=reason)
    assert client.get_secret(name=BOB)
    for _ in range(2):
        with pytest.raises(exceptions.PermissionDenied) as caught:
            client.get_secret(name=ALICE)
        assert (caught.value.reason, caught.value.domain) == (reason, "googleapis.com")
        assert caught.value.metadata["service"] == "secretmanager.googleapis.com"
    assert client.get_secret(name=ALICE)


def test_a_failure_without_a_reason_has_none(client, manager):
    manager.fail("GetSecret", StatusCode.UNAUTHENTICATED)
    with pytest.raises(exceptions.Unauthenticated) as caught:
        client.get_secret(name=ALICE)
    assert (caught.value.reason, caught.value.details) == (None, [])


def test_a_failure_may_last_until_it_is_healed(client, manager):
    manager.fail("GetSecret", StatusCode.UNAUTHENTICATED, times=None)
    for _ in range(3):
        with pytest.raises(exceptions.Unauthenticated):
            client.get_secret(name=ALICE)
    manager.heal()
    assert client.get_secret(name=ALICE)


def test_a_denied_method_names_the_permission_and_the_resource(client, manager):
    manager.deny({"AccessSecretVersion", "ListSecrets"})
    with pytest.raises(exceptions.PermissionDenied, match=r"'secretmanager\.versions\.access' denied") as caught:
        client.access_secret_version(name=f"{ALICE}/versions/1")
    assert (caught.value.reason, caught.value.domain) == ("IAM_PERMISSION_DENIED", "iam.googleapis.com")
    assert caught.value.metadata["permission"] == "secretmanager.versions.access"
    assert caught.value.metadata["resource"] == f"{ALICE}/versions/1"
    with pytest.raises(exceptions.PermissionDenied, match=r"'secretmanager\.secrets\.list' denied"):
        client.list_secrets(parent="projects/demo")


def test_a_denial_may_be_for_one_resource_and_for_another_reason(client, manager):
    manager.deny({"GetSecret"}, match="alice", reason="SERVICE_DISABLED")
    assert client.get_secret(name=BOB)
    with pytest.raises(exceptions.PermissionDenied) as caught:
        client.get_secret(name=ALICE)
    assert caught.value.reason == "SERVICE_DISABLED"


def test_a_project_that_is_not_ours_is_told_by_its_reason(client):
    with pytest.raises(exceptions.PermissionDenied) as caught:
        client.get_secret(name="projects/other/secrets/alice")
    assert caught.value.reason == "CONSUMER_INVALID"
    assert caught.value.metadata["consumer"] == "projects/other"


def test_a_version_whose_key_is_gone_stays_enabled_but_cannot_be_accessed(client, manager):
    manager.add("alice", "one")
    manager.add("alice", "two")
    manager.lose_key(f"{KEPT}/2")
    for version in ("2", "latest"):
        with pytest.raises(exceptions.FailedPrecondition, match="key"):
            client.access_secret_version(name=f"{ALICE}/versions/{version}")
    assert manager.states("alice") == {1: "ENABLED", 2: "ENABLED"}
    assert client.access_secret_version(name=f"{ALICE}/versions/1").payload.data == b"one"
    manager.heal()
    assert client.access_secret_version(name=f"{ALICE}/versions/2").payload.data == b"two"


def connected(relay: Relay) -> SecretManagerServiceClient:
    # A channel with the same options would share the connection of another channel.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.insecure_channel(relay.address, options=options)
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


def test_a_silent_connection_never_answers_and_a_new_one_does(manager):
    with Relay(manager.address) as relay:
        with connected(relay) as client:
            assert client.get_secret(name=ALICE)
            relay.swallow()
            for _ in range(2):
                with pytest.raises(exceptions.DeadlineExceeded):
                    client.get_secret(name=ALICE, timeout=0.2, retry=None)
            with connected(relay) as other, pytest.raises(exceptions.DeadlineExceeded):
                other.get_secret(name=ALICE, timeout=0.2, retry=None)
            relay.carry()
            with pytest.raises(exceptions.DeadlineExceeded):
                client.get_secret(name=ALICE, timeout=0.2, retry=None)
            assert relay.connections == 2
        with connected(relay) as client:
            assert client.get_secret(name=ALICE)
    assert manager.calls == [("GetSecret", ALICE)] * 2
