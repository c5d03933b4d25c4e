"""Google's Python client sees the same local Secret Manager by gRPC and by REST."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import google_crc32c
import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service import transports
from google.cloud.secretmanager_v1.types import SecretPayload
from grpc import StatusCode

PARENT = "projects/demo"
ALICE = f"{PARENT}/secrets/alice"
KEPT = "projects/123456789012/secrets/alice"
Client = SecretManagerServiceClient


@pytest.fixture
def by_grpc(manager) -> Iterator[Client]:
    channel = grpc.insecure_channel(manager.address)
    with Client(transport=transports.SecretManagerServiceGrpcTransport(channel=channel)) as client:
        yield client


@pytest.fixture
def by_rest(manager) -> Iterator[Client]:
    how = {"host": manager.rest_url.removeprefix("http://"), "url_scheme": "http"}
    transport = transports.SecretManagerServiceRestTransport(credentials=AnonymousCredentials(), **how)
    with Client(transport=transport) as client:
        yield client


@pytest.fixture(params=["by_grpc", "by_rest"])
def client(request) -> Client:
    return request.getfixturevalue(request.param)


def create(client: Client, secret_id: str, **fields: Any) -> Any:
    secret = {"replication": {"automatic": {}}, **fields}
    return client.create_secret(parent=PARENT, secret_id=secret_id, secret=secret)


def test_a_secret_lives_from_its_creation_to_its_deletion(client, manager):
    made = create(client, "carol", labels={"team": "red"}, topics=[{"name": f"{PARENT}/topics/t"}])
    assert made.topics[0].name == f"{PARENT}/topics/t"
    changed = client.update_secret(
        secret={"name": made.name, "annotations": {"note": "hi"}, "etag": made.etag},
        update_mask={"paths": ["annotations", "version_destroy_ttl"]},
    )
    assert (changed.labels, changed.annotations) == ({"team": "red"}, {"note": "hi"})
    with pytest.raises(GoogleAPICallError, match="etag"):
        client.delete_secret(request={"name": made.name, "etag": made.etag})
    client.delete_secret(request={"name": made.name, "etag": changed.etag})
    assert [secret.name for secret in client.list_secrets(request={"parent": PARENT, "filter": "labels.team=red"})] == [
        KEPT
    ]


def test_a_version_lives_from_its_addition_to_its_destruction(client, manager):
    data = b"\xff\xfe"
    payload = {"data": data, "data_crc32c": google_crc32c.value(data)}
    added = client.add_secret_version(parent=ALICE, payload=payload)
    assert client.access_secret_version(name=f"{ALICE}/versions/latest").payload == SecretPayload(payload)
    assert client.disable_secret_version(name=added.name).state.name == "DISABLED"
    assert client.enable_secret_version(name=added.name).state.name == "ENABLED"
    assert client.destroy_secret_version(name=added.name).state.name == "DESTROYED"
    listed = client.list_secret_versions(request={"parent": ALICE, "page_size": 1})
    states = {version.name: version.state.name for version in listed}
    assert states == {f"{KEPT}/versions/2": "DESTROYED", f"{KEPT}/versions/1": "ENABLED"}


ENABLED = {"parent": ALICE, "filter": "state:ENABLED"}
READS: dict[str, Callable[[Client], Any]] = {
    "get_secret": lambda client: client.get_secret(name=ALICE),
    "list_secrets": lambda client: list(client.list_secrets(parent=PARENT)),
    "a page of secrets": lambda client: next(client.list_secrets(request={"parent": PARENT, "page_size": 1}).pages),
    "get_secret_version": lambda client: client.get_secret_version(name=f"{ALICE}/versions/latest"),
    "list_secret_versions": lambda client: list(
        client.list_secret_versions(request={"parent": ALICE, "filter": "state:ENABLED"})
    ),
    "access_secret_version": lambda client: client.access_secret_version(name=f"{ALICE}/versions/1"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_is_read_is_the_same_by_both_transports(by_grpc, by_rest, manager, read):
    manager.add("alice", "token-2")
    assert read(by_grpc) == read(by_rest)


REFUSALS: dict[str, Callable[[Client], Any]] = {
    "not found": lambda client: client.get_secret(name=f"{PARENT}/secrets/nobody"),
    "another project": lambda client: client.list_secrets(parent="projects/other"),
    "exists": lambda client: client.create_secret(
        parent=PARENT, secret_id="bob", secret={"replication": {"automatic": {}}}
    ),
    "bad id": lambda client: client.create_secret(
        parent=PARENT, secret_id="a.b", secret={"replication": {"automatic": {}}}
    ),
    "bad filter": lambda client: client.list_secrets(request={"parent": PARENT, "filter": "nonsense"}),
    "bad checksum": lambda client: client.add_secret_version(parent=ALICE, payload={"data": b"x", "data_crc32c": 1}),
    "empty payload": lambda client: client.add_secret_version(parent=ALICE, payload={}),
    "no mask": lambda client: client.update_secret(secret={"name": ALICE}, update_mask={}),
    "disabled": lambda client: client.access_secret_version(name=f"{PARENT}/secrets/bob/versions/1"),
    "denied": lambda client: client.destroy_secret_version(name=f"{ALICE}/versions/1"),
    "asked for": lambda client: client.get_secret(name=f"{PARENT}/secrets/bob"),
}


@pytest.mark.parametrize("call", REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_is_refused_with_the_same_words_by_both_transports(by_grpc, by_rest, manager, call):
    manager.add("bob", "token")
    by_grpc.disable_secret_version(name=f"{PARENT}/secrets/bob/versions/1")
    manager.deny({"DestroySecretVersion"})
    manager.fail("GetSecret", StatusCode.PERMISSION_DENIED, times=2, match="bob", reason="BILLING_DISABLED")
    errors = []
    for client in (by_grpc, by_rest):
        with pytest.raises(GoogleAPICallError) as caught:
            call(client)
        errors.append(caught.value)
    over_grpc, over_rest = errors
    assert over_rest.message.endswith(f": {over_grpc.message}")
    assert (over_rest.code, over_rest.reason, over_rest.domain) == (over_grpc.code, over_grpc.reason, over_grpc.domain)
