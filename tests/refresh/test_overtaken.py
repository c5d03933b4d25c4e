"""What happens while a token waits to be stored, or a verdict to be written, is not overwritten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from grpc import StatusCode

from tests.refresh.test_many_accounts import describe_many
from tests.refresh.world import ALICE, DAY, HOUR, World, account, lines
from tests.support.app import PUBLIC_URL
from tests.support.sign_in import sign_in


def while_the_store_takes_nothing(world: World, act: Callable[[], object]) -> None:
    """Do something after the second failed attempt to add a version; then the store takes it again."""
    world.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=None)
    attempts: list[str] = []

    def hook(method: str, resource: str, when: str) -> None:
        attempts.extend([method] if (method, when) == ("AddSecretVersion", "before") else [])
        if len(attempts) == 2:
            world.manager.on_call = None
            world.manager.heal()
            act()
            world.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE)

    world.manager.on_call = hook


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_token_that_its_person_takes_away_while_it_waits_to_be_stored_is_not_stored(
    world: World, oauth: FlaskClient, path: str
) -> None:
    world.clock.forward(timedelta(minutes=5))

    def remove() -> None:
        form = {"signed_request": world.threads.signed_request("alice")}
        assert oauth.post(path, data=form, base_url=PUBLIC_URL).status_code == 200

    while_the_store_takes_nothing(world, remove)
    assert world.run()["outcome"] == "retry_later"
    assert set(world.manager.states(ALICE).values()) == {"DESTROYED"}
    assert (world.run()["outcome"], world.problem()) == ("not_signed_in", None)


def test_a_sign_in_while_a_token_waits_to_be_stored_wins(world: World, oauth: FlaskClient) -> None:
    while_the_store_takes_nothing(world, lambda: sign_in(oauth, world.threads))
    assert world.run()["outcome"] == "retry_later"
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))


def test_an_uninstall_before_the_verdict_is_written_leaves_nothing_to_be_said(world: World, oauth: FlaskClient) -> None:
    world.threads.people.remove_app("alice")
    world.clock.forward(timedelta(minutes=5))

    def uninstall(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before"):
            world.manager.on_call = None
            form = {"signed_request": world.threads.signed_request("alice")}
            assert oauth.post("/uninstall", data=form, base_url=PUBLIC_URL).status_code == 200

    world.manager.on_call = uninstall
    world.run()
    assert world.manager.annotations(ALICE) == {}
    assert world.run()["outcome"] == "not_signed_in"


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
@pytest.mark.parametrize("asked", [False, True], ids=["before the account's turn", "after Threads refused its token"])
def test_a_person_who_leaves_during_a_run_is_no_error(
    world: World, oauth: FlaskClient, capsys: pytest.CaptureFixture[str], path: str, asked: bool
) -> None:
    world.threads.people.remove_app("alice")
    world.clock.forward(timedelta(minutes=5))

    def leave(method: str, resource: str, when: str) -> None:
        listing = (method, when) == ("ListSecretVersions", "before") and resource.endswith(ALICE)
        if listing and ("refresh" in world.calls()) == asked:
            world.manager.on_call = None
            form = {"signed_request": world.threads.signed_request("alice")}
            assert oauth.post(path, data=form, base_url=PUBLIC_URL).status_code == 200

    world.manager.on_call = leave
    found = world.run()
    assert found["outcome"] == ("retry_later" if asked else "not_signed_in")
    assert asked or (found["version"], found["expires_at"]) == (None, None)
    assert (world.run()["outcome"], world.problem()) == ("not_signed_in", None)
    assert "ERROR" not in {line["severity"] for line in lines(capsys)}


def test_a_sign_in_during_a_deletion_keeps_its_binding(world: World, oauth: FlaskClient) -> None:
    world.clock.forward(timedelta(minutes=5))
    form = {"signed_request": world.threads.signed_request("alice")}
    world.clock.forward(timedelta(minutes=5))

    def sign_in_again(method: str, resource: str, when: str) -> None:
        if (method, when) == ("DestroySecretVersion", "after"):
            world.manager.on_call = None
            assert sign_in(oauth, world.threads).status_code == 303

    labels = world.manager.labels(ALICE)
    world.manager.on_call = sign_in_again
    assert oauth.post("/delete", data=form, base_url=PUBLIC_URL).status_code == 200
    assert world.manager.labels(ALICE) == labels
    assert world.manager.annotations(ALICE)["version"] == str(max(world.manager.states(ALICE)))


def test_an_undescribed_account_that_cannot_be_asked_about_is_told_in_time(
    empty: World, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice"))
    for call in ("refresh", "me", "debug"):
        empty.threads.control.fail(call, "unavailable", times=None)
    for days, severity in ((10, "WARNING"), (47, "ERROR")):
        empty.clock.forward(days * DAY)
        lines(capsys)
        assert empty.run()["outcome"] == empty.report()["outcome"] == "retry_later"
        told = next(line for line in lines(capsys) if line.get("username") == "alice")
        assert told["severity"] == severity


def test_refusals_alike_do_not_blame_the_app_where_one_account_fares_otherwise(empty: World) -> None:
    usernames = describe_many(empty, 4, lambda n: 30)
    empty.threads.people.revoke(usernames[0])
    for username in usernames[1:]:
        for call in ("refresh", "me"):
            empty.threads.control.fail(call, "permission", times=None, username=username)
    reply = empty.refresh.post("/")
    assert {account(reply, username)["outcome"] for username in usernames} == {"sign_in_again"}
    empty.clock.forward(HOUR)
