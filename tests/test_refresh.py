"""The `refresh` function over HTTP, between a local Threads and a local Secret Manager."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import responses
from flask.testing import FlaskClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.cloud.secretmanager_v1.types import Secret
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, insecure_channel
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.server import LocalThreads
from token_keeper import store as store_module
from token_keeper import threads as threads_module
from token_keeper.errors import SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings

ALICE, BOB = "threads-token-alice", "threads-token-bob"
ALICE_ID = "17841405793187001"
ALICE_NAME = "projects/demo/secrets/threads-token-alice"
KEEPER = {"managed-by": "threads-token-keeper"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same patience, in less time, and a project with a larger quota."""
    monkeypatch.setattr(store_module, "QUOTA_PER_MINUTE", 600_000)
    monkeypatch.setattr(threads_module, "BACKOFF", 0.001)
    monkeypatch.setattr(threads_module, "READ_TIMEOUT", 1.0)


@dataclass
class World:
    """Everything there is, with alice's token in its second version, described, and due."""

    refresh: FlaskClient
    threads: LocalThreads
    manager: SecretManager
    clock: Clock

    def run(self) -> dict[str, Any]:
        """POST, and give what became of alice."""
        return account(self.refresh.post("/"))

    def look(self) -> dict[str, Any]:
        return account(self.refresh.get("/"))

    def stored(self) -> tuple[object, ...]:
        """Give all that is kept of alice, to be compared."""
        manager = self.manager
        return manager.states(ALICE), manager.payloads(ALICE), manager.annotations(ALICE), manager.labels(ALICE)

    def calls(self) -> list[str]:
        """Give the calls that Threads got."""
        return [call for call, _ in self.threads.control.calls]

    def describe(self, **changes: str) -> None:
        """Edit alice's annotations by hand."""
        self.manager.set_annotations(ALICE, self.manager.annotations(ALICE) | changes)


@pytest.fixture
def empty(refresh: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock) -> World:
    """A world in which nobody has signed in."""
    return World(refresh, threads, manager, clock)


@pytest.fixture
def world(empty: World) -> World:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    assert empty.run()["outcome"] == "refreshed"
    empty.clock.forward(2 * DAY)
    empty.threads.control.calls.clear()
    empty.manager.calls.clear()
    return empty


