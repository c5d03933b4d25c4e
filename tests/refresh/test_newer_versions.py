"""A version that somebody stores during a run is tried: a living token is used, and none is destroyed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, HOUR, World, account, official_client
from tests.support.app import serve


def before_the_add(world: World, act: Callable[[], None]) -> None:
    """Call a function between the refresh of the token and the last listing of its versions."""

    def hook(method: str, resource: str, when: str) -> None:
        if (method, when) == ("ListSecretVersions", "before") and "refresh" in world.calls():
            world.manager.on_call = None
            act()

    world.manager.on_call = hook


@pytest.mark.parametrize("newline", ["", "\n"])
def test_a_sign_in_or_a_paste_during_a_run_wins(world: World, newline: str) -> None:
    wider = ("threads_basic", "threads_content_publish", "threads_manage_replies")

    def paste() -> None:
        world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY, scopes=wider) + newline)

    before_the_add(world, paste)
    assert world.run()["outcome"] == "retry_later"
    pasted = world.manager.newest(ALICE).strip()
    assert pasted in {token.value for token in world.threads.tokens.by_username()["alice"]}
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["scopes"] == ",".join(wider)


def test_a_paste_during_a_run_is_the_newest_also_where_nothing_can_be_inspected(world: World) -> None:
    world.threads.control.turn({"old_token_dies": True, "debug_works": False})
    pasted = world.threads.tokens.issue_long_lived("alice", age=2 * DAY)
    before_the_add(world, lambda: world.manager.add(ALICE, pasted) and None)
    assert world.run()["outcome"] == "retry_later"
    assert world.manager.newest(ALICE) == pasted


def test_a_paste_under_a_copy_of_the_old_token_becomes_the_newest(world: World) -> None:
    refresh = serve("refresh", refusal_patience=0.1)
    world.manager.deny(["AddSecretVersion"])
    assert refresh.post("/").status_code == 500
    world.manager.deny([])
    pasted = world.threads.tokens.issue_long_lived("alice", age=2 * DAY)

    def before_the_copy(method: str, resource: str, when: str) -> None:
        if (method, when) == ("AddSecretVersion", "before"):
            world.manager.on_call = None
            world.manager.add(ALICE, pasted)

    world.manager.on_call = before_the_copy
    assert account(refresh.post("/"))["outcome"] == "retry_later"
    assert world.manager.newest(ALICE) == pasted


@pytest.mark.parametrize("payload", ["no token at all", "THdead", "THmallory"])
def test_a_newer_version_that_is_dead_is_not_used(world: World, payload: str) -> None:
    world.threads.control.turn({"old_token_dies": True})

    def paste() -> None:
        mallory = world.threads.tokens.issue_long_lived("mallory", age=2 * DAY)
        world.manager.add(ALICE, mallory if payload == "THmallory" else payload)

    before_the_add(world, paste)
    assert world.run()["outcome"] == "refreshed"
    assert world.threads.tokens.owner(world.manager.newest(ALICE)) == "alice"


def test_a_living_version_between_dead_ones_is_used(world: World) -> None:
    living = world.manager.newest(ALICE)
    world.threads.people.change_password("alice")
    living = world.threads.tokens.issue_long_lived("alice", age=2 * DAY)
    world.manager.add(ALICE, living)
    world.manager.add(ALICE, "THdead-by-now")
    assert world.run()["outcome"] == "refreshed"
    assert world.threads.tokens.alive(world.manager.newest(ALICE))
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))
    assert world.problem() is None


def test_an_unclear_refusal_of_the_newest_token_brings_no_older_one_back(world: World) -> None:
    wider = ("threads_basic", "threads_content_publish", "threads_manage_replies")
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY, scopes=wider))
    before = world.stored()
    for call in ("refresh", "me"):
        world.threads.control.fail(call, "custom", times=None, token="newest", code=803, message="A new sentence")
    assert (world.run()["outcome"], world.problem()) == ("retry_later", "unclear")
    assert world.stored() == before
    world.threads.control.clear_faults()
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["scopes"] == ",".join(wider)


def test_an_older_token_is_refreshed_after_the_refresh_of_the_newest_was_refused(world: World) -> None:
    world.threads.people.change_password("alice")
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    world.describe(version=str(world.manager.add(ALICE, "THdead-by-now")))
    assert world.run()["outcome"] == "refreshed"
    assert world.calls()[0] == "refresh", "the newest is described, and so it is refreshed at once"
    assert world.threads.tokens.alive(world.manager.newest(ALICE))


def test_where_no_older_token_lives_the_refusal_of_the_newest_is_told(world: World) -> None:
    world.threads.people.revoke("alice")
    world.threads.control.fail("refresh", "custom", token="newest", code=190, subcode=460, message="Changed")
    found = world.run()
    assert found["outcome"] == "sign_in_again"
    assert "password was changed" in found["detail"]


def test_where_an_older_token_cannot_be_asked_about_nobody_is_told_to_sign_in(world: World) -> None:
    world.threads.control.fail("refresh", "expired", token="newest")
    for call in ("debug", "me"):
        world.threads.control.fail(call, "unavailable", times=None)
    assert (world.run()["outcome"], world.problem()) == ("retry_later", None)


def test_five_versions_are_tried_and_not_all_that_there_are(world: World) -> None:
    world.threads.people.revoke("alice")
    for n in range(8):
        world.manager.add(ALICE, f"THdead-{n}")
    assert world.run()["outcome"] == "sign_in_again"
    assert [method for method, _ in world.manager.calls].count("AccessSecretVersion") == 5


def test_an_older_token_that_is_too_young_to_be_refreshed_becomes_the_newest(world: World) -> None:
    world.threads.people.change_password("alice")
    living = world.threads.tokens.issue_long_lived("alice", age=HOUR)
    world.manager.add(ALICE, living)
    world.manager.add(ALICE, "THdead-by-now")
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.newest(ALICE) == living, "readers of latest get the living token"


@pytest.mark.parametrize("how", ["destroy_secret_version", "disable_secret_version"])
def test_a_version_taken_away_during_a_refresh_does_not_come_back(world: World, how: str) -> None:
    used = max(world.manager.states(ALICE))
    name = f"{ALICE_NAME}/versions/{used}"
    before_the_add(world, lambda: getattr(official_client(world.manager), how)(name=name) and None)
    assert world.run()["outcome"] == "retry_later"
    assert max(world.manager.states(ALICE)) == used


def test_more_versions_than_anybody_keeps_are_destroyed_and_the_run_ends(world: World) -> None:
    for _ in range(120):
        world.manager.add(ALICE, world.manager.newest(ALICE))
    assert world.run()["outcome"] == "refreshed"
    assert list(world.manager.states(ALICE).values()).count("DESTROYED") == 100, "the quota is for others too"
    assert world.manager.labels(ALICE)["threads-user-id"] == ALICE_ID
    world.clock.forward(2 * DAY)
    assert world.run()["outcome"] == "refreshed"
    assert list(world.manager.states(ALICE).values()).count("ENABLED") == 2


@pytest.mark.parametrize("debug_works", [True, False])
def test_a_one_hour_token_pasted_during_a_run_never_replaces_a_living_one(world: World, debug_works: bool) -> None:
    world.threads.control.turn({"old_token_dies": True, "debug_works": debug_works})
    before_the_add(world, lambda: world.manager.add(ALICE, world.threads.tokens.issue_short_lived("alice")) and None)
    world.run()
    world.clock.forward(2 * HOUR)
    payloads = world.manager.payloads(ALICE).values()
    assert any(world.threads.tokens.alive(payload.decode()) for payload in payloads)


def test_a_version_that_is_no_token_does_not_hide_a_living_one(world: World) -> None:
    world.threads.people.change_password("alice")
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    world.manager.add(ALICE, "not a token")
    world.manager.add(ALICE, "THdead-by-now")
    assert world.run()["outcome"] == "refreshed"
    assert world.threads.tokens.alive(world.manager.newest(ALICE))


def test_runs_that_cannot_prove_anything_do_not_pile_up_versions(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    world.threads.control.fail("me", "custom", times=None, code=803, message="A new sentence")
    for _ in range(8):
        world.run()
        world.clock.forward(5 * HOUR)
    assert len(world.manager.states(ALICE)) <= 4
    assert world.problem() == "sign_in_again"
