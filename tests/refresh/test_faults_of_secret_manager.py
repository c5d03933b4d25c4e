"""Secret Manager fails: a passing fault is retried, a missing right is reported, no token is lost."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode

from tests.refresh.world import ALICE, ALICE_NAME, DAY, HOUR, KEEPER, World, account, lines, official_client

STORE_CALLS = [
    "ListSecrets",
    "ListSecretVersions",
    "AccessSecretVersion",
    "AddSecretVersion",
    "UpdateSecret",
    "DestroySecretVersion",
]
PASSING = [StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNKNOWN]
PASSING += [StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", STORE_CALLS)
def test_a_passing_fault_of_secret_manager_does_not_fail_a_refresh(world: World, method: str, when: Any) -> None:
    world.threads.control.turn({"old_token_dies": True})
    world.manager.fail(method, StatusCode.UNAVAILABLE, when=when)
    assert world.run()["outcome"] == "refreshed"
    assert world.threads.tokens.alive(world.manager.newest(ALICE))
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"
    assert list(world.manager.states(ALICE).values()).count("ENABLED") == 2


@pytest.mark.parametrize("code", PASSING, ids=lambda code: code.name)
def test_adding_is_tried_again_whatever_passing_fault_it_meets(world: World, code: StatusCode) -> None:
    world.manager.fail("AddSecretVersion", code)
    assert world.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("code", PASSING, ids=lambda code: code.name)
def test_reading_is_tried_again_whatever_passing_fault_it_meets(world: World, code: StatusCode) -> None:
    for method in ("ListSecrets", "ListSecretVersions", "AccessSecretVersion"):
        world.manager.fail(method, code)
    assert world.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", STORE_CALLS)
def test_a_conflict_loses_nothing_and_the_next_run_heals_it(world: World, method: str, when: Any) -> None:
    world.manager.fail(method, StatusCode.ABORTED, when=when)
    reply = world.refresh.post("/")
    assert reply.status_code in (200, 503)
    assert world.threads.tokens.alive(world.manager.newest(ALICE))
    world.clock.forward(DAY + HOUR)
    world.run()
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))
    assert list(world.manager.states(ALICE).values()).count("ENABLED") == 2


def test_a_page_of_secrets_may_be_larger_than_four_mebibytes(world: World) -> None:
    for n in range(300):
        world.manager.create(f"threads-token-nobody{n}", labels=KEEPER, annotations={"note": "x" * 16_000})
    assert world.run()["outcome"] == "refreshed"


AFTERWARDS = ("UpdateSecret", "DestroySecretVersion")  # when the new token is stored


@pytest.mark.parametrize("method", AFTERWARDS)
def test_a_missing_right_after_the_token_is_stored_is_reported_and_no_failure(
    world: World, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.manager.deny([method])
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("refreshed", 200)
    assert "PERMISSION_DENIED" in account(reply)["detail"]
    assert world.threads.tokens.alive(world.manager.newest(ALICE))
    assert [line["severity"] for line in lines(capsys) if line.get("username") == "alice"][-1] == "WARNING"
    world.manager.deny([])
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))


def test_versions_do_not_pile_up_where_nothing_can_be_described(world: World) -> None:
    """A secret whose labels or annotations are full refuses every description, for good."""
    world.manager.fail("UpdateSecret", StatusCode.INVALID_ARGUMENT, times=None)
    for _ in range(4):
        assert world.run()["outcome"] == "refreshed"
        assert len(world.manager.payloads(ALICE)) == 2
        world.clock.forward(DAY + HOUR)


@pytest.mark.parametrize("method", [method for method in STORE_CALLS[1:] if method not in AFTERWARDS])
def test_a_missing_right_is_misconfigured_and_destroys_nothing(world: World, method: str) -> None:
    world.manager.deny([method])
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("misconfigured", 500)
    assert "PERMISSION_DENIED" in account(reply)["detail"]
    assert "deploy.sh check" in account(reply)["detail"]
    assert world.manager.states(ALICE)[2] == "ENABLED"
    world.manager.deny([])
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"


def test_no_right_to_list_fails_the_run_as_a_whole(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.manager.deny(["ListSecrets"])
    reply = world.refresh.post("/")
    assert reply.status_code == 500
    denied = "Secret Manager refused (PERMISSION_DENIED, IAM_PERMISSION_DENIED)."
    assert reply.json == {"accounts": [], "outcomes": {}, "error": denied}
    assert [(line["severity"], line["event"]) for line in lines(capsys)][-1] == ("ERROR", "run_failed")


def test_a_listing_that_fails_for_now_fails_the_run_for_now(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.manager.fail("ListSecrets", StatusCode.ABORTED)
    lines(capsys)
    reply = world.refresh.post("/")
    assert reply.status_code == 503
    assert reply.json is not None
    assert (reply.json["accounts"], reply.json["outcomes"]) == ([], {})
    assert reply.json["error"]
    assert [(line["severity"], line["event"]) for line in lines(capsys)] == [("WARNING", "run_failed")]


def test_a_token_that_was_damaged_on_its_way_is_sent_nowhere(world: World) -> None:
    world.manager.corrupt()
    before = world.stored()
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("retry_later", 503)
    assert world.calls() == []
    assert world.stored() == before
    assert world.run()["outcome"] == "refreshed"


def test_a_new_version_is_sent_with_its_checksum(world: World) -> None:
    world.run()
    client = official_client(world.manager)
    assert client.get_secret_version(name=f"{ALICE_NAME}/versions/3").client_specified_payload_checksum


def test_a_description_that_could_not_be_written_is_reported_and_written_later(world: World) -> None:
    world.manager.fail("UpdateSecret", StatusCode.ABORTED)
    world.manager.fail("GetSecret", StatusCode.ABORTED)
    found = world.run()
    assert found["outcome"] == "refreshed"
    assert "what describes it" in found["detail"]
    assert world.manager.annotations(ALICE)["version"] == "2"
    assert world.run()["outcome"] == "too_young"
    assert world.manager.annotations(ALICE)["version"] == "3"
