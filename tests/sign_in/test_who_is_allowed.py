"""Who may sign in: the person that a secret is bound to, or the person that an unbound secret is named after."""

from __future__ import annotations

from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, ALICE_ID, assert_nothing_kept, get, logged, login, replies_of_threads
from tests.support.app import ACCOUNT_LABELS, APP_ID, APP_SECRET
from tests.support.sign_in import sign_in


def assert_a_stranger(
    reply: TestResponse,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    name: str = "alice",
    user_id: str = ALICE_ID,
) -> None:
    """Assert that the person is told who they signed in as, the operator too, and that nothing was stored."""
    assert reply.status_code == 403
    assert "You signed in to Threads as" not in reply.text  # the message names them
    assert "./deploy.sh account" in reply.text
    assert not {"AddSecretVersion", "UpdateSecret", "CreateSecret"} & {method for method, _ in manager.calls}
    (line,) = logged(capsys)
    assert line["severity"] == "WARNING"
    assert line["username"] == name
    for told in (line["message"], unescape(reply.text)):
        assert f"account {name} " in told
        assert user_id not in told


def test_an_account_that_is_not_on_the_list_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = sign_in(oauth, threads, "mallory")
    assert_a_stranger(reply, manager, capsys, "mallory", "17841405793187009")


def test_a_secret_without_the_label_allows_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.create("threads-token-mallory", labels={"managed-by": "somebody-else"})
    assert_a_stranger(sign_in(oauth, threads, "mallory"), manager, capsys, "mallory")


def test_a_bound_secret_that_has_lost_the_label_allows_nobody_and_does_not_get_it_back(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.set_labels(ALICE, {"threads-user-id": ALICE_ID})
    assert_a_stranger(sign_in(oauth, threads), manager, capsys)
    assert manager.labels(ALICE) == {"threads-user-id": ALICE_ID}


def test_a_service_account_that_may_not_see_a_secret_allows_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.deny(["GetSecret"])
    assert_a_stranger(sign_in(oauth, threads, "mallory"), manager, capsys, "mallory")


@pytest.mark.parametrize(
    "reason", ["SERVICE_DISABLED", "BILLING_DISABLED", "SECURITY_POLICY_VIOLATED", "CONSUMER_SUSPENDED"]
)
def test_a_project_that_google_refuses_is_a_mistake_of_the_operator_and_names_no_person(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    reason: str,
) -> None:
    manager.deny(["GetSecret"], reason=reason)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 500
    assert "not on the list" not in reply.text
    (line,) = logged(capsys)
    assert line["severity"] == "ERROR"
    assert reason in line["message"]
    assert_nothing_kept(manager)


def test_an_account_that_is_bound_to_another_id_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": "17841400000000000"})
    manager.calls.clear()
    reply = sign_in(oauth, threads)
    assert_a_stranger(reply, manager, capsys)
    assert "./deploy.sh forget" in reply.text  # to allow it, which it is already, would change nothing
    assert_nothing_kept(manager)


def test_a_person_whose_label_was_copied_to_another_secret_signs_in_to_their_own(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    manager.create("another-service", labels={**ACCOUNT_LABELS, "threads-user-id": ALICE_ID})
    threads.people.rename("alice", "alicia")
    manager.create("threads-token-alicia", labels=ACCOUNT_LABELS)
    assert sign_in(oauth, threads, "alicia").status_code == 303
    assert manager.states("another-service") == {}
    assert manager.states("threads-token-alicia") == {1: "ENABLED"}


def test_a_username_that_changed_hands_does_not_open_the_account(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    threads.people.hand_over("alice", "mallory")
    manager.calls.clear()
    capsys.readouterr()
    assert_a_stranger(sign_in(oauth, threads), manager, capsys)
    assert manager.payloads(ALICE) == {1: b"THalice-1"}
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID


def test_a_person_who_was_renamed_still_signs_in_to_their_own_secret(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    threads.people.rename("alice", "alicia")
    assert sign_in(oauth, threads, "alicia").status_code == 303
    assert len(manager.payloads(ALICE)) == 2
    assert manager.annotations(ALICE)["threads-username"] == "alice"  # the secret keeps the name that it was made for


def test_a_person_who_was_renamed_signs_in_to_their_secret_and_not_to_a_copy_of_it(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    manager.create("threads-token-alice-backup", labels=manager.labels(ALICE))
    threads.people.rename("alice", "alicia")
    assert sign_in(oauth, threads, "alicia").status_code == 303
    assert len(manager.payloads(ALICE)) == 2
    assert manager.states("threads-token-alice-backup") == {}


def test_a_person_who_was_renamed_does_not_take_a_secret_of_their_new_name(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    """A secret that is bound to the person comes first."""
    assert sign_in(oauth, threads).status_code == 303
    manager.create("threads-token-alicia", labels=ACCOUNT_LABELS)
    threads.people.rename("alice", "alicia")
    assert sign_in(oauth, threads, "alicia").status_code == 303
    assert len(manager.payloads(ALICE)) == 2
    assert manager.states("threads-token-alicia") == {}
    assert manager.labels("threads-token-alicia") == ACCOUNT_LABELS


@pytest.mark.parametrize("bound", [True, False])
def test_a_person_whose_name_threads_does_not_say_gets_in_where_their_id_is_bound(
    oauth: FlaskClient, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, bound: bool
) -> None:
    if bound:
        manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": ALICE_ID})
    with replies_of_threads(monkeypatch, me={"id": ALICE_ID}):
        state, _ = login(oauth)
        reply = get(oauth, f"/callback?code=c&state={state}")
    assert reply.status_code == (303 if bound else 403)
    assert manager.states(ALICE) == ({1: "ENABLED"} if bound else {})


def test_a_long_or_unprintable_name_is_shown_as_little_as_it_can_be(
    oauth: FlaskClient, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with replies_of_threads(monkeypatch, me={"id": ALICE_ID, "username": "a\x1b[31m\n" + "b" * 5000}):
        state, _ = login(oauth)
        reply = get(oauth, f"/callback?code=c&state={state}")
    assert reply.status_code == 403
    (line,) = logged(capsys)
    for told in (line["message"], reply.text):
        assert "b" * 40 in told
        assert "b" * 80 not in told
        assert "\x1b" not in told


# Usernames that a person may confuse with `alice`: in Cyrillic, with accents, in full width.
LOOK_ALIKES = ["\u0430lice", "al\u00edce", "\uff21LICE", "alice ", "alice\n", "al_ice", "alice.", ".alice"]


def test_a_username_that_looks_alike_is_another_one(
    oauth: FlaskClient, manager: SecretManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = "mallory"
    with LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET) as threads:
        monkeypatch.setenv("THREADS_API_URL", threads.url)
        monkeypatch.setenv("THREADS_AUTHORIZE_URL", f"{threads.url}/oauth/authorize")
        for username in [*LOOK_ALIKES, "dotted-name", "dotted_name", "../alice", "alice/versions/1", "a" * 200]:
            threads.people.rename(person, username)
            person = username
            assert sign_in(oauth, threads, username).status_code == 403, username
    assert not {"AddSecretVersion", "UpdateSecret"} & {method for method, _ in manager.calls}
