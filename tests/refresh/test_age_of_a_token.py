"""Both ways in which Threads may refresh a token, and the 24 hours before it may be refreshed."""

from __future__ import annotations

import pytest

from tests.refresh.world import ALICE, ALICE_NAME, DAY, HOUR, World


@pytest.mark.parametrize("same_string", [True, False])
@pytest.mark.parametrize("old_token_dies", [True, False])
@pytest.mark.parametrize("debug_works", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_newest_version_works_however_threads_refreshes(
    world: World, same_string: bool, old_token_dies: bool, debug_works: bool, wrapped: bool
) -> None:
    world.threads.control.turn(
        {
            "same_string": same_string,
            "old_token_dies": old_token_dies,
            "debug_works": debug_works,
            "wrapped": wrapped,
            "debug_user_id_matches": not wrapped,
            "expires_in": 5183944,
        }
    )
    for number in (3, 4, 5):
        found = world.run()
        assert (found["outcome"], found["version"]) == ("refreshed", f"{ALICE_NAME}/versions/{number}")
        assert world.threads.tokens.alive(world.manager.newest(ALICE))
        assert world.manager.annotations(ALICE)["version"] == str(number)
        world.clock.forward(DAY + HOUR)
    states = {1: "DESTROYED", 2: "DESTROYED", 3: "DESTROYED", 4: "ENABLED", 5: "ENABLED"}
    assert world.manager.states(ALICE) == states


@pytest.mark.parametrize("status", [400, 401, 403, 200])
@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_too_young_is_never_sign_in_again(empty: World, shape: int, status: int) -> None:
    local = empty.threads
    local.control.turn({"debug_works": False, "too_young_shape": shape, "too_young_status": status})
    empty.manager.add(ALICE, local.tokens.issue_long_lived("alice"))
    for code in (100, 10, 24, 101, 102, 190, 200, 1349000):
        local.control.turn({"too_young_code": code})
        found = empty.run()
        assert (found["outcome"], found["version"]) == ("too_young", f"{ALICE_NAME}/versions/1"), code
    assert empty.calls().count("refresh") == 8
    assert [method for method, _ in empty.manager.calls].count("UpdateSecret") == 1, "it is bound once"
    empty.clock.forward(DAY + HOUR)
    assert empty.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("code", [100, 10, 190])
def test_a_refresh_whose_reply_was_lost_makes_the_same_string_too_young(world: World, code: int) -> None:
    world.threads.control.turn({"same_string": True, "too_young_code": code})
    world.threads.control.fail("refresh", "lost_reply")
    assert world.run()["outcome"] == "too_young"
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"


def test_a_young_token_that_is_dead_is_still_found_dead(empty: World) -> None:
    empty.threads.control.turn({"debug_works": False})
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice"))
    assert empty.run()["outcome"] == "too_young"
    empty.threads.people.revoke("alice")
    assert empty.run()["outcome"] == "sign_in_again"
