"""Half of Threads is out, or half a token is pasted: nothing is lost, and nothing piles up."""

from __future__ import annotations

import pytest

from tests.refresh.test_newer_versions import before_the_add
from tests.refresh.world import ALICE, DAY, HOUR, World


@pytest.mark.parametrize("debug_works", [True, False])
def test_a_one_hour_token_pasted_during_a_run_does_not_cost_the_living_one(world: World, debug_works: bool) -> None:
    local = world.threads
    local.control.turn({"old_token_dies": True, "debug_works": debug_works})
    local.people.revoke("alice")
    world.manager.add(ALICE, local.tokens.issue_long_lived("alice", age=48 * HOUR))

    def paste(method: str, resource: str, when: str) -> None:
        if (method, when) == ("ListSecretVersions", "before") and "refresh" in world.calls():
            world.manager.on_call = None
            world.manager.add(ALICE, local.tokens.issue_short_lived("alice"))

    world.manager.on_call = paste
    world.run()
    assert world.manager.on_call is None
    world.clock.forward(2 * HOUR)
    assert any(local.tokens.alive(payload.decode()) for payload in world.manager.payloads(ALICE).values())


def test_a_token_with_few_days_left_pasted_during_a_run_does_not_cost_the_living_one(world: World) -> None:
    world.threads.control.turn({"old_token_dies": True})
    world.run()
    world.clock.forward(2 * DAY)  # now the version before the newest is dead
    world.threads.control.calls.clear()
    pasted = world.threads.tokens.issue_long_lived("alice", age=55 * DAY)
    before_the_add(world, lambda: world.manager.add(ALICE, pasted) and None)
    world.run()
    world.clock.forward(6 * DAY)
    assert not world.threads.tokens.alive(pasted)
    assert any(world.threads.tokens.alive(payload.decode()) for payload in world.manager.payloads(ALICE).values())


def test_where_only_me_refuses_versions_do_not_pile_up(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    world.threads.control.fail("me", "custom", times=None, code=803)
    for _ in range(3):
        assert world.run()["outcome"] == "retry_later"
        world.clock.forward(6 * HOUR)
    assert len(world.manager.payloads(ALICE)) == 3


def test_a_new_token_that_is_another_persons_is_not_stored_even_where_the_old_one_is_dead(world: World) -> None:
    world.threads.control.turn({"old_token_dies": True, "debug_works": False})
    world.threads.control.fail("me", "another_person")
    before = world.manager.payloads(ALICE)
    assert world.run()["outcome"] == "retry_later"
    assert world.manager.payloads(ALICE) == before
