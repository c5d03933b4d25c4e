"""Quotas, and the faults that a test can ask for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import grpc
import pytest
from google.api_core import exceptions

from sandbox.secret_manager.quota import Quota
from sandbox.secret_manager.server import SecretManager
from tests.sandbox_secret_manager.calls import ALICE, PROJECT, add, create, update, version
from tests.support.timing import allowed


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
    assert 0.2 <= time.monotonic() - started < allowed(0.8)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_that_hangs_meets_its_deadline_and_does_not_hold_up_the_stop(clock, connect, when):
    with SecretManager(clock) as manager:
        manager.create("alice")
        manager.fail("AddSecretVersion", None, when=when, delay=60)
        with pytest.raises(exceptions.DeadlineExceeded):
            connect(manager.address).add_secret_version(parent=ALICE, payload={"data": b"token"}, timeout=0.2)
        assert manager.states("alice") == ({} if when == "before" else {1: "ENABLED"})
        started = time.monotonic()
    assert time.monotonic() - started < allowed(1)


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
