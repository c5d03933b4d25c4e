"""What each refusal means: it is about the token, about the app, about the moment, or unclear."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from tests.refresh.test_many_accounts import describe_many
from tests.refresh.world import ALICE, ALICE_NAME, DAY, HOUR, World, account, lines, official_client
from tests.support.app import serve

OF_THE_APP: list[dict[str, Any]] = [
    {"code": 200, "message": "API access deactivated. To reactivate, go to the app dashboard."},
    {"code": 200, "message": "API access blocked."},
    {"code": 3, "message": "Application does not have the capability to make this API call."},
    {"code": 100, "message": "API calls from the server require an appsecret_proof argument"},
    {"code": 400, "shape": 1, "message": "Invalid platform app"},
    {"code": 400, "shape": 1, "message": "Insufficient developer role"},
    {"code": 190, "shape": 1, "message": "The app is in development mode"},
    {"code": 100, "message": "App not active: this app is not currently accessible and the app developer is aware"},
]


@pytest.mark.parametrize("fault", OF_THE_APP, ids=lambda fault: fault["message"][:30])
def test_an_error_about_the_app_is_a_mistake_of_the_operator(world: World, fault: dict[str, Any]) -> None:
    before = world.stored()
    for call in ("refresh", "me"):
        world.threads.control.fail(call, "custom", times=None, **fault)
    found = world.run()
    assert (found["outcome"], world.problem()) == ("misconfigured", "misconfigured")
    assert "sign in again" not in found["detail"]
    assert "Meta's dashboard" in found["detail"], "what `check` asks may be well, and the app blocked"
    assert world.stored() == before


@pytest.mark.parametrize("code", [4, 17, 32, 341, 613, 80000, 80001, 80002, 80007, 80014])
def test_rate_limits_are_passing(world: World, code: int) -> None:
    for call in ("refresh", "me"):
        world.threads.control.fail(call, "custom", times=None, code=code, message="Too many calls")
    assert (world.run()["outcome"], world.problem()) == ("retry_later", None)


@pytest.mark.parametrize("code", [5, 33, 100, 803, 2500, 99999, 2207001])
def test_an_unlisted_error_is_unclear_and_first_retried(world: World, code: int) -> None:
    for call in ("refresh", "me"):
        world.threads.control.fail(call, "custom", times=None, code=code, message="A new sentence")
    assert (world.run()["outcome"], world.problem()) == ("retry_later", "unclear")


def test_one_refusal_of_every_account_is_about_the_app(empty: World, capsys: pytest.CaptureFixture[str]) -> None:
    usernames = describe_many(empty, 3, lambda n: 30)
    for call in ("refresh", "me"):
        empty.threads.control.fail(call, "custom", times=None, code=102, message="A new sentence")
    lines(capsys)
    reply = empty.refresh.post("/")
    for username in usernames:
        assert account(reply, username)["outcome"] == "misconfigured"
        assert empty.manager.annotations(f"threads-token-{username}")["problem"] == "misconfigured"
    told = [line for line in lines(capsys) if line.get("username") in usernames]
    assert {(line["severity"], line["event"]) for line in told} == {("ERROR", "misconfigured")}
    assert len(told) == 3, "each is told once, when all are known"


def test_one_refusal_of_two_accounts_is_not_yet_about_the_app(empty: World) -> None:
    usernames = describe_many(empty, 2, lambda n: 30)
    for call in ("refresh", "me"):
        empty.threads.control.fail(call, "custom", times=None, code=102, message="A new sentence")
    reply = empty.refresh.post("/")
    assert {account(reply, username)["outcome"] for username in usernames} == {"sign_in_again"}


def test_refusals_of_every_account_that_differ_are_not_about_the_app(empty: World) -> None:
    usernames = describe_many(empty, 4, lambda n: 30)
    for username, code in zip(usernames, (102, 102, 102, 10), strict=True):
        for call in ("refresh", "me"):
            empty.threads.control.fail(call, "custom", times=None, username=username, code=code, message="New")
    reply = empty.refresh.post("/")
    assert {account(reply, username)["outcome"] for username in usernames} == {"sign_in_again"}


def test_dead_tokens_of_every_account_are_still_reported_to_their_owners(empty: World) -> None:
    usernames = describe_many(empty, 3, lambda n: 30)
    for username in usernames:
        empty.threads.people.revoke(username)
    reply = empty.refresh.post("/")
    assert {account(reply, username)["outcome"] for username in usernames} == {"sign_in_again"}


def test_a_refusal_of_one_account_is_not_taken_for_one_of_the_app(empty: World) -> None:
    usernames = describe_many(empty, 4, lambda n: 30)
    for username in usernames[1:]:
        for call in ("refresh", "me"):
            empty.threads.control.fail(call, "custom", times=None, username=username, code=102, message="New")
    reply = empty.refresh.post("/")
    assert account(reply, usernames[0])["outcome"] == "refreshed"
    assert {account(reply, username)["outcome"] for username in usernames[1:]} == {"sign_in_again"}


@pytest.mark.parametrize("retry_after", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_threads_is_left_alone_for_as_long_as_it_says(empty: World, retry_after: str) -> None:
    describe_many(empty, 40, lambda n: 30)
    headers = {"Retry-After": retry_after}
    empty.threads.control.fail("refresh", "throttled", times=None, headers=headers)
    refresh = serve("refresh", workers=1)
    for _ in range(6):
        assert refresh.post("/").status_code == 503
    assert empty.calls().count("refresh") == 1


def test_after_three_refusals_in_a_row_a_run_asks_no_more(empty: World) -> None:
    describe_many(empty, 40, lambda n: 30)
    empty.threads.control.fail("refresh", "throttled", times=None)
    refresh = serve("refresh", workers=1)
    assert refresh.post("/").status_code == 503
    assert empty.calls().count("refresh") == 3
    empty.threads.control.clear_faults()
    assert (refresh.post("/").json or {})["outcomes"]["refreshed"] == 40


def test_a_version_whose_key_is_gone_is_reported_at_once(world: World) -> None:
    version = official_client(world.manager).get_secret_version(name=f"{ALICE_NAME}/versions/2")
    world.manager.lose_key(version.name)
    found = world.run()
    assert (found["outcome"], world.problem()) == ("misconfigured", "misconfigured")
    assert "key" in found["detail"]


def test_a_key_that_encrypts_nothing_any_more_is_reported_at_once(world: World) -> None:
    world.manager.fail("AddSecretVersion", StatusCode.FAILED_PRECONDITION, times=None)
    found = world.run()
    assert (found["outcome"], world.problem()) == ("misconfigured", "misconfigured")
    assert "key" in found["detail"]


@pytest.mark.parametrize("due", [True, False])
def test_a_secret_that_expires_is_reported_two_weeks_before_and_refreshed_until_then(world: World, due: bool) -> None:
    expires(world, 15 * DAY)
    assert (world.run()["outcome"], world.problem()) == ("refreshed", None)
    world.clock.forward(DAY + HOUR if due else 23 * HOUR + timedelta(minutes=50))
    expires(world, 13 * DAY)
    for found in (world.run(), world.look()):
        assert found["outcome"] == "misconfigured"
        assert "Take its expiry off" in found["detail"]
    assert world.manager.annotations(ALICE)["version"] == ("4" if due else "3")
    expires(world, None)
    assert (world.run()["outcome"], world.problem()) == ("too_young", None)


def expires(world: World, after: timedelta | None) -> None:
    """Have Secret Manager delete alice's whole secret after this time, or take that back."""
    secret = Secret(name=ALICE_NAME, expire_time=after and world.clock.now() + after)
    official_client(world.manager).update_secret(secret=secret, update_mask=FieldMask(paths=["expire_time"]))