def account(reply: TestResponse, username: str = "alice") -> dict[str, Any]:
    assert reply.json is not None
    found: dict[str, Any] = next(one for one in reply.json["accounts"] if one["username"] == username)
    return found


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Give the log lines since the last look."""
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def official_client(manager: SecretManager) -> SecretManagerServiceClient:
    channel = insecure_channel(manager.address)
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


# One run


def test_the_steps_come_in_order(world: World) -> None:
    steps: list[str] = []

    def note(method: str, resource: str, when: str) -> None:
        if when == "before":
            steps.extend(world.calls())
            world.threads.control.calls.clear()
            if resource in ("projects/demo", ALICE_NAME) or resource.startswith(f"{ALICE_NAME}/"):
                steps.append(method)

    world.manager.on_call = note
    assert world.run()["outcome"] == "refreshed"
    assert steps == [
        "ListSecrets",
        "ListSecretVersions",
        "AccessSecretVersion",
        "refresh",
        "debug",
        "GetSecretVersion",
        "AddSecretVersion",
        "UpdateSecret",
        "DestroySecretVersion",
    ]


def test_a_refreshed_token_is_the_newest_version_and_described(world: World) -> None:
    before = world.clock.now()
    reply = world.refresh.post("/")
    found = account(reply)
    assert reply.status_code == 200
    assert found == {
        "username": "alice",
        "secret": ALICE_NAME,
        "outcome": "refreshed",
        "version": f"{ALICE_NAME}/versions/3",
        "expires_at": found["expires_at"],
        "data_access_expires_at": found["data_access_expires_at"],
        "detail": None,
    }
    assert world.manager.newest(ALICE) == "THalice-3"
    assert world.manager.labels(ALICE) == KEEPER | {"threads-user-id": ALICE_ID}
    annotations = world.manager.annotations(ALICE)
    assert annotations == {
        "threads-username": "alice",
        "version": "3",
        "refreshed-at": annotations["refreshed-at"],
        "expires-at": found["expires_at"],
        "data-access-expires-at": found["data_access_expires_at"],
        "scopes": "threads_basic,threads_content_publish",
    }
    assert annotations["refreshed-at"][:13] == f"{before:%Y-%m-%dT%H}"
    assert found["expires_at"][:10] == f"{before + 60 * DAY:%Y-%m-%d}"
    assert found["data_access_expires_at"][:10] == f"{before + 90 * DAY:%Y-%m-%d}"


def test_no_reply_and_no_log_line_holds_a_token(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for call in ("refresh", "debug", "me"):
        world.threads.control.fail(call, "error_in_200", times=2)
    seen = ""
    for _ in range(4):
        seen += world.refresh.post("/").text + world.refresh.get("/").text
        world.clock.forward(DAY)
    assert "THalice" not in seen + "".join(capsys.readouterr())


def test_a_token_is_refreshed_from_24_hours_on(world: World) -> None:
    world.run()
    world.clock.forward(24 * HOUR - timedelta(minutes=1))
    world.threads.control.calls.clear()
    assert world.run()["outcome"] == "too_young"
    assert world.calls() == []
    world.clock.forward(timedelta(minutes=2))
    assert world.run()["outcome"] == "refreshed"


def test_the_age_to_refresh_at_is_a_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_AFTER_HOURS", "72")
    assert world.run()["outcome"] == "too_young"
    world.clock.forward(25 * HOUR)
    assert world.run()["outcome"] == "refreshed"


def test_an_account_without_a_version_is_not_signed_in(empty: World, capsys: pytest.CaptureFixture[str]) -> None:
    reply = empty.refresh.post("/")
    assert reply.status_code == 200
    assert reply.json is not None
    assert reply.json["outcomes"] == {"not_signed_in": 3}
    assert {one["version"] for one in reply.json["accounts"]} == {None}
    assert {line["severity"] for line in lines(capsys)} == {"INFO"}


def test_an_account_whose_versions_are_all_gone_is_not_signed_in(world: World) -> None:
    client = official_client(world.manager)
    for number in (1, 2):
        client.destroy_secret_version(name=f"{ALICE_NAME}/versions/{number}")
    found = world.run()
    assert (found["outcome"], found["version"], found["expires_at"]) == ("not_signed_in", None, None)


def test_secrets_without_the_label_are_none_of_our_business(world: World) -> None:
    for name, labels in (("threads-app-secret", {}), ("threads-token-eve", {"managed-by": "somebody"})):
        world.manager.create(name, labels=labels)
        world.manager.add(name, "x")
    reply = world.refresh.post("/")
    assert reply.json is not None
    assert [one["username"] for one in reply.json["accounts"]] == ["alice", "bob", "dotted.name"]
    assert not [resource for method, resource in world.manager.calls if "eve" in resource or "app-secret" in resource]


@pytest.mark.parametrize("secret_id", ["threads-token-Alice", "threads-app", "threads-token-" + "x" * 31])
def test_a_label_on_a_secret_that_names_nobody_is_misconfigured(empty: World, secret_id: str) -> None:
    empty.manager.create(secret_id, labels=KEEPER)
    empty.manager.add(secret_id, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    reply = empty.refresh.post("/")
    assert reply.status_code == 500
    found = account(reply, secret_id)
    assert found["outcome"] == "misconfigured"
    assert "label" in found["detail"]
    assert empty.calls() == []


# What Threads may answer to a refresh

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
    "permission",
    "permission_200",
    "permission_299",
]
MISCONFIGURED = [
    "bad_secret",
    "bad_app",
    "meta_app",
    "bad_redirect_uri",
    "redirect_uri_191",
    "not_invited",
    "url_blocked",
    "insecure",
    "no_app_data",
    "no_app_id",
]
UNCLEAR = [
    "too_young",
    "no_resource",
    "no_resource_100",
    "wrong_kind",
    "bad_parameter",
    "no_token_given",
    "not_found",
    "not_allowed",
]
NEVER_ON_REFRESH = ["code_spent", "no_client_id"]
OUTCOMES = {
    **dict.fromkeys(RETRY_LATER + UNCLEAR, ("retry_later", 503)),
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
    assert world.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("shape", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["expired", "no_resource", "no_resource_100"])
def test_a_dead_token_is_told_in_any_shape(world: World, name: str, shape: int) -> None:
    world.threads.people.revoke("alice")
    world.threads.control.fail("refresh", name, times=None, shape=shape)
    world.threads.control.fail("me", name, times=None, shape=shape)
    reply = world.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)
    assert "sign in again" in account(reply)["detail"]


@pytest.mark.parametrize("name", ["unavailable", "code_2", "unknown_error", "throttled"])
def test_a_passing_fault_of_every_call_is_never_sign_in_again(world: World, name: str) -> None:
    for shape in (2, 3, 4):
        world.threads.control.clear_faults()
        for call in ("refresh", "debug", "me"):
            world.threads.control.fail(call, name, times=None, shape=shape)
        assert world.run()["outcome"] == "retry_later", shape


SPOILED = ["error_in_200", "no_token", "html", "html_502", "empty", "redirect"]


@pytest.mark.parametrize("name", SPOILED)
def test_an_answer_without_a_token_changes_nothing(world: World, name: str) -> None:
    before = world.stored()
    world.threads.control.fail("refresh", name, times=None)
    reply = world.refresh.post("/")
    assert account(reply)["outcome"] == ("sign_in_again" if name == "error_in_200" else "retry_later")
    assert world.stored() == before


@pytest.mark.parametrize("name", ["truncated", "lost_reply", "hang"])
def test_an_answer_that_does_not_arrive_changes_nothing(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads_module, "READ_TIMEOUT", 0.1)
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


# Two ways to refresh, and the token's age


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


# The proof of a new token


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
        assert world.run()["outcome"] == "retry_later"
    assert world.stored() == before


def test_a_new_token_that_died_at_once_is_not_kept(world: World) -> None:
    before = world.stored()
    world.threads.control.fail("refresh", "delay", seconds=0.3)
    threading.Timer(0.15, world.threads.people.revoke, ("alice",)).start()
    assert world.run()["outcome"] in ("retry_later", "sign_in_again")
    assert "debug" in world.calls()
    assert world.stored() == before


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


# A token that somebody pasted


@pytest.mark.parametrize("newline", ["", "\n", "\r\n", " \n"])
def test_a_pasted_token_is_adopted_and_refreshed(empty: World, newline: str) -> None:
    token = empty.threads.tokens.issue_long_lived("alice", age=10 * DAY)
    empty.manager.add(ALICE, token + newline)
    assert empty.run()["outcome"] == "refreshed"
    assert empty.manager.newest(ALICE) == "THalice-2"
    assert empty.manager.labels(ALICE) == KEEPER | {"threads-user-id": ALICE_ID}
    assert empty.manager.annotations(ALICE)["version"] == "2"


def test_a_pasted_young_token_is_described_now_and_refreshed_when_due(empty: World) -> None:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=23 * HOUR))
    assert empty.run()["outcome"] == "too_young"
    assert empty.calls() == ["debug", "me"]
    assert empty.manager.annotations(ALICE)["version"] == "1"
    assert empty.manager.labels(ALICE)["threads-user-id"] == ALICE_ID
    empty.clock.forward(2 * HOUR)
    assert empty.run()["outcome"] == "refreshed"


@pytest.mark.parametrize("debug_works", [True, False])
def test_a_pasted_token_of_somebody_else_is_misconfigured(empty: World, debug_works: bool) -> None:
    empty.threads.control.turn({"debug_works": debug_works})
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("mallory", age=2 * DAY))
    before = empty.stored()
    reply = empty.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("misconfigured", 500)
    assert "Destroy that version" in account(reply)["detail"]
    assert empty.stored() == before
    assert "refresh" not in empty.calls()


def test_a_bound_account_takes_no_token_of_another_id_even_of_its_name(world: World) -> None:
    world.threads.people.hand_over("alice", "mallory")
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    before = world.stored()
    assert world.run()["outcome"] == "misconfigured"
    assert world.stored() == before


def test_an_account_whose_person_took_another_name_goes_on(world: World) -> None:
    world.threads.people.rename("alice", "alicia")
    world.threads.control.turn({"debug_works": False})
    assert world.run()["outcome"] == "refreshed"


def test_a_pasted_short_lived_token_is_sign_in_again(empty: World) -> None:
    empty.manager.add(ALICE, empty.threads.tokens.issue_short_lived("alice"))
    before = empty.stored()
    reply = empty.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)
    assert empty.stored() == before


@pytest.mark.parametrize(
    "payload", [b"not a token", b"\n", b'{"access_token":"TH"}', b'"TH1"', b"<html>", b"\xff\xfe", b"T" * 4097, b"a\0b"]
)
def test_garbage_is_misconfigured_and_sent_nowhere(empty: World, payload: bytes) -> None:
    empty.manager.add(ALICE, payload)
    reply = empty.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("misconfigured", 500)
    assert "Version 1" in account(reply)["detail"]
    assert empty.calls() == []
    assert empty.manager.states(ALICE) == {1: "ENABLED"}


def test_a_pasted_token_without_a_tester_role_is_refreshed_all_the_same(empty: World) -> None:
    empty.threads.control.turn({"debug_works": False})
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    assert empty.run()["outcome"] == "refreshed"
    assert empty.manager.annotations(ALICE)["version"] == "2"


def test_a_pasted_token_that_is_dead_is_sign_in_again(empty: World) -> None:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    empty.threads.people.change_password("alice")
    assert empty.run()["outcome"] == "sign_in_again"
    assert empty.manager.states(ALICE) == {1: "ENABLED"}


def test_a_token_pasted_over_a_described_one_is_adopted_when_that_one_would_be_due(world: World) -> None:
    world.run()
    pasted = world.threads.tokens.issue_long_lived("alice", age=2 * DAY)
    number = world.manager.add(ALICE, pasted)
    world.clock.forward(DAY + HOUR)
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == str(number + 1)


# What is kept, and what is destroyed


def test_only_enabled_versions_beyond_the_newest_two_are_destroyed(world: World) -> None:
    client = official_client(world.manager)
    for _ in range(3):
        world.manager.add(ALICE, world.manager.newest(ALICE))
    client.disable_secret_version(name=f"{ALICE_NAME}/versions/3")
    assert world.run()["outcome"] == "refreshed"
    expected = {1: "DESTROYED", 2: "DESTROYED", 3: "DISABLED", 4: "DESTROYED", 5: "ENABLED", 6: "ENABLED"}
    assert world.manager.states(ALICE) == expected


@pytest.mark.parametrize("way", ["disable_secret_version", "destroy_secret_version"])
def test_where_the_described_version_was_taken_away_the_one_before_is_used(world: World, way: str) -> None:
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
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda one: json.dumps(one)[:60])
def test_annotations_that_were_edited_into_nonsense_are_healed(world: World, nonsense: dict[str, str]) -> None:
    world.describe(**nonsense)
    assert world.look()["outcome"] in ("current", "sign_in_again")
    assert world.run()["outcome"] == "refreshed"
    annotations = world.manager.annotations(ALICE)
    assert annotations["threads-username"] == "alice"
    assert annotations["version"] == "3"
    assert annotations["scopes"] == "threads_basic,threads_content_publish"
    assert world.look()["outcome"] == "current"


def test_annotations_that_were_removed_are_healed(world: World) -> None:
    world.manager.set_annotations(ALICE, {})
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["version"] == "3"


def test_a_binding_that_was_removed_is_made_again(world: World) -> None:
    world.manager.set_labels(ALICE, KEEPER)
    world.manager.set_annotations(ALICE, {})
    world.run()
    assert world.manager.labels(ALICE)["threads-user-id"] == ALICE_ID


# Others at work at the same time


def test_two_runs_at_once_lose_nothing_and_cry_no_wolf(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.threads.control.turn({"old_token_dies": True})
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
def test_a_token_that_another_run_has_just_replaced_is_not_mourned(world: World, refusal: str) -> None:
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


def test_a_version_that_is_being_adopted_while_another_run_replaces_it_is_not_mourned(world: World) -> None:
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
    """Do this between the listing and the first update of an account."""

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


def test_who_described_a_newer_version_keeps_the_last_word(world: World) -> None:
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


# What Secret Manager may do

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
def test_a_passing_fault_of_secret_manager_is_got_over(world: World, method: str, when: Any) -> None:
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


@pytest.mark.parametrize("method", STORE_CALLS[1:])
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
    assert reply.json == {"accounts": [], "outcomes": {}, "error": "Secret Manager: PERMISSION_DENIED."}
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


def test_a_description_that_fails_for_now_is_told_and_healed(world: World) -> None:
    world.manager.fail("UpdateSecret", StatusCode.ABORTED)
    world.manager.fail("GetSecret", StatusCode.ABORTED)
    found = world.run()
    assert found["outcome"] == "refreshed"
    assert "annotations follow" in found["detail"]
    assert world.manager.annotations(ALICE)["version"] == "2"
    assert world.run()["outcome"] == "too_young"
    assert world.manager.annotations(ALICE)["version"] == "3"


# Many accounts, and the time there is


def describe_many(world: World, count: int, expires_in_days: Callable[[int], int]) -> list[str]:
    """Let there be so many more accounts with a due, described token, each of which ends in so many days."""
    usernames = [f"user{n:02}" for n in range(count)]
    for n, username in enumerate(usernames):
        person = world.threads.people.add(username)
        token = world.threads.tokens.issue_long_lived(username, age=2 * DAY)
        expires_at = world.clock.now() + expires_in_days(n) * DAY
        world.manager.create(
            f"threads-token-{username}",
            labels=KEEPER | {"threads-user-id": person.id},
            annotations={
                "version": "1",
                "refreshed-at": f"{world.clock.now() - 3 * DAY:%Y-%m-%dT%H:%M:%SZ}",
                "expires-at": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            },
        )
        world.manager.add(f"threads-token-{username}", token)
    return usernames


def test_several_accounts_are_worked_on_at_a_time(empty: World) -> None:
    describe_many(empty, 20, lambda n: 30)
    empty.threads.control.fail("refresh", "delay", times=None, seconds=0.2)
    started = time.monotonic()
    reply = empty.refresh.post("/")
    assert reply.status_code == 200
    assert time.monotonic() - started < 2


@pytest.fixture
def a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has a second, and Threads half a second more to answer each call, once."""
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")
    monkeypatch.setattr(threads_module, "ATTEMPTS", 1)
    monkeypatch.setattr(threads_module, "READ_TIMEOUT", 1.5)


