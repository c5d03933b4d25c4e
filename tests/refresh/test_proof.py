"""A new token is proven before it is stored."""

from __future__ import annotations

import threading
import time

import pytest
import responses

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, World, account
from tests.support.processes import until


def test_a_token_that_cannot_be_inspected_is_proven_by_me(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    grant = world.manager.annotations(ALICE)["data-access-expires-at"]
    assert world.run()["outcome"] == "refreshed"
    assert world.calls() == ["refresh", "debug", "me"]
    annotations = world.manager.annotations(ALICE)
    assert (annotations["version"], annotations["data-access-expires-at"]) == ("3", grant)


def test_an_inspection_of_another_kind_of_id_is_settled_by_me(world: World) -> None:
    world.threads.control.turn({"debug_user_id_matches": False})
    assert world.run()["outcome"] == "refreshed"
    assert world.calls() == ["refresh", "debug", "me"]


@pytest.mark.parametrize("debug", ["expired", "permission", "unavailable", "html", "truncated", "lost_reply", "empty"])
def test_an_inspection_that_fails_does_not_fail_the_refresh(world: World, debug: str) -> None:
    world.threads.control.fail("debug", debug, times=None)
    assert world.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("old_token_dies", [True, False])
def test_an_inspection_that_says_invalid_for_a_reason_of_its_own_is_settled_by_me(
    world: World, old_token_dies: bool
) -> None:
    world.threads.control.turn({"old_token_dies": old_token_dies})
    world.threads.control.fail("debug", "not_inspected", times=None)
    assert world.run()["outcome"] == "refreshed"
    assert world.calls() == ["refresh", "debug", "me"]
    assert world.manager.annotations(ALICE)["version"] == "3"


@pytest.mark.parametrize("me", ["expired", "no_resource", "unauthorized"])
def test_a_new_token_that_is_refused_is_not_kept(world: World, me: str) -> None:
    world.threads.control.turn({"debug_works": False})
    world.threads.control.fail("me", me)
    before = world.stored()
    assert world.run()["outcome"] == "retry_later"
    assert world.stored() == before


def test_a_new_token_that_is_said_to_be_invalid_is_not_kept(world: World) -> None:
    before, url = world.stored(), world.threads.url
    with responses.RequestsMock() as answers:
        answers.get(f"{url}/refresh_access_token", json={"access_token": "THnew", "expires_in": 5184000})
        answers.get(f"{url}/v1.0/debug_token", json={"data": {"is_valid": False, "scopes": []}})
        answers.get(f"{url}/v1.0/me", json={"id": ALICE_ID, "username": "alice"})  # of the old token
        assert world.run()["outcome"] == "retry_later"
    assert world.stored() == before


def test_a_new_token_that_died_at_once_like_the_old_one_is_not_described(world: World) -> None:
    before = world.manager.annotations(ALICE)
    world.threads.control.fail("refresh", "delay", seconds=0.6)

    def revoke() -> None:
        until(lambda: "refresh" in world.calls())
        time.sleep(0.2)  # until the new token exists, whose reply is delayed
        world.threads.people.revoke("alice")

    revoking = threading.Thread(target=revoke)
    revoking.start()
    assert world.run()["outcome"] == "retry_later"
    revoking.join()
    assert "debug" in world.calls()
    assert world.manager.annotations(ALICE) == before
    assert world.run()["outcome"] == "sign_in_again"


@pytest.mark.parametrize("fault", ["unavailable", "throttled", "blocked", "lost_reply", "html", "empty"])
@pytest.mark.parametrize("old_token_dies", [True, False])
def test_a_new_token_that_cannot_be_proven_yet_is_stored_and_proven_by_the_next_run(
    world: World, fault: str, old_token_dies: bool
) -> None:
    world.threads.control.turn({"old_token_dies": old_token_dies})
    for call in ("debug", "me"):
        world.threads.control.fail(call, fault, times=None)
    described = world.manager.annotations(ALICE)
    reply = world.refresh.post("/")
    found = account(reply)
    assert (found["outcome"], reply.status_code) == ("retry_later", 503)
    assert found["version"] == f"{ALICE_NAME}/versions/3"
    assert world.manager.newest(ALICE) == "THalice-3"
    assert world.manager.annotations(ALICE) == described
    assert world.manager.states(ALICE) == {1: "ENABLED", 2: "ENABLED", 3: "ENABLED"}

    world.threads.control.clear_faults()
    world.threads.control.calls.clear()
    assert world.run()["outcome"] == "too_young"
    assert world.calls() == ["debug"]
    assert world.manager.annotations(ALICE)["version"] == "3"
    world.clock.forward(DAY)
    assert world.run()["outcome"] == "refreshed"
