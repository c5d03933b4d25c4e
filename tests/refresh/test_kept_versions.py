"""Which versions, labels and annotations a run keeps, and which versions it destroys."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, HOUR, KEEPER, World, official_client


def test_only_enabled_versions_beyond_the_newest_two_are_destroyed(world: World) -> None:
    client = official_client(world.manager)
    for _ in range(3):
        world.manager.add(ALICE, world.manager.newest(ALICE))
    client.disable_secret_version(name=f"{ALICE_NAME}/versions/3")
    assert world.run()["outcome"] == "refreshed"
    expected = {1: "DESTROYED", 2: "DESTROYED", 3: "DISABLED", 4: "DESTROYED", 5: "ENABLED", 6: "ENABLED"}
    assert world.manager.states(ALICE) == expected


@pytest.mark.parametrize("way", ["disable_secret_version", "destroy_secret_version"])
def test_the_previous_version_is_used_if_the_described_one_is_gone(world: World, way: str) -> None:
    getattr(official_client(world.manager), way)(name=f"{ALICE_NAME}/versions/2")
    assert world.run()["outcome"] == "refreshed"
    states = world.manager.states(ALICE)
    assert states.pop(2) in ("DISABLED", "DESTROYED")
    assert states == {1: "ENABLED", 3: "ENABLED"}
    assert world.threads.tokens.alive(world.manager.newest(ALICE))


def test_a_delayed_destruction_is_asked_for_once(world: World) -> None:
    client = official_client(world.manager)
    secret = Secret(name=ALICE_NAME, version_destroy_ttl=timedelta(days=7))
    client.update_secret(secret=secret, update_mask=FieldMask(paths=["version_destroy_ttl"]))
    for _ in range(3):
        assert world.run()["outcome"] == "refreshed"
        world.clock.forward(DAY + HOUR)
    states = {1: "DISABLED", 2: "DISABLED", 3: "DISABLED", 4: "ENABLED", 5: "ENABLED"}
    assert world.manager.states(ALICE) == states
    assert [method for method, _ in world.manager.calls].count("DestroySecretVersion") == 3


def test_a_version_that_is_not_there_any_more_needs_no_destruction(world: World) -> None:
    for method in ("DestroySecretVersion", "GetSecretVersion"):
        world.manager.fail(method, StatusCode.NOT_FOUND)
    found = world.run()
    assert (found["outcome"], found["detail"]) == ("refreshed", None)


def test_labels_and_annotations_of_others_stay(world: World) -> None:
    world.manager.set_labels(ALICE, world.manager.labels(ALICE) | {"team": "press"})
    world.describe(owner="Press office, 2nd floor")
    world.run()
    assert world.manager.labels(ALICE) == KEEPER | {"threads-user-id": ALICE_ID, "team": "press"}
    assert world.manager.annotations(ALICE)["owner"] == "Press office, 2nd floor"
    assert world.manager.annotations(ALICE)["version"] == "3"


NONSENSE: list[dict[str, str]] = [
    {"version": "seven"},
    {"version": "-1"},
    {"version": "9" * 5000},
    {"version": "1"},
    {"version": "99"},
    {"refreshed-at": "yesterday"},
    {"refreshed-at": "2027-01-01"},
    {"refreshed-at": "2027-01-01T00:00:00"},
    {"refreshed-at": "0001-01-01T00:00:00+14:00"},
    {"refreshed-at": "9999-12-31T23:59:59Z"},
    {"expires-at": "never"},
    {"expires-at": "0001-01-01T00:00:00Z"},
    {"expires-at": "9999-12-31T23:59:59-14:00"},
    {"data-access-expires-at": "?"},
    {"data-access-expires-at": "2001-01-01T00:00:00Z"},
    {"scopes": "," * 50},
    {"threads-username": "<b>mallory</b>"},
    {"problem": "asleep", "problem-since": "2027-01-01T00:00:00Z"},
    {"problem": "sign_in_again", "problem-since": "yesterday"},
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda one: json.dumps(one)[:60])
def test_annotations_that_were_edited_into_nonsense_are_healed(world: World, nonsense: dict[str, str]) -> None:
    world.describe(**nonsense)
    assert world.report()["outcome"] in ("current", "sign_in_again")
    assert world.run()["outcome"] == "refreshed"
    annotations = world.manager.annotations(ALICE)
    assert annotations["threads-username"] == "alice"
    assert annotations["version"] == "3"
    assert annotations["scopes"] == "threads_basic,threads_content_publish"
    assert world.report()["outcome"] == "current"


def test_annotations_that_were_removed_are_healed(world: World) -> None:
    world.manager.set_annotations(ALICE, {})
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == "3"


def test_a_binding_that_was_removed_is_made_again(world: World) -> None:
    world.manager.set_labels(ALICE, KEEPER)
    world.manager.set_annotations(ALICE, {})
    world.run()
    assert world.manager.labels(ALICE)["threads-user-id"] == ALICE_ID