@pytest.mark.usefixtures("a_second")
def test_a_run_ends_within_its_budget_and_what_expires_first_went_first(empty: World) -> None:
    usernames = describe_many(empty, 70, lambda n: 15 + (n * 37) % 70)
    soonest_first = sorted(usernames, key=lambda username: 15 + (int(username[4:]) * 37) % 70)
    empty.threads.control.fail("refresh", "hang", times=None)
    started = time.monotonic()
    reply = empty.refresh.post("/")
    assert time.monotonic() - started < 1.4
    assert reply.status_code == 503
    assert reply.json is not None
    assert reply.json["outcomes"] == {"retry_later": 70, "not_signed_in": 3}
    assert [one["username"] for one in reply.json["accounts"]] == sorted(["alice", "bob", "dotted.name", *usernames])
    assert {username for call, username in empty.threads.control.calls} == set(soonest_first[:32])
    time.sleep(0.8)  # until the calls that hang have ended


@pytest.mark.usefixtures("a_second")
def test_no_account_is_begun_in_the_last_fifth_of_the_budget(empty: World) -> None:
    describe_many(empty, 40, lambda n: 30)
    empty.threads.control.fail("refresh", "delay", times=None, seconds=0.82)
    empty.refresh.post("/")
    time.sleep(0.5)  # until those that were begun have ended
    assert empty.calls().count("refresh") == 32


