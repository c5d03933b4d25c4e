"""Versions: added, read and listed."""

from __future__ import annotations

from datetime import timedelta

import google_crc32c
import pytest
from google.api_core import exceptions

from tests.sandbox_secret_manager.calls import ALICE, NUMBER, PROJECT, State, add, version


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
