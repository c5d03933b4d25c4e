"""A new token without proof: it is stored if the old one is dead, since it may be the only one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, HOUR, World, lines, official_client

UNPROVEN: list[dict[str, Any]] = [
    {"name": "custom", "code": 100, "subcode": 33, "message": "Unsupported get request.", "status": 400},
    {"name": "custom", "code": 10, "message": "Application does not have permission for this action", "status": 400},
    {"name": "custom", "code": 24, "message": "The requested resource does not exist", "status": 400},
    {"name": "custom", "code": 80002, "message": "There have been too many calls", "status": 400},
    {"name": "custom", "code": 99999, "message": "Something new", "status": 400},
    {"name": "custom", "code": 190, "message": "Error validating access token", "status": 400},
    {"name": "unavailable"},
    {"name": "html"},
]


@pytest.mark.parametrize("fault", UNPROVEN, ids=lambda fault: str(fault.get("code", fault["name"])))
def test_a_new_token_without_proof_is_kept_where_the_old_one_died(
    world: World, fault: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.threads.control.turn({"old_token_dies": True, "debug_works": False})
    described = world.manager.annotations(ALICE)
    name = fault["name"]
    details = {key: value for key, value in fault.items() if key != "name"}
    world.threads.control.fail("me", name, times=None, token="newest", **details)
    lines(capsys)
    assert world.run()["outcome"] == "retry_later"
    assert world.threads.tokens.alive(world.manager.newest(ALICE)), "the only living token is stored"
    facts = {key: value for key, value in world.manager.annotations(ALICE).items() if not key.startswith("problem")}
    assert facts == described, "nothing describes it yet"
    line = next(line for line in lines(capsys) if line.get("username") == "alice")
    assert line["token_changed"] is True
    assert line["old_token_alive"] is False
    world.threads.control.clear_faults()
    world.threads.control.turn({"debug_works": True})
    world.clock.forward(HOUR)
    assert world.run()["outcome"] == "too_young"
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))


@pytest.mark.parametrize("fault", UNPROVEN, ids=lambda fault: str(fault.get("code", fault["name"])))
def test_a_new_token_without_proof_is_dropped_while_the_old_one_lives(
    world: World, fault: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.threads.control.turn({"debug_works": False})
    before = world.stored()
    details = {key: value for key, value in fault.items() if key != "name"}
    world.threads.control.fail("me", fault["name"], times=None, token="newest", **details)
    lines(capsys)
    assert (world.run()["outcome"], world.problem()) == ("retry_later", None)
    assert world.stored() == before
    line = next(line for line in lines(capsys) if line.get("username") == "alice")
    assert (line["token_changed"], line["old_token_alive"]) == (True, True)


def test_a_permission_that_both_tokens_lack_is_sign_in_again_and_nothing_is_stored(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    before = world.stored()
    world.threads.control.fail("me", "permission", times=None)
    assert (world.run()["outcome"], world.problem()) == ("sign_in_again", "sign_in_again")
    assert world.stored() == before


@pytest.mark.parametrize(("pasted", "outcome"), [(False, "sign_in_again"), (True, "too_young")])
def test_a_dead_token_whose_grant_is_asked_about_counts_only_while_it_is_the_newest(
    world: World, pasted: bool, outcome: str
) -> None:
    world.run()
    world.describe(**{"data-access-expires-at": "2020-01-01T00:00:00Z"})
    world.threads.people.revoke("alice")
    if pasted:
        world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice"))
    assert world.run()["outcome"] == outcome


@pytest.mark.parametrize("old_token_dies", [True, False])
def test_a_wrong_user_id_label_is_reported_and_loses_no_token(world: World, old_token_dies: bool) -> None:
    world.threads.control.turn({"old_token_dies": old_token_dies, "debug_works": False})
    world.manager.set_labels(ALICE, world.manager.labels(ALICE) | {"threads-user-id": "1"})
    found = world.run()
    assert (found["outcome"], world.problem()) == ("misconfigured", "misconfigured")
    assert "label" in found["detail"]
    payloads = world.manager.payloads(ALICE).values()
    assert any(world.threads.tokens.alive(payload.decode()) for payload in payloads)
    world.manager.set_labels(ALICE, world.manager.labels(ALICE) | {"threads-user-id": ALICE_ID})
    world.clock.forward(2 * DAY)
    assert (world.run()["outcome"], world.problem()) == ("refreshed", None)


@pytest.mark.parametrize("old_token_dies", [True, False])
def test_a_token_of_another_person_and_name_is_never_stored(world: World, old_token_dies: bool) -> None:
    world.threads.control.turn({"old_token_dies": old_token_dies})
    before = world.stored()
    world.threads.control.fail("refresh", "another_person")
    assert world.run()["outcome"] == "retry_later"
    assert world.stored() == before


@pytest.mark.parametrize("same_string", [True, False])
def test_the_log_records_what_meta_leaves_open(
    world: World, same_string: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    world.threads.control.turn({"same_string": same_string})
    lines(capsys)
    world.run()
    line = next(line for line in lines(capsys) if line.get("username") == "alice")
    assert line["token_changed"] is not same_string
    assert "old_token_alive" not in line, "the old token was not asked"


def test_an_unbound_account_is_not_refreshed_before_it_is_known_whose_its_token_is(world: World) -> None:
    world.threads.control.turn({"old_token_dies": True})
    world.manager.set_labels(ALICE, {"managed-by": "threads-token-keeper"})
    world.threads.people.rename("alice", "alice.new")
    assert world.run()["outcome"] == "misconfigured"
    assert "refresh" not in world.calls()
    assert world.threads.tokens.alive(world.manager.newest(ALICE))


def test_a_grant_whose_end_is_only_remembered_is_not_said_to_have_ended(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    for _ in range(100):
        assert world.run()["outcome"] in ("refreshed", "too_young")
        world.clock.forward(DAY + HOUR)


@pytest.mark.parametrize("pasted", [None, "THnever-issued"])
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_grant_that_has_ended_by_the_annotations_is_believed_when_me_confirms_it(
    world: World, confirmed: bool, pasted: str | None
) -> None:
    world.run()
    world.describe(**{"data-access-expires-at": "2020-01-01T00:00:00Z"})
    if confirmed:
        world.threads.control.fail("me", "permission", times=None)
    if pasted:
        world.manager.add(ALICE, pasted)
    assert world.run()["outcome"] == ("sign_in_again" if confirmed else "too_young")
    assert ("data-access-expires-at" in world.manager.annotations(ALICE)) == confirmed


def test_a_grant_that_has_ended_of_a_version_that_is_gone_says_nothing_about_the_one_that_is_there(
    world: World,
) -> None:
    world.run()
    world.describe(**{"data-access-expires-at": "2020-01-01T00:00:00Z"})
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice"))
    official_client(world.manager).destroy_secret_version(name=f"{ALICE_NAME}/versions/3")
    assert world.run()["outcome"] == "too_young"
    assert world.manager.annotations(ALICE)["version"] == "4"
    assert world.look()["outcome"] == "current"
