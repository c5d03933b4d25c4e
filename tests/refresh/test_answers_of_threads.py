"""Every answer of Threads to a refresh has its outcome, and no bad one changes what is stored."""

from __future__ import annotations

import pytest

from sandbox.threads.refusals import REFUSALS
from tests.refresh.world import DAY, HOUR, World, account
from tests.support.app import serve

RETRY_LATER = [
    "unknown_error",
    "unknown_error_400",
    "unavailable",
    "code_2",
    "transient_flag",
    "throttled",
    "throttled_17",
    "throttled_32",
    "throttled_341",
    "throttled_613",
    "throttled_80002",
    "retry_after",
    "blocked",
]
SIGN_IN_AGAIN = [
    "invalid_token",
    "app_removed",
    "checkpoint",
    "unconfirmed",
    "password_changed",
    "expired",
    "invalidated",
    "session_492",
    "session",
    "unauthorized",
]
PERMISSION = ["permission", "permission_200", "permission_299"]
MISCONFIGURED = [
    "bad_secret",
    "bad_app",
    "meta_app",
    "bad_redirect_uri",
    "api_deactivated",
    "capability",
    "appsecret_proof",
    "invalid_platform_app",
    "insufficient_role",
    "redirect_uri_191",
    "not_invited",
    "url_blocked",
    "insecure",
    "no_app_data",
    "no_app_id",
]
UNCLEAR = [
    "on_no_list",
    "too_young",
    "no_resource",
    "no_resource_100",
    "wrong_kind",
    "bad_parameter",
    "no_token_given",
    "not_found",
    "not_allowed",
]
NEVER_ON_REFRESH = ["code_spent", "verification_code", "no_client_id"]
OUTCOMES = {
    # A permission counts as missing if `/me` confirms it, and here `/me` succeeds.
    **dict.fromkeys(RETRY_LATER + UNCLEAR + PERMISSION, ("retry_later", 503)),
    **dict.fromkeys(SIGN_IN_AGAIN, ("sign_in_again", 500)),
    **dict.fromkeys(MISCONFIGURED, ("misconfigured", 500)),
}


def test_every_error_of_the_catalogue_has_an_outcome() -> None:
    assert set(OUTCOMES) | set(NEVER_ON_REFRESH) == set(REFUSALS)


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_error_of_threads_has_its_outcome_and_changes_nothing(world: World, name: str) -> None:
    before = world.stored()
    world.threads.control.fail("refresh", name, times=None)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == OUTCOMES[name]
    assert account(reply)["detail"]
    assert world.stored() == before


@pytest.mark.parametrize("status", [None, 200])
@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_no_error_in_any_shape_changes_anything(world: World, shape: int, status: int | None) -> None:
    before = world.stored()
    for name in REFUSALS:
        world.threads.control.clear_faults()
        world.threads.control.fail("refresh", name, times=None, shape=shape, status=status)
        assert world.run()["outcome"] in ("retry_later", "sign_in_again", "misconfigured"), name
    assert world.stored() == before
    world.threads.control.clear_faults()
    world.refresh = serve("refresh")  # a new instance: one of the refusals asked for a pause
    assert world.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("shape", [1, 2, 3, 4])
def test_a_dead_token_is_recognized_in_any_shape_of_error(world: World, shape: int) -> None:
    world.threads.people.revoke("alice")
    world.threads.control.fail("refresh", "expired", times=None, shape=shape)
    world.threads.control.fail("me", "expired", times=None, shape=shape)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)
    assert "sign in again" in account(reply)["detail"]


@pytest.mark.parametrize("name", PERMISSION)
def test_a_permission_that_me_misses_too_is_sign_in_again(world: World, name: str) -> None:
    before = world.stored()
    for call in ("refresh", "me"):
        world.threads.control.fail(call, name, times=None)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)
    assert (world.problem(), world.stored()) == ("sign_in_again", before)


@pytest.mark.parametrize("shape", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["no_resource", "no_resource_100", "bad_parameter", "not_allowed"])
def test_an_unclear_refusal_is_believed_once_it_has_lasted_for_a_day(world: World, name: str, shape: int) -> None:
    for call in ("refresh", "me"):
        world.threads.control.fail(call, name, times=None, shape=shape)
    world.threads.people.revoke("alice")
    for hours in (0, 6, 12):
        assert world.run()["outcome"] == "retry_later", hours
        assert world.problem() == "unclear"
        world.clock.forward(6 * HOUR)
    assert world.report()["outcome"] == "retry_later"
    world.clock.forward(6 * HOUR)
    assert world.run()["outcome"] == world.report()["outcome"] == world.problem() == "sign_in_again"
    assert world.run()["outcome"] == "sign_in_again"


def test_an_unclear_refusal_that_goes_away_is_forgotten(world: World) -> None:
    for call in ("refresh", "me"):
        world.threads.control.fail(call, "no_resource", times=1)
    assert (world.run()["outcome"], world.problem()) == ("retry_later", "unclear")
    assert (world.run()["outcome"], world.problem()) == ("refreshed", None)


@pytest.mark.parametrize("name", ["unavailable", "code_2", "unknown_error", "throttled"])
def test_a_passing_fault_of_every_call_is_never_sign_in_again(world: World, name: str) -> None:
    for shape in (2, 3, 4):
        world.threads.control.clear_faults()
        for call in ("refresh", "debug", "me"):
            world.threads.control.fail(call, name, times=None, shape=shape)
        assert world.run()["outcome"] == "retry_later", shape


def test_the_refusals_of_a_firewall_are_never_sign_in_again(world: World) -> None:
    for call in ("refresh", "debug", "me"):
        world.threads.control.fail(call, "html", times=None, status=403)
    for _ in range(3):
        assert (world.run()["outcome"], world.problem()) == ("retry_later", None)
        world.clock.forward(DAY)


SPOILED = ["error_in_200", "no_token", "html", "html_502", "empty", "redirect"]


@pytest.mark.parametrize("name", SPOILED)
def test_an_answer_without_a_token_changes_nothing(world: World, name: str) -> None:
    before = world.stored()
    world.threads.control.fail("refresh", name, times=None)
    reply = world.refresh.post("/")
    assert account(reply)["outcome"] == ("sign_in_again" if name == "error_in_200" else "retry_later")
    assert world.stored() == before


@pytest.mark.parametrize("name", ["truncated", "lost_reply", "hang"])
def test_an_answer_that_does_not_arrive_changes_nothing(world: World, name: str) -> None:
    world.refresh = serve("refresh", read_timeout=0.1)
    before = world.stored()
    world.threads.control.fail("refresh", name, times=None)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("retry_later", 503)
    assert world.stored() == before


@pytest.mark.parametrize("debug_works", [True, False])
@pytest.mark.parametrize("name", ["another_person", "short_lived"])
def test_a_token_of_somebody_else_or_of_an_hour_is_not_kept(world: World, name: str, debug_works: bool) -> None:
    world.threads.control.turn({"debug_works": debug_works})
    before = world.stored()
    world.threads.control.fail("refresh", name)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("retry_later", 503)
    assert world.stored() == before


def test_a_short_lived_token_that_does_not_say_so_is_found_by_inspecting_it(world: World) -> None:
    world.threads.control.turn({"expires_in": 3600})
    before = world.stored()
    assert world.run()["outcome"] == "retry_later"
    assert world.stored() == before


def test_a_lost_reply_is_asked_for_again(world: World) -> None:
    world.threads.control.fail("refresh", "lost_reply", times=1)
    assert world.run()["outcome"] == "refreshed"
    assert world.calls() == ["refresh", "refresh", "debug"]
