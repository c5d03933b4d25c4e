"""Another run, an uninstall or an editor changes the account during a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.refresh.world import ALICE, ALICE_NAME, DAY, KEEPER, World, lines, official_client


def test_two_runs_at_once_lose_nothing_and_log_no_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.threads.control.turn({"old_token_dies": True})
    world.run()
    world.clock.forward(2 * DAY)  # now the version before the newest is dead
    world.threads.control.fail("debug", "delay", seconds=0.4)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.run)
        time.sleep(0.15)
        second = pool.submit(world.run)
        outcomes = {first.result()["outcome"], second.result()["outcome"]}
    assert "refreshed" in outcomes
    assert outcomes <= {"refreshed", "too_young", "retry_later"}
    assert "ERROR" not in {line["severity"] for line in lines(capsys)}
    assert world.threads.tokens.alive(world.manager.newest(ALICE))


@pytest.mark.parametrize("refusal", ["invalidated", "no_resource", "unauthorized", "bad_parameter"])
def test_a_dead_token_that_another_run_has_just_replaced_is_no_error(world: World, refusal: str) -> None:
    local = world.threads

    def replace(method: str, resource: str, when: str) -> None:
        if method == "AccessSecretVersion" and when == "after":
            world.manager.on_call = None
            local.people.revoke("alice")
            world.manager.add(ALICE, local.tokens.issue_long_lived("alice"))

    world.manager.on_call = replace
    local.control.fail("refresh", refusal)
    assert world.run()["outcome"] == "retry_later"
    local.control.clear_faults()
    assert world.run()["outcome"] == "too_young"


def test_a_dead_version_that_another_run_replaces_during_its_adoption_is_no_error(world: World) -> None:
    local = world.threads
    world.manager.set_annotations(ALICE, {})

    def replace(method: str, resource: str, when: str) -> None:
        if method == "AccessSecretVersion" and when == "after":
            world.manager.on_call = None
            local.people.revoke("alice")
            world.manager.add(ALICE, local.tokens.issue_long_lived("alice"))

    world.manager.on_call = replace
    assert world.run()["outcome"] == "retry_later"


def test_an_uninstall_in_between_leaves_no_live_token(world: World) -> None:
    def uninstall(method: str, resource: str, when: str) -> None:
        if method == "AccessSecretVersion" and when == "after":
            world.manager.on_call = None
            world.threads.people.remove_app("alice")
            client = official_client(world.manager)
            for number in (1, 2):
                client.destroy_secret_version(name=f"{ALICE_NAME}/versions/{number}")
            world.manager.set_annotations(ALICE, {})

    world.manager.on_call = uninstall
    world.run()
    assert world.manager.payloads(ALICE) == {}
    assert world.run()["outcome"] == "not_signed_in"


def before_update(world: World, act: Callable[[], object]) -> None:
    """Call a function between the listing and the first update of an account."""

    def hook(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before"):
            world.manager.on_call = None
            act()

    world.manager.on_call = hook


def test_a_label_that_was_set_meanwhile_is_not_overwritten(world: World) -> None:
    labels = world.manager.labels(ALICE) | {"team": "press"}
    before_update(world, lambda: world.manager.set_labels(ALICE, labels))
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.labels(ALICE) == labels
    assert world.manager.annotations(ALICE)["version"] == "3"


def test_a_description_of_a_newer_version_is_not_overwritten(world: World) -> None:
    before_update(world, lambda: world.describe(version="9"))
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == "9"


def test_a_person_who_was_deleted_meanwhile_is_not_bound_again(world: World) -> None:
    def delete() -> None:
        world.manager.set_labels(ALICE, KEEPER)
        world.manager.set_annotations(ALICE, {})

    before_update(world, delete)
    world.run()
    assert world.manager.labels(ALICE) == KEEPER
    assert world.manager.annotations(ALICE) == {}


def test_a_token_that_is_destroyed_during_its_refresh_is_not_stored_again(world: World) -> None:
    """An uninstall or a deletion destroys the version while Threads is asked."""
    used = max(world.manager.states(ALICE))

    def take_away(method: str, resource: str, when: str) -> None:
        if (method, when) == ("ListSecretVersions", "before") and "refresh" in world.calls():
            world.manager.on_call = None
            official_client(world.manager).destroy_secret_version(name=f"{ALICE_NAME}/versions/{used}")

    world.manager.on_call = take_away
    assert world.run()["outcome"] == "retry_later"
    assert max(world.manager.states(ALICE)) == used


def test_a_version_that_is_disabled_just_before_it_is_read_is_no_lost_key(world: World) -> None:
    def disable(method: str, resource: str, when: str) -> None:
        if (method, when) == ("AccessSecretVersion", "before"):
            world.manager.on_call = None
            official_client(world.manager).disable_secret_version(name=resource)

    world.manager.on_call = disable
    assert (world.run()["outcome"], world.problem()) == ("retry_later", None)
    assert world.run()["outcome"] == "refreshed", "from the version before it"


def test_a_token_is_stored_if_the_old_version_cannot_be_looked_up(world: World) -> None:
    def deny(method: str, resource: str, when: str) -> None:
        if "refresh" in world.calls():
            world.manager.deny(["ListSecretVersions"])

    world.manager.on_call = deny
    assert world.run()["outcome"] == "refreshed"
