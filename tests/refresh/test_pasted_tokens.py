"""A token that somebody pasted into Secret Manager is adopted, or refused with a reason."""

from __future__ import annotations

import pytest
import responses

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, HOUR, KEEPER, World, account, lines, official_client


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
    assert "refresh" not in world.calls(), "it is not ours to refresh"


def test_a_wrong_label_is_never_told_as_a_wrong_token(world: World) -> None:
    """To destroy the version would be the wrong advice: it may be the account's only living token."""
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice"))
    world.manager.set_labels(ALICE, KEEPER | {"threads-user-id": "17841400000000001"})
    found = world.run()
    assert found["outcome"] == "misconfigured"
    assert "Correct or remove that label" in found["detail"]


def test_an_account_goes_on_when_its_person_changes_the_username(world: World) -> None:
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
def test_a_payload_that_is_no_token_is_misconfigured_and_sent_nowhere(empty: World, payload: bytes) -> None:
    empty.manager.add(ALICE, payload)
    reply = empty.refresh.post("/")
    assert (account(reply)["outcome"], reply.status_code) == ("misconfigured", 500)
    assert "Version 1" in account(reply)["detail"]
    assert empty.calls() == []
    assert empty.manager.states(ALICE) == {1: "ENABLED"}


def test_a_pasted_token_without_a_tester_role_is_still_refreshed(empty: World) -> None:
    empty.threads.control.turn({"debug_works": False})
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    assert empty.run()["outcome"] == "refreshed"
    assert empty.manager.annotations(ALICE)["version"] == "2"


def test_a_pasted_token_that_is_not_said_when_it_was_made_has_its_age_from_its_end(empty: World) -> None:
    empty.manager.add(ALICE, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    inspection = {"is_valid": True, "user_id": ALICE_ID, "expires_at": int((empty.clock.now() + 58 * DAY).timestamp())}
    with responses.RequestsMock() as answers:
        answers.add_passthru(f"{empty.threads.url}/refresh_access_token")
        answers.add_passthru(f"{empty.threads.url}/v1.0/me")
        answers.get(f"{empty.threads.url}/v1.0/debug_token", json={"data": inspection})
        assert empty.run()["outcome"] == "refreshed"


def test_the_last_known_end_of_a_grant_is_kept_for_a_paste_that_cannot_be_inspected(world: World) -> None:
    grant = world.manager.annotations(ALICE)["data-access-expires-at"]
    world.threads.control.turn({"debug_works": False})
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.annotations(ALICE)["data-access-expires-at"] == grant


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


def test_a_young_token_pasted_over_one_that_is_due_is_described_and_not_refreshed(world: World) -> None:
    number = world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice", age=HOUR))
    assert world.run()["outcome"] == "too_young"
    assert world.calls() == ["debug"]
    assert world.manager.annotations(ALICE)["version"] == str(number)
    world.clock.forward(DAY)
    assert world.run()["outcome"] == "refreshed"


AROUND = ["{}\n", "{}\r\n", " {} ", "\ufeff{}", "\t{}\n\n", "{}\u00a0", "\u200e{}\u2060", "\u3000{}\u2028", "{}\0"]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("hours", [1, 100])
def test_blanks_around_a_pasted_token_are_removed_at_once(empty: World, around: str, hours: int) -> None:
    token = empty.threads.tokens.issue_long_lived("alice", age=hours * HOUR)
    empty.manager.add(ALICE, around.format(token))
    assert empty.run()["outcome"] == "refreshed"
    assert empty.manager.newest(ALICE) == (token if hours < 24 else "THalice-2")
    assert empty.manager.annotations(ALICE)["version"] == "2"
    assert empty.run()["outcome"] == "too_young"


def test_a_binding_that_was_taken_off_is_made_again_by_the_next_refresh(world: World) -> None:
    world.manager.set_labels(ALICE, KEEPER)
    assert world.run()["outcome"] == "refreshed"
    assert world.manager.labels(ALICE)["threads-user-id"] == ALICE_ID


def test_the_label_taken_off_during_a_run_is_not_written_back(world: World) -> None:
    def take_off(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before"):
            world.manager.on_call = None
            world.manager.set_labels(ALICE, {"threads-user-id": ALICE_ID})

    world.manager.on_call = take_off
    assert world.run()["outcome"] == "refreshed"
    assert "managed-by" not in world.manager.labels(ALICE)
    assert world.manager.annotations(ALICE)["version"] == "3"


def test_a_bound_account_whose_me_has_no_username_goes_on(world: World) -> None:
    world.threads.control.turn({"debug_works": False})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.add_passthru(f"{world.threads.url}/refresh_access_token")
        answers.add_passthru(f"{world.threads.url}/v1.0/debug_token")
        answers.get(f"{world.threads.url}/v1.0/me", json={"id": ALICE_ID})
        assert world.run()["outcome"] == "refreshed"


def test_topics_and_marks_of_others_stay(world: World) -> None:
    client = official_client(world.manager)
    secret = client.get_secret(name=ALICE_NAME)
    secret.topics = [{"name": "projects/demo/topics/tokens"}]
    client.update_secret(secret=secret, update_mask={"paths": ["topics"]})
    assert world.run()["outcome"] == "refreshed"
    assert [topic.name for topic in client.get_secret(name=ALICE_NAME).topics] == ["projects/demo/topics/tokens"]


@pytest.mark.parametrize("days", [6, 13])
def test_a_token_with_a_near_end_is_refreshed_as_soon_as_it_can_be(
    world: World, monkeypatch: pytest.MonkeyPatch, days: int, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRESH_AFTER_HOURS", "168")
    world.threads.control.turn({"expires_in": days * 86400})
    world.clock.forward(6 * DAY)
    assert world.run()["outcome"] == "refreshed"
    for _ in range(30):
        world.clock.forward(DAY + HOUR)
        assert world.run()["outcome"] == "refreshed"
        assert world.threads.tokens.alive(world.manager.newest(ALICE))
    assert "ERROR" not in {line["severity"] for line in lines(capsys)}
