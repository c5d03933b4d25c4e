"""A deletion removes the person's binding too, and answers as Meta asks."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from grpc import StatusCode

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE, ALICE_ID, GOOD, post, signed
from tests.support.app import ACCOUNT_LABELS, APP_SECRET
from tests.support.sign_in import sign_in


def test_delete_unbinds_the_person_and_keeps_what_is_not_theirs(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "team": "press"})
    manager.set_annotations(ALICE, {"note": "Ask Eve first."})
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "team": "press"}
    assert manager.annotations(ALICE) == {"note": "Ask Eve first."}
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert sign_in(oauth, threads).status_code == 303  # the account stays allowed


def test_delete_after_uninstall_still_unbinds(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/uninstall", threads.signed_request("alice")).status_code == 200
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == ACCOUNT_LABELS


@pytest.mark.parametrize("path", ["/uninstall/", "/delete/"])
def test_a_slash_that_the_dashboard_added_keeps_no_removal_away(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, path: str
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, path, threads.signed_request("alice")).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert oauth.get(path).status_code == 405


def test_the_reply_to_delete_is_what_meta_asks_for(oauth: FlaskClient, threads: LocalThreads, clock: Clock) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    reply = post(oauth, "/delete", threads.signed_request("alice"))
    assert reply.mimetype == "application/json"
    assert reply.json is not None
    code = reply.json["confirmation_code"]
    assert re.fullmatch(r"[A-Za-z0-9]+", code)
    assert reply.json == {"url": f"https://keeper.example/deletion?code={code}", "confirmation_code": code}
    page = oauth.get(reply.json["url"])
    assert page.status_code == 200
    assert "Your data was deleted" in page.text
    assert f'datetime="{clock.now():%Y-%m-%dT%H:}' in page.text
    assert "alice" not in page.text


def test_an_unknown_person_gets_the_same_answer_and_the_operator_a_warning(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_in(oauth, threads)
    capsys.readouterr()
    threads.control.turn({"signed_user_id_matches": False})
    for path in ("/uninstall", "/delete"):
        reply = post(oauth, path, threads.signed_request("alice"))
        assert reply.status_code == 200
        (line,) = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
        assert line["severity"] == "WARNING"
        assert line["event"].endswith("_unmatched")
        assert "alice" not in line["message"]
    assert reply.json is not None
    assert re.fullmatch(r"[A-Z2-7]{40}", reply.json["confirmation_code"])
    assert reply.json.keys() == {"url", "confirmation_code"}
    assert "Your request was received" in oauth.get(reply.json["url"]).text
    assert manager.states(ALICE) == {1: "ENABLED"}


@pytest.mark.parametrize("user_id", ["*", "1 OR labels.managed-by=threads-token-keeper", '"', "a" * 64, "ü", "-", "A"])
def test_a_user_id_that_no_label_can_hold_finds_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, user_id: str
) -> None:
    sign_in(oauth, threads)
    payload = GOOD | {"user_id": user_id, "issued_at": int((clock.now() + timedelta(hours=1)).timestamp())}
    assert post(oauth, "/delete", signed(payload, APP_SECRET)).status_code == 200
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_every_account_of_one_person_is_cleared(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    secret_ids = two_accounts_of_alice(oauth, threads, manager)
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    for secret_id in secret_ids:
        assert manager.states(secret_id) == {1: "DESTROYED"}
        assert manager.labels(secret_id) == ACCOUNT_LABELS


def two_accounts_of_alice(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> tuple[str, str]:
    """Bind a second account to the same person, as an operator can."""
    sign_in(oauth, threads)
    manager.create("threads-token-alicia", labels=manager.labels(ALICE))
    manager.add("threads-token-alicia", threads.tokens.issue_long_lived("alice"))
    return ALICE, "threads-token-alicia"


@pytest.mark.parametrize("fails", [0, 1])
def test_an_account_that_cannot_be_cleared_keeps_no_other_from_being_cleared(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, fails: int
) -> None:
    accounts = two_accounts_of_alice(oauth, threads, manager)
    clock.forward(timedelta(seconds=2))
    manager.fail("DestroySecretVersion", StatusCode.FAILED_PRECONDITION, times=None, match=f"{accounts[fails]}/")
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 503
    assert manager.states(accounts[fails]) == {1: "ENABLED"}
    assert manager.states(accounts[1 - fails]) == {1: "DESTROYED"}


def test_an_account_that_has_lost_the_label_is_cleared_too_and_does_not_get_it_back(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    labels = manager.labels(ALICE)
    manager.set_labels(ALICE, {"threads-user-id": labels["threads-user-id"], "team": "press"})
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert manager.labels(ALICE) == {"team": "press"}


@pytest.mark.parametrize("labels", [{}, ACCOUNT_LABELS], ids=["a person's", "the keeper's too"])
def test_a_secret_of_something_else_that_has_the_label_of_a_person_is_left_alone(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, labels: dict[str, str]
) -> None:
    manager.create("another-service", labels={"threads-user-id": ALICE_ID, **labels})
    manager.add("another-service", "something")
    clock.forward(timedelta(seconds=2))
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.payloads("another-service") == {1: b"something"}


def test_a_rogue_tester_causes_no_error(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert sign_in(oauth, threads, "mallory").status_code == 403
        for path in ("/uninstall", "/delete"):
            assert post(oauth, path, threads.signed_request("mallory")).status_code == 200
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [line["severity"] for line in lines] == ["WARNING"] * 9
