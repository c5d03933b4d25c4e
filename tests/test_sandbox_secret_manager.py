"""The local Secret Manager, through the official client over a real socket."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.cloud.secretmanager_v1.types import SecretVersion

from sandbox.clock import Clock
from sandbox.secret_manager.quota import Quota
from sandbox.secret_manager.server import SecretManager

NUMBER = "123456789012"
PROJECT = "projects/demo"
ALICE = f"{PROJECT}/secrets/alice"
State = SecretVersion.State


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(clock: Clock) -> Iterator[SecretManager]:
    with SecretManager(clock) as manager:
        yield manager


@pytest.fixture
def connect() -> Iterator[Callable[[str], SecretManagerServiceClient]]:
    channels = []

    def client(address: str) -> SecretManagerServiceClient:
        channels.append(grpc.insecure_channel(address))
        return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channels[-1]))

    yield client
    for channel in channels:
        channel.close()


@pytest.fixture
def client(manager: SecretManager, connect: Any) -> SecretManagerServiceClient:
    return connect(manager.address)


def version(number: int | str, secret: str = ALICE) -> str:
    return f"{secret}/versions/{number}"


def add(client: SecretManagerServiceClient, data: bytes, **payload: Any) -> SecretVersion:
    return client.add_secret_version(parent=ALICE, payload={"data": data, **payload})


def create(client: SecretManagerServiceClient, secret_id: str, **fields: Any) -> Any:
    secret = {"replication": {"automatic": {}}, **fields}
    return client.create_secret(parent=PROJECT, secret_id=secret_id, secret=secret)


def update(client: SecretManagerServiceClient, *paths: str, **fields: Any) -> Any:
    return client.update_secret(secret={"name": ALICE, **fields}, update_mask={"paths": list(paths)})


# Secrets


def test_a_created_secret_is_given_back_as_it_was_made(client, clock):
    created = create(client, "alice", labels={"managed-by": "threads-token-keeper"}, annotations={"scopes": "a, b"})
    assert created.name == f"projects/{NUMBER}/secrets/alice"
    assert created.labels == {"managed-by": "threads-token-keeper"}
    assert created.annotations == {"scopes": "a, b"}
    assert clock.now() - created.create_time < timedelta(seconds=10)
    assert client.get_secret(name=ALICE) == created


@pytest.mark.parametrize("project", ["demo", NUMBER])
def test_the_project_is_named_by_its_id_or_its_number(client, manager, project):
    manager.create("alice")
    assert client.get_secret(name=f"projects/{project}/secrets/alice").name == f"projects/{NUMBER}/secrets/alice"


def test_another_project_is_denied(client):
    with pytest.raises(exceptions.PermissionDenied):
        client.create_secret(parent="projects/other", secret_id="alice", secret={"replication": {"automatic": {}}})
    with pytest.raises(exceptions.PermissionDenied):
        client.get_secret(name="projects/other/secrets/alice")
    with pytest.raises(exceptions.PermissionDenied):
        client.list_secrets(parent="projects/other")


def test_a_secret_is_created_once(client, manager):
    manager.create("alice")
    with pytest.raises(exceptions.AlreadyExists, match="alice"):
        create(client, "alice")


@pytest.mark.parametrize("secret_id", ["", "a.b", "a b", "ä", "a" * 256, "a\n"])
def test_a_bad_secret_id_is_refused(client, secret_id):
    with pytest.raises(exceptions.InvalidArgument):
        create(client, secret_id)


def test_a_secret_id_may_be_255_characters_of_any_case(client):
    assert create(client, "aZ_9-" * 51).name.endswith("aZ_9-" * 51)


def test_a_secret_without_replication_is_refused(client):
    with pytest.raises(exceptions.InvalidArgument, match="replication"):
        client.create_secret(parent=PROJECT, secret_id="alice", secret={})


def test_what_the_sandbox_does_not_know_is_refused_rather_than_dropped(client):
    with pytest.raises(exceptions.MethodNotImplemented, match="ttl"):
        create(client, "alice", ttl=timedelta(days=1))


@pytest.mark.parametrize(
    "labels",
    [
        {"": "v"},
        {"Key": "v"},
        {"9key": "v"},
        {"_key": "v"},
        {"a.b": "v"},
        {"k" * 64: "v"},
        {"k": "Value"},
        {"k": "a b"},
        {"k": "v" * 64},
        {"k": "漢" * 43},
        {f"k{n}": "" for n in range(65)},
    ],
)
def test_labels_outside_the_rules_are_refused(client, manager, labels):
    with pytest.raises(exceptions.InvalidArgument):
        create(client, "bob", labels=labels)
    manager.create("alice", labels={"k": "v"})
    with pytest.raises(exceptions.InvalidArgument):
        update(client, "labels", labels=labels)
    assert manager.labels("alice") == {"k": "v"}


@pytest.mark.parametrize(
    "labels", [{"k" * 63: "v" * 63}, {"k_-9": ""}, {"é": "漢-9"}, {f"k{n}": "9" for n in range(64)}], ids=range(4)
)
def test_labels_within_the_rules_are_kept(client, manager, labels):
    create(client, "alice", labels=labels)
    assert manager.labels("alice") == labels


@pytest.mark.parametrize("key", ["", "-a", "a-", "a b", "ä", "a" * 64])
def test_a_bad_annotation_key_is_refused(client, key):
    with pytest.raises(exceptions.InvalidArgument):
        create(client, "alice", annotations={key: "v"})


def test_annotations_are_limited_to_16_kib_in_all(client, manager):
    create(client, "alice", annotations={"a.B-9_c": "é" * 8000})
    with pytest.raises(exceptions.InvalidArgument, match="16KiB"):
        update(client, "annotations", annotations={"a": "é" * 8000, "b": "x" * 400})
    assert list(manager.annotations("alice")) == ["a.B-9_c"]


def test_an_update_changes_what_the_mask_names_and_nothing_else(client, manager):
    manager.create("alice", labels={"a": "1"}, annotations={"b": "2"})
    before = client.get_secret(name=ALICE)
    after = update(client, "annotations", labels={"x": "9"}, annotations={"c": "3"})
    assert (after.labels, after.annotations) == ({"a": "1"}, {"c": "3"})
    assert (after.name, after.create_time) == (before.name, before.create_time)
    assert after.etag != before.etag
    assert client.get_secret(name=ALICE) == after


@pytest.mark.parametrize("paths", [[], ["replication"], ["name"], ["etag"], ["nonsense"], ["labels", "create_time"]])
def test_an_update_of_nothing_or_of_what_is_fixed_is_refused(client, manager, paths):
    manager.create("alice", labels={"a": "1"})
    with pytest.raises(exceptions.InvalidArgument, match="update_mask"):
        update(client, *paths, labels={"x": "9"})
    assert manager.labels("alice") == {"a": "1"}


def test_an_update_with_a_stale_etag_is_refused(client, manager):
    manager.create("alice", labels={"a": "1"})
    seen = client.get_secret(name=ALICE).etag
    update(client, "labels", labels={"a": "2"}, etag=seen)
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        update(client, "labels", labels={"a": "3"}, etag=seen)
    assert manager.labels("alice") == {"a": "2"}


def test_a_secret_is_deleted_with_its_versions(client, manager):
    manager.create("alice")
    manager.add("alice", "old")
    with pytest.raises(exceptions.FailedPrecondition):
        client.delete_secret(request={"name": ALICE, "etag": '"stale"'})
    client.delete_secret(name=ALICE)
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=ALICE)
    manager.create("alice")
    assert manager.states("alice") == {}


@pytest.mark.parametrize(
    "name", ["", "alice", "projects/demo/secrets", "projects/demo/secrets/a/versions/1/x", PROJECT]
)
def test_a_malformed_name_is_refused(client, name):
    with pytest.raises(exceptions.InvalidArgument):
        client.get_secret(name=name)


# Listing secrets


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["carol", "bob", "alice"]),
        ("labels.managed-by=keeper", ["bob", "alice"]),
        ("labels.managed-by=keep", []),
        ("labels.managed-by:keep", ["bob", "alice"]),
        ("labels.managed-by = keeper AND labels.team=red", ["alice"]),
        ('labels.team="red"', ["alice"]),
        ("labels.team:*", ["bob", "alice"]),
        ("annotations.note=hi", ["carol"]),
        ("name:AR", ["carol"]),
        ("name:ob AND labels.managed-by=keeper", ["bob"]),
    ],
)
def test_secrets_are_listed_by_filter_newest_first(client, manager, text, found):
    manager.create("alice", labels={"managed-by": "keeper", "team": "red"})
    manager.create("bob", labels={"managed-by": "keeper", "team": "blue"})
    manager.create("carol", annotations={"note": "hi"})
    pages = client.list_secrets(request={"parent": PROJECT, "filter": text})
    assert [secret.name.rpartition("/")[2] for secret in pages] == found


@pytest.mark.parametrize(
    "text", ["labels.a=b OR labels.c=d", "NOT name:a", "labels.a", "state=ENABLED", "name.x=1", "labels=1", "(name:a)"]
)
def test_a_filter_that_cannot_be_read_is_refused(client, manager, text):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument, match="filter"):
        client.list_secrets(request={"parent": PROJECT, "filter": text})


def test_secrets_come_in_pages_that_stay_right_while_secrets_come_and_go(client, manager):
    for number in range(5):
        manager.create(f"s{number}")
    first = next(client.list_secrets(request={"parent": PROJECT, "page_size": 2}).pages)
    assert [secret.name[-2:] for secret in first.secrets] == ["s4", "s3"]
    assert first.total_size == 5
    manager.create("s5")
    client.delete_secret(name=f"{PROJECT}/secrets/s3")
    rest = client.list_secrets(request={"parent": PROJECT, "page_size": 2, "page_token": first.next_page_token})
    assert [secret.name[-2:] for secret in rest] == ["s2", "s1", "s0"]


def test_a_last_page_that_is_full_has_no_token(client, manager):
    manager.create("alice")
    page = next(client.list_secrets(request={"parent": PROJECT, "page_size": 1}).pages)
    assert (len(page.secrets), page.next_page_token) == (1, "")


def test_a_filtered_listing_has_no_total(client, manager):
    manager.create("alice")
    page = next(client.list_secrets(request={"parent": PROJECT, "filter": "name:alice"}).pages)
    assert (len(page.secrets), page.total_size) == (1, 0)


@pytest.mark.parametrize("paging", [{"page_size": -1}, {"page_token": "nonsense"}, {"page_token": "!"}])
def test_bad_paging_is_refused(client, manager, paging):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument, match="page_"):
        client.list_secrets(request={"parent": PROJECT, **paging})
    with pytest.raises(exceptions.InvalidArgument, match="page_"):
        client.list_secret_versions(request={"parent": ALICE, **paging})


# Adding and reading versions


def test_a_version_is_added_and_read_back_with_its_checksum(client, manager, clock):
    manager.create("alice")
    added = add(client, b"token-1", data_crc32c=google_crc32c.value(b"token-1"))
    assert added.name == f"projects/{NUMBER}/secrets/alice/versions/1"
    assert added.state is State.ENABLED
    assert added.client_specified_payload_checksum
    assert clock.now() - added.create_time < timedelta(seconds=10)
    assert client.get_secret_version(name=version(1)) == added
    reply = client.access_secret_version(name=version("latest"))
    assert (reply.name, reply.payload.data) == (added.name, b"token-1")
    assert reply.payload.data_crc32c == google_crc32c.value(b"token-1")


def test_a_version_added_without_a_checksum_says_so(client, manager):
    manager.create("alice")
    assert not add(client, b"token").client_specified_payload_checksum


@pytest.mark.parametrize(
    "payload",
    [{"data": b""}, {"data": b"x" * 65537}, {"data": b"x", "data_crc32c": 1}, {"data": b"x", "data_crc32c": 0}],
)
def test_a_bad_payload_is_refused(client, manager, payload):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument):
        add(client, **payload)
    assert manager.states("alice") == {}


def test_a_payload_of_64_kib_is_kept(client, manager):
    manager.create("alice")
    add(client, b"\xff" * 65536)
    assert manager.payloads("alice") == {1: b"\xff" * 65536}


def test_latest_is_the_most_recently_created_whatever_its_state(client, manager):
    manager.create("alice")
    manager.add("alice", "one")
    manager.add("alice", "two")
    client.disable_secret_version(name=version(2))
    assert client.get_secret_version(name=version("latest")).state is State.DISABLED
    with pytest.raises(exceptions.FailedPrecondition, match="DISABLED"):
        client.access_secret_version(name=version("latest"))
    assert client.access_secret_version(name=version(1)).payload.data == b"one"


@pytest.mark.parametrize("call", ["get_secret_version", "access_secret_version", "destroy_secret_version"])
@pytest.mark.parametrize("name", [version(1), version(99), version(1, f"{PROJECT}/secrets/nobody")])
def test_a_version_that_is_not_there_is_not_found(client, manager, call, name):
    manager.create("alice")
    with pytest.raises(exceptions.NotFound):
        getattr(client, call)(name=name)


def test_latest_of_no_versions_is_not_found(client, manager):
    manager.create("alice")
    with pytest.raises(exceptions.NotFound):
        client.access_secret_version(name=version("latest"))


def test_a_version_is_not_added_to_a_secret_that_is_not_there(client):
    with pytest.raises(exceptions.NotFound, match="alice"):
        add(client, b"token")


@pytest.mark.parametrize("number", ["newest", "-1", "1.0", "²"])
def test_a_version_that_is_no_number_is_refused(client, manager, number):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument):
        client.access_secret_version(name=version(number))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("state:ENABLED", [4, 2]),
        ("state=ENABLED", [4, 2]),
        ("state=DISABLED", [3]),
        ("name:versions/1", [1]),
    ],
)
def test_versions_are_listed_by_state_newest_first(client, manager, text, found):
    manager.create("alice")
    for number in range(1, 5):
        manager.add("alice", f"token-{number}")
    client.destroy_secret_version(name=version(1))
    client.disable_secret_version(name=version(3))
    listed = client.list_secret_versions(request={"parent": ALICE, "filter": text, "page_size": 1})
    assert [int(each.name.rpartition("/")[2]) for each in listed] == found


def test_the_total_of_versions_counts_every_state(client, manager):
    manager.create("alice")
    manager.add("alice", "one")
    manager.add("alice", "two")
    client.destroy_secret_version(name=version(1))
    assert next(client.list_secret_versions(request={"parent": ALICE, "page_size": 1}).pages).total_size == 2


# Changing versions


def test_a_version_is_disabled_enabled_and_destroyed_for_good(client, manager, clock):
    manager.create("alice")
    manager.add("alice", "token")
    assert client.disable_secret_version(name=version(1)).state is State.DISABLED
    assert manager.payloads("alice") == {}
    assert client.enable_secret_version(name=version(1)).state is State.ENABLED
    assert manager.payloads("alice") == {1: b"token"}
    destroyed = client.destroy_secret_version(name=version(1))
    assert destroyed.state is State.DESTROYED
    assert clock.now() - destroyed.destroy_time < timedelta(seconds=10)
    for call in ("enable", "disable", "destroy"):
        with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
            getattr(client, f"{call}_secret_version")(name=version(1))
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        client.access_secret_version(name=version(1))
    assert manager.states("alice") == {1: "DESTROYED"}
    assert manager.add("alice", "next") == 2


@pytest.mark.parametrize("call", ["enable", "disable", "destroy"])
def test_a_change_honours_the_etag(client, manager, call):
    manager.create("alice")
    manager.add("alice", "token")
    change = getattr(client, f"{call}_secret_version")
    seen = client.get_secret_version(name=version(1)).etag
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        change(request={"name": version(1), "etag": '"stale"'})
    assert manager.states("alice") == {1: "ENABLED"}
    assert change(request={"name": version(1), "etag": seen}).etag != seen


@pytest.mark.parametrize("call", ["enable", "disable", "destroy"])
def test_a_change_wants_the_number_of_the_version(client, manager, call):
    manager.create("alice")
    manager.add("alice", "token")
    with pytest.raises(exceptions.InvalidArgument):
        getattr(client, f"{call}_secret_version")(name=version("latest"))


def test_with_a_destroy_ttl_a_version_is_destroyed_once_the_time_has_come(client, manager, clock):
    create(client, "alice", version_destroy_ttl=timedelta(days=2))
    manager.add("alice", "token")
    scheduled = client.destroy_secret_version(name=version(1))
    assert scheduled.state is State.DISABLED
    assert timedelta(days=1.99) < scheduled.scheduled_destroy_time - clock.now() <= timedelta(days=2)
    clock.forward(timedelta(days=1))
    assert manager.states("alice") == {1: "DISABLED"}
    clock.forward(timedelta(days=1, seconds=1))
    destroyed = client.get_secret_version(name=version(1))
    assert destroyed.state is State.DESTROYED
    assert "scheduled_destroy_time" not in destroyed
    with pytest.raises(exceptions.FailedPrecondition):
        client.enable_secret_version(name=version(1))


@pytest.mark.parametrize("call", ["enable", "disable"])
def test_a_scheduled_destruction_is_called_off_by_enabling_or_disabling(client, manager, clock, call):
    create(client, "alice", version_destroy_ttl=timedelta(days=2))
    manager.add("alice", "token")
    client.destroy_secret_version(name=version(1))
    assert "scheduled_destroy_time" not in getattr(client, f"{call}_secret_version")(name=version(1))
    clock.forward(timedelta(days=3))
    assert manager.states("alice") == {1: f"{call}d".upper()}


def test_a_destroy_ttl_is_removed_by_an_update(client, manager):
    create(client, "alice", version_destroy_ttl=timedelta(days=2))
    update(client, "version_destroy_ttl")
    manager.add("alice", "token")
    assert client.destroy_secret_version(name=version(1)).state is State.DESTROYED


@pytest.mark.parametrize("ttl", [timedelta(hours=23), timedelta(days=1001)])
def test_a_destroy_ttl_is_between_1_and_1000_days(client, ttl):
    with pytest.raises(exceptions.InvalidArgument):
        create(client, "alice", version_destroy_ttl=ttl)


# The state


def fill(manager: SecretManager) -> None:
    manager.create("alice", labels={"a": "1"}, annotations={"b": "é"})
    manager.add("alice", "one")
    manager.add("alice", b"\x00\xff")
    manager.create("bob")


def test_the_state_outlives_the_server(clock, connect, tmp_path):
    path = tmp_path / "new" / "secrets.json"
    with SecretManager(clock, path) as manager:
        fill(manager)
        client = connect(manager.address)
        client.destroy_secret_version(name=version(1))
        before = client.get_secret(name=ALICE), list(client.list_secret_versions(parent=ALICE))
    with SecretManager(clock, path) as manager:
        client = connect(manager.address)
        assert (client.get_secret(name=ALICE), list(client.list_secret_versions(parent=ALICE))) == before
        assert manager.payloads("alice") == {2: b"\x00\xff"}
        assert manager.add("alice", "three") == 3
        manager.create("carol")
        assert [s.name.rpartition("/")[2] for s in client.list_secrets(parent=PROJECT)] == ["carol", "bob", "alice"]


def test_the_state_file_is_private_and_alone(clock, tmp_path):
    path = tmp_path / "secrets.json"
    path.with_name("secrets.json.tmp").write_text("left over")
    path.with_name("secrets.json.tmp").chmod(0o644)
    with SecretManager(clock, path) as manager:
        fill(manager)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secrets.json"]


def test_a_destroyed_payload_is_gone_from_the_file(clock, connect, tmp_path):
    path = tmp_path / "secrets.json"
    with SecretManager(clock, path) as manager:
        manager.create("alice")
        manager.add("alice", "token")
        assert "dG9rZW4=" in path.read_text()
        connect(manager.address).destroy_secret_version(name=version(1))
        assert "dG9rZW4=" not in path.read_text()


def test_a_payload_whose_time_has_come_is_gone_from_the_file_once_anything_is_read(clock, connect, tmp_path):
    path = tmp_path / "secrets.json"
    with SecretManager(clock, path) as manager:
        client = connect(manager.address)
        create(client, "alice", version_destroy_ttl=timedelta(days=1))
        manager.add("alice", "token")
        client.destroy_secret_version(name=version(1))
        clock.forward(timedelta(days=2))
        client.get_secret(name=ALICE)
        assert "dG9rZW4=" not in path.read_text()


def test_many_threads_at_once_lose_nothing(manager, client):
    manager.create("alice")
    with ThreadPoolExecutor(16) as pool:
        added = list(pool.map(lambda n: (add(client, b"%d" % n).name, b"%d" % n), range(200)))
    stored = {f"projects/{NUMBER}/secrets/alice/versions/{n}": data for n, data in manager.payloads("alice").items()}
    assert stored == dict(added)


# What goes wrong


def test_a_quota_is_counted_by_kind_and_comes_back(clock, connect):
    with SecretManager(clock, quota=Quota(read=2, write=1, access=3, window_seconds=3600)) as manager:
        client = connect(manager.address)
        create(client, "alice")
        manager.add("alice", "token")
        with pytest.raises(exceptions.ResourceExhausted, match="write"):
            add(client, b"more")
        client.get_secret(name=ALICE)
        client.list_secrets(parent=PROJECT)
        with pytest.raises(exceptions.ResourceExhausted, match="read"):
            client.get_secret_version(name=version(1))
        for _ in range(3):
            client.access_secret_version(name=version(1))
        with pytest.raises(exceptions.ResourceExhausted, match="access"):
            client.access_secret_version(name=version(1), retry=None)
        manager.quota = Quota(write=1, window_seconds=0.2)
        time.sleep(0.2 - time.monotonic() % 0.2)
        add(client, b"two")
        with pytest.raises(exceptions.ResourceExhausted):
            add(client, b"refused")
        time.sleep(0.2)
        add(client, b"three")
        assert sorted(manager.payloads("alice").values()) == [b"three", b"token", b"two"]


def test_a_fault_before_the_effect_leaves_all_as_it_was(client, manager):
    manager.create("alice")
    manager.fail("AddSecretVersion", grpc.StatusCode.UNAVAILABLE, times=2)
    for _ in range(2):
        with pytest.raises(exceptions.ServiceUnavailable):
            add(client, b"token")
    assert manager.states("alice") == {}
    add(client, b"token")
    assert manager.newest("alice") == "token"


def test_a_fault_after_the_effect_loses_only_the_reply(client, manager):
    manager.create("alice")
    manager.fail("AddSecretVersion", grpc.StatusCode.UNAVAILABLE, when="after")
    with pytest.raises(exceptions.ServiceUnavailable):
        add(client, b"token")
    assert manager.payloads("alice") == {1: b"token"}


def test_a_fault_waits_for_its_method_and_its_resource(client, manager):
    manager.create("alice")
    manager.create("bob")
    manager.fail("GetSecret", grpc.StatusCode.INTERNAL, match="bob")
    client.get_secret(name=ALICE)
    client.list_secrets(parent=PROJECT)
    with pytest.raises(exceptions.InternalServerError):
        client.get_secret(name=f"{PROJECT}/secrets/bob")


def test_a_fault_that_was_healed_does_not_come(client, manager):
    manager.create("alice")
    manager.fail("GetSecret", grpc.StatusCode.INTERNAL)
    manager.heal()
    assert client.get_secret(name=ALICE)


def test_a_fault_or_a_denial_of_an_unknown_method_is_a_mistake(manager):
    with pytest.raises(ValueError, match="AddVersion"):
        manager.fail("AddVersion", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(ValueError, match="AddVersion"):
        manager.deny({"AddVersion"})


def test_denied_methods_are_denied_until_told_otherwise(client, manager):
    manager.create("alice")
    manager.add("alice", "token")
    manager.deny({"AccessSecretVersion"})
    for _ in range(2):
        with pytest.raises(exceptions.PermissionDenied):
            client.access_secret_version(name=version(1))
    assert client.get_secret_version(name=version(1))
    manager.deny(set())
    assert client.access_secret_version(name=version(1))


def test_a_corrupted_reply_does_not_fit_its_checksum(client, manager):
    manager.create("alice")
    manager.add("alice", "token")
    manager.corrupt()
    damaged = client.access_secret_version(name=version(1)).payload
    assert google_crc32c.value(damaged.data) != damaged.data_crc32c
    sound = client.access_secret_version(name=version(1)).payload
    assert (sound.data, google_crc32c.value(sound.data)) == (b"token", sound.data_crc32c)


def test_latency_is_added_to_every_call_and_calls_wait_side_by_side(client, manager):
    manager.create("alice")
    client.get_secret(name=ALICE)
    manager.delay(0.2)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.get_secret(name=ALICE), range(8)))
    assert 0.2 <= time.monotonic() - started < 0.8


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_that_hangs_meets_its_deadline_and_does_not_hold_up_the_stop(clock, connect, when):
    with SecretManager(clock) as manager:
        manager.create("alice")
        manager.fail("AddSecretVersion", None, when=when, delay=60)
        with pytest.raises(exceptions.DeadlineExceeded):
            connect(manager.address).add_secret_version(parent=ALICE, payload={"data": b"token"}, timeout=0.2)
        assert manager.states("alice") == ({} if when == "before" else {1: "ENABLED"})
        started = time.monotonic()
    assert time.monotonic() - started < 1


def test_a_call_that_hangs_before_its_effect_has_none_once_the_server_stops(clock, connect):
    with SecretManager(clock) as manager:
        manager.create("alice")
        manager.fail("AddSecretVersion", None, delay=60)
        with pytest.raises(exceptions.DeadlineExceeded):
            connect(manager.address).add_secret_version(parent=ALICE, payload={"data": b"token"}, timeout=0.1)
    time.sleep(0.1)
    assert manager.states("alice") == {}


def test_once_the_server_has_stopped_nothing_has_an_effect_any_more(clock, connect):
    with SecretManager(clock) as manager:
        manager.create("alice")
        manager.on_call = lambda method, resource, when: time.sleep(0.2)
        with pytest.raises(exceptions.DeadlineExceeded):
            connect(manager.address).add_secret_version(parent=ALICE, payload={"data": b"token"}, timeout=0.1)
    at_stop = manager.states("alice")
    time.sleep(0.4)
    assert manager.states("alice") == at_stop


def test_calls_are_recorded_and_the_hook_sees_both_of_their_ends(client, manager):
    manager.create("alice")
    seen = []
    manager.on_call = lambda method, resource, when: seen.append((method, resource, when, manager.states("alice")))
    add(client, b"token")
    assert seen == [("AddSecretVersion", ALICE, "before", {}), ("AddSecretVersion", ALICE, "after", {1: "ENABLED"})]
    manager.on_call = None
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=f"{PROJECT}/secrets/bob")
    update(client, "labels")
    create(client, "carol")
    assert manager.calls == [
        ("AddSecretVersion", ALICE),
        ("GetSecret", f"{PROJECT}/secrets/bob"),
        ("UpdateSecret", ALICE),
        ("CreateSecret", f"{PROJECT}/secrets/carol"),
    ]
    manager.calls.clear()
    assert manager.calls == []


# The Python API and the program


def test_a_test_can_set_labels_and_annotations(manager):
    manager.create("alice", labels={"a": "1"})
    manager.set_labels("alice", {"b": "2"})
    manager.set_annotations("alice", {"c": "3"})
    assert (manager.labels("alice"), manager.annotations("alice")) == ({"b": "2"}, {"c": "3"})


def test_the_server_starts_and_stops_in_no_time(clock):
    started = time.monotonic()
    with SecretManager(clock):
        pass
    assert time.monotonic() - started < 0.5


def test_a_taken_port_is_an_error(clock, manager):
    with pytest.raises(OSError, match="in use"):
        SecretManager(clock, port=int(manager.address.rpartition(":")[2])).start()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes = []

    def start(port: int) -> subprocess.Popen[str]:
        options = [
            "--port",
            str(port),
            "--state",
            str(tmp_path / "secrets.json"),
            "--clock",
            str(tmp_path / "clock.json"),
        ]
        command = [sys.executable, "-m", "sandbox.secret_manager", "--project", "demo", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_nothing_that_was_answered_is_lost_by_a_kill_nor_by_a_stop(run, connect, tmp_path):
    port = free_port()
    program = run(port)
    assert f"127.0.0.1:{port}" in program.stdout.readline()
    client = connect(f"127.0.0.1:{port}")
    create(client, "alice")
    add(client, b"token-1")
    add(client, b"token-2")
    program.kill()
    program.wait()
    Clock(tmp_path / "clock.json").forward(timedelta(days=60))
    program = run(port)
    program.stdout.readline()
    client = connect(f"127.0.0.1:{port}")
    assert client.access_secret_version(name=version("latest")).payload.data == b"token-2"
    assert add(client, b"token-3").create_time - datetime.now(UTC) > timedelta(days=59)
    program.send_signal(signal.SIGTERM)
    assert program.wait(timeout=5) == 0
    assert program.stderr.read() == ""


def test_the_program_says_in_one_line_that_its_port_is_taken(run, manager):
    program = run(int(manager.address.rpartition(":")[2]))
    _, complaint = program.communicate(timeout=20)
    assert program.returncode == 1
    assert complaint.count("\n") == 1
    assert manager.address in complaint


def test_the_program_ends_cleanly_on_an_interrupt_while_somebody_is_connected(run):
    program = run(0)
    address = program.stdout.readline().split(" listens on ")[1].split(",")[0]
    with socket.create_connection(address.split(":")):
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=5) == 0
