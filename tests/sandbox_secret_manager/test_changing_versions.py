"""Versions: enabled, disabled, destroyed, and destroyed after a delay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.api_core import exceptions

from tests.sandbox_secret_manager.calls import State, create, update, version


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