@pytest.mark.parametrize("reason", ["SERVICE_DISABLED", "BILLING_DISABLED", "SECURITY_POLICY_VIOLATED"])
def test_a_refusal_says_its_reason(world: World, reason: str) -> None:
    world.manager.deny(["ListSecretVersions"], reason=reason)
    assert reason in world.run()["detail"]


def test_an_app_removed_by_its_person_shows_on_the_status_page_too(world: World) -> None:
    world.threads.people.remove_app("alice")
    assert world.run()["outcome"] == "sign_in_again"
    world.clock.forward(20 * DAY)
    reply = world.refresh.get("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)


def test_the_verdict_is_written_when_it_changes_and_taken_away_by_the_next_success(world: World) -> None:
    world.threads.control.fail("refresh", "expired", times=None)
    world.run()
    since = world.manager.annotations(ALICE)["problem-since"]
    world.manager.calls.clear()
    for _ in range(3):
        world.clock.forward(HOUR)
        world.run()
    assert "UpdateSecret" not in [method for method, _ in world.manager.calls]
    assert world.manager.annotations(ALICE)["problem-since"] == since
    world.threads.control.clear_faults()
    assert (world.run()["outcome"], world.problem()) == ("refreshed", None)
    assert not [key for key in world.manager.annotations(ALICE) if key.startswith("problem")]


def test_a_passing_fault_leaves_the_verdict_as_it_is(world: World) -> None:
    world.threads.control.fail("refresh", "expired", times=2)
    world.run()
    world.threads.control.fail("refresh", "unavailable", times=None)
    assert (world.run()["outcome"], world.problem()) == ("retry_later", "sign_in_again")


def test_a_run_is_called_again_also_where_one_account_needs_a_person(empty: World) -> None:
    revoked, slow = describe_many(empty, 2, lambda n: 30)
    empty.threads.people.revoke(revoked)
    empty.threads.control.fail("refresh", "unavailable", times=None, username=slow)
    reply = empty.refresh.post("/")
    assert (reply.json or {})["outcomes"] == {"sign_in_again": 1, "retry_later": 1, "not_signed_in": 3}
    assert reply.status_code == 503


def test_a_get_reports_a_token_that_nobody_refreshes(world: World) -> None:
    world.clock.forward(10 * DAY)
    found = world.report()
    assert found["outcome"] == "retry_later"
    assert "schedule" in found["detail"]


def test_advice_names_the_address_where_people_sign_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_IN_URL", "https://keeper.example")
    world.threads.people.revoke("alice")
    assert "https://keeper.example/login" in world.run()["detail"]


def test_a_verdict_with_a_very_long_address_still_fits_into_an_annotation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGN_IN_URL", f"https://keeper.example/{'x' * 20_000}")
    world.threads.people.revoke("alice")
    assert (world.run()["outcome"], world.problem()) == ("sign_in_again", "sign_in_again")
    assert len(world.manager.annotations(ALICE)["problem-detail"]) <= 1000


def test_a_verdict_that_cannot_be_written_is_no_failure(world: World) -> None:
    world.threads.people.revoke("alice")
    world.manager.fail("UpdateSecret", StatusCode.PERMISSION_DENIED, times=None)
    assert world.run()["outcome"] == "sign_in_again"
