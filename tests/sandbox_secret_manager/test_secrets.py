"""Secrets: created, updated, deleted, and the rules for their ids, labels and annotations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.api_core import exceptions

from tests.sandbox_secret_manager.calls import ALICE, NUMBER, PROJECT, create, update


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


TOPIC = "projects/demo/topics/t"


def test_topics_are_kept_and_changed_by_an_update(client):
    assert [topic.name for topic in create(client, "alice", topics=[{"name": TOPIC}]).topics] == [TOPIC]
    update(client, "topics", topics=[{"name": f"{TOPIC}2"}])
    assert [topic.name for topic in client.get_secret(name=ALICE).topics] == [f"{TOPIC}2"]


@pytest.mark.parametrize("names", [["t"], ["projects/demo/topics/"], [f"{TOPIC}{n}" for n in range(11)]])
def test_topics_outside_the_rules_are_refused(client, names):
    with pytest.raises(exceptions.InvalidArgument, match="topic"):
        create(client, "alice", topics=[{"name": name} for name in names])


def test_a_secret_with_an_expiry_is_deleted_when_it_comes(client, clock):
    day = timedelta(days=1)
    create(client, "alice", expire_time=clock.now() + day)
    clock.forward(day - timedelta(minutes=1))
    assert client.get_secret(name=ALICE).expire_time - clock.now() < timedelta(minutes=1)
    clock.forward(timedelta(minutes=1))
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=ALICE)
    create(client, "alice")
    clock.forward(day)
    assert client.get_secret(name=ALICE).expire_time is None


def test_an_expiry_can_be_moved_and_taken_off(client, clock):
    create(client, "alice", expire_time=clock.now() + timedelta(days=1))
    update(client, "expire_time", expire_time=clock.now() + timedelta(days=3))
    clock.forward(timedelta(days=2))
    update(client, "expire_time")
    clock.forward(timedelta(days=2))
    assert client.get_secret(name=ALICE).expire_time is None
    with pytest.raises(exceptions.InvalidArgument):
        update(client, "expire_time", expire_time=clock.now() - timedelta(days=1))