@pytest.mark.usefixtures("a_second")
def test_a_token_near_its_end_that_the_run_did_not_reach_is_an_error(
    empty: World, capsys: pytest.CaptureFixture[str]
) -> None:
    usernames = describe_many(empty, 40, lambda n: 10)
    empty.threads.control.fail("refresh", "hang", times=None)
    empty.refresh.post("/")
    told = {line["username"] for line in lines(capsys) if line["severity"] == "ERROR"}
    time.sleep(0.8)  # until the calls that hang have ended
    assert told == set(usernames)


def test_a_listing_that_hangs_ends_within_the_budget(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")
    empty.manager.fail("ListSecrets", StatusCode.UNAVAILABLE, times=3, delay=0.9)
    started = time.monotonic()
    assert empty.refresh.post("/").status_code == 503
    assert time.monotonic() - started < 2


# Looking


def test_looking_changes_nothing(world: World) -> None:
    before = world.stored()
    world.manager.calls.clear()
    for method in (world.refresh.get, world.refresh.head):
        assert method("/").status_code == 200
    assert world.stored() == before
    assert world.calls() == []
    assert {method for method, _ in world.manager.calls} <= {"ListSecrets", "ListSecretVersions"}


def test_looking_has_its_own_words(world: World) -> None:
    reply = world.refresh.get("/")
    assert reply.json is not None
    assert reply.json["outcomes"] == {"current": 1, "not_signed_in": 2}
    assert account(reply)["version"] == f"{ALICE_NAME}/versions/2"
    world.clock.forward(61 * DAY)
    reply = world.refresh.get("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)


def test_looking_at_a_version_that_nothing_describes_says_so(world: World) -> None:
    world.manager.set_annotations(ALICE, {})
    found = world.look()
    assert (found["outcome"], found["version"]) == ("current", f"{ALICE_NAME}/versions/2")
    assert "next run" in found["detail"]


def test_looking_at_an_expired_token_under_a_newer_one_says_so(world: World) -> None:
    world.clock.forward(61 * DAY)
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice"))
    assert world.look()["version"] == f"{ALICE_NAME}/versions/3"
    assert world.look()["outcome"] == "current"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_a_browser_gets_a_page_and_curl_gets_json(world: World, accept: str, expected: str) -> None:
    reply = world.refresh.get("/", headers={"Accept": accept})
    assert reply.mimetype == expected
    assert "alice" in reply.text
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_post_gets_json_whatever_it_prefers(world: World) -> None:
    assert world.refresh.post("/", headers={"Accept": "text/html"}).mimetype == "application/json"


def test_a_failed_look_is_a_page_too(world: World) -> None:
    world.manager.deny(["ListSecrets"])
    reply = world.refresh.get("/", headers={"Accept": "text/html"})
    assert (reply.status_code, reply.mimetype) == (500, "text/html")
    assert "PERMISSION_DENIED" in reply.text


def test_other_addresses_and_methods_are_not_there(world: World) -> None:
    for path in ("/callback", "/refresh", "/x/"):
        assert world.refresh.post(path).status_code == 404
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = world.refresh.open("/", method=method)
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert world.calls() == []
    assert world.manager.calls == []


# What is logged


def test_a_good_run_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    lines(capsys)
    world.refresh.post("/", headers={"X-Cloud-Trace-Context": f"{trace}/123;o=1"})
    logged = lines(capsys)
    assert {line["logging.googleapis.com/trace"] for line in logged} == {f"projects/demo/traces/{trace}"}
    assert {line["severity"] for line in logged} == {"INFO"}
    refreshed = next(line for line in logged if line["event"] == "refreshed")
    assert (refreshed["username"], refreshed["days_left"]) == ("alice", 59)
    assert refreshed["version"] == f"{ALICE_NAME}/versions/3"
    assert logged[-1]["event"] == "run_completed"
    assert logged[-1]["outcomes"] == {"refreshed": 1, "not_signed_in": 2}


def test_a_run_without_a_trace_has_none(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines(capsys)
    world.refresh.post("/", headers={"X-Cloud-Trace-Context": "../../x"})
    assert not [line for line in lines(capsys) if "logging.googleapis.com/trace" in line]


def test_looking_is_no_run(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines(capsys)
    world.look()
    assert lines(capsys) == []


def test_a_run_with_failures_has_completed_all_the_same(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.threads.control.fail("refresh", "expired")
    world.run()
    assert lines(capsys)[-1]["event"] == "run_completed"


def alices_line(world: World, captured: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines(captured)
    world.run()
    return next(line for line in lines(captured) if line.get("username") == "alice")


@pytest.mark.parametrize(
    ("days", "days_left", "severity"), [(0, 57, "WARNING"), (43, 14, "WARNING"), (44, 13, "ERROR"), (58, -1, "ERROR")]
)
def test_a_passing_fault_becomes_a_persons_business_two_weeks_before_the_end(
    world: World, capsys: pytest.CaptureFixture[str], days: int, days_left: int, severity: str
) -> None:
    world.clock.forward(days * DAY + HOUR)
    world.threads.control.fail("refresh", "unavailable", times=None)
    line = alices_line(world, capsys)
    assert (line["severity"], line["event"], line["days_left"]) == (severity, "retry_later", days_left)
    assert ("sign in again" in line["message"]) == (severity == "ERROR")


@pytest.mark.parametrize(("fault", "event"), [("expired", "sign_in_again"), ("bad_app", "misconfigured")])
def test_what_a_person_must_do_is_an_error_that_says_it(
    world: World, capsys: pytest.CaptureFixture[str], fault: str, event: str
) -> None:
    world.threads.control.fail("refresh", fault)
    line = alices_line(world, capsys)
    assert (line["severity"], line["event"]) == ("ERROR", event)
    assert "sign in again" in line["message"] or "deploy.sh check" in line["message"]


@pytest.mark.parametrize(
    ("days", "outcome", "severity"),
    [(75, "refreshed", "INFO"), (77, "refreshed", "ERROR"), (91, "sign_in_again", "ERROR")],
)
def test_a_grant_that_ends_within_two_weeks_is_an_error_that_says_what_to_do(
    empty: World, capsys: pytest.CaptureFixture[str], days: int, outcome: str, severity: str
) -> None:
    empty.threads.people.set_private("alice")
    token = empty.threads.tokens.issue_long_lived("alice", age=2 * DAY, grant_age=days * DAY)
    empty.manager.add(ALICE, token)
    line = alices_line(empty, capsys)
    assert (line["severity"], line["event"]) == (severity, outcome)
    assert ("sign in again" in line["message"]) == (severity == "ERROR")


def test_a_new_token_that_is_not_described_yet_is_a_warning(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.manager.fail("UpdateSecret", StatusCode.ABORTED)
    world.manager.fail("GetSecret", StatusCode.ABORTED)
    assert alices_line(world, capsys)["severity"] == "WARNING"


# Settings

OAUTH = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1234567890",
    "THREADS_APP_SECRET": "sentinel",
    "PUBLIC_URL": "https://keeper.example",
}
BAD_URLS = [
    "http://sentinel.example",
    "ftp://sentinel.example",
    "sentinel.example",
    "https://",
    "https:///path",
    "https://somebody@keeper.example",
    "https://somebody:sentinel@keeper.example",
    "https://keeper.example?x=sentinel",
    "https://keeper.example?",
    "https://keeper.example#x",
    "https://keeper.example#",
    "https://keeper.example/",
    "https://keeper.example/sentinel/",
    "https://keeper.example:99999",
    "https://keeper.example:0",
    "https://keeper.example:sentinel",
    "https://keeper .example",
    "https://keeper.example\\@elsewhere.example",
    "https://keeper.example\nSet-Cookie: x",
    "https://[::1",
    "http://127.0.0.1.example",
    "http://localhost.example:80",
    "http://10.0.0.1",
    "https://k\u00e9eper.example",
]
BAD_SETTINGS: dict[str, list[str | None]] = {
    "GOOGLE_CLOUD_PROJECT": [None, "", " \t", "a/b", "sentinel\nx", "-x", "d\u00e9mo"],
    "THREADS_APP_ID": [None, "", " ", "12 sentinel", "12/34", "1" * 65, "\u0661\u0662"],
    "THREADS_APP_SECRET": [None, "", " \n", "sentinel words", "sentinel" * 65, "s\u00e9cret"],
    "PUBLIC_URL": [None, "", " ", *BAD_URLS],
    "THREADS_API_URL": ["", " ", *BAD_URLS],
    "THREADS_AUTHORIZE_URL": ["", " ", *BAD_URLS],
    "THREADS_SCOPES": ["", " ", ",", "sentinel", "threads_basic,", "threads_basic threads_x", "A"],
    "REFRESH_AFTER_HOURS": ["", " ", "23", "1105", "-24", "24.5", "sentinel", "1e3", "\u0662\u0664", "9" * 10],
    "REFRESH_BUDGET_SECONDS": ["", " ", "0", "-1", "86401", "x"],
    "SECRET_MANAGER_EMULATOR_HOST": [
        "",
        " ",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:x",
        "sentinel.example:80",
        "10.0.0.1:80",
        "0.0.0.0:80",
        "http://sentinel:80",
        "[::1:80",
    ],
}
REFRESH_ONLY = {"REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"}
OAUTH_ONLY = {"THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL", "THREADS_AUTHORIZE_URL", "THREADS_SCOPES"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD_SETTINGS for value in BAD_SETTINGS[name]])
def test_a_bad_setting_is_named_and_its_value_is_not_shown(name: str, value: str | None) -> None:
    environ = {**OAUTH, name: value}
    if value is None:
        del environ[name]
    given = {key: text for key, text in environ.items() if text is not None}
    for kind, readers in ((OAuthSettings, REFRESH_ONLY), (RefreshSettings, OAUTH_ONLY)):
        if name in readers:
            kind.from_environ(given)  # it is none of its business
            continue
        with pytest.raises(SettingError) as raised:
            kind.from_environ(given)
        assert name in str(raised.value)
        assert "sentinel" not in str(raised.value)


def test_settings_that_are_not_there_have_their_defaults() -> None:
    oauth = OAuthSettings.from_environ(OAUTH)
    assert oauth.scopes == ("threads_basic", "threads_content_publish")
    assert oauth.authorize_url == "https://threads.com/oauth/authorize"
    assert oauth.api_url == "https://graph.threads.com"
    assert oauth.redirect_uri == "https://keeper.example/callback"
    assert (oauth.emulator, oauth.on_loopback) == (None, False)
    refresh = RefreshSettings.from_environ({"GOOGLE_CLOUD_PROJECT": "demo"})
    assert (refresh.refresh_after, refresh.budget) == (timedelta(hours=24), timedelta(seconds=1500))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_plain_http_is_for_loopback(host: str) -> None:
    settings = OAuthSettings.from_environ(
        OAUTH | {"PUBLIC_URL": f"http://{host}:8080/path", "SECRET_MANAGER_EMULATOR_HOST": f"{host}:8090"}
    )
    assert settings.on_loopback
    assert settings.redirect_uri == f"http://{host}:8080/path/callback"
    assert settings.emulator == f"{host}:8090"


def test_settings_do_not_show_the_app_secret() -> None:
    settings = OAuthSettings.from_environ(OAUTH)
    assert "sentinel" not in f"{settings!r} {settings.app_secret} {settings.app_secret!r}"
    assert settings.app_secret.reveal() == "sentinel"


def test_a_run_with_a_bad_setting_fails_as_a_whole(
    refresh: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRESH_AFTER_HOURS", "12")
    reply = refresh.post("/")
    assert reply.status_code == 500
    assert reply.json is not None
    assert reply.json["error"].startswith("REFRESH_AFTER_HOURS must be")
    assert [(line["severity"], line["event"]) for line in lines(capsys)] == [("ERROR", "run_failed")]


def test_a_token_that_its_person_takes_away_during_a_refresh_does_not_come_back(world: World) -> None:
    """Destroyed while Threads was asked: as an uninstall or a deletion does it."""
    used = max(world.manager.states(ALICE))

    def take_away(method: str, resource: str, when: str) -> None:
        if (method, when) == ("GetSecretVersion", "before"):
            world.manager.on_call = None
            official_client(world.manager).destroy_secret_version(name=f"{ALICE_NAME}/versions/{used}")

    world.manager.on_call = take_away
    assert world.run()["outcome"] == "retry_later"
    assert max(world.manager.states(ALICE)) == used


def test_not_knowing_whether_it_was_taken_away_loses_no_token(world: World) -> None:
    world.manager.deny(["GetSecretVersion"])
    assert world.run()["outcome"] == "refreshed"
