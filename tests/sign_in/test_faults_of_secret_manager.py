"""Secret Manager fails, or is changed by others, during a sign-in."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from grpc import StatusCode

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, ALICE_ID, BOB_ID, assert_nothing_kept, logged
from tests.support.app import ACCOUNT_LABELS
from tests.support.sign_in import sign_in


@pytest.mark.parametrize("method", ["GetSecret", "UpdateSecret", "AddSecretVersion"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_passing_fault_of_secret_manager_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, method: str, when: Any
) -> None:
    manager.fail(method, StatusCode.UNAVAILABLE, when)
    assert sign_in(oauth, threads).status_code == 303
    assert manager.newest(ALICE) == "THalice-1"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID
    assert manager.annotations(ALICE)["version"] == str(len(manager.states(ALICE)))


@pytest.mark.parametrize("method", ["UpdateSecret", "AddSecretVersion"])
def test_a_refusal_of_secret_manager_is_a_500_and_stores_no_token(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    manager.deny([method])
    reply = sign_in(oauth, threads)
    assert reply.status_code == 500
    assert "./deploy.sh check" in unescape(reply.text)
    assert [line["severity"] for line in logged(capsys)] == ["ERROR"]
    assert_nothing_kept(manager)


def test_a_sign_in_whose_dates_cannot_be_written_is_kept_and_says_so(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": ALICE_ID})
    manager.fail("UpdateSecret", StatusCode.ABORTED, times=9)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 303
    assert "could not be written beside the secret yet" in oauth.get(reply.headers["Location"]).text
    assert manager.newest(ALICE) == "THalice-1"


def test_two_people_who_sign_in_at_once_to_one_unbound_account_cannot_both_be_bound(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    changed = []

    def take_it(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and not changed:
            changed.append(True)
            manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": BOB_ID})

    manager.on_call = take_it
    assert sign_in(oauth, threads).status_code == 403
    assert manager.labels(ALICE)["threads-user-id"] == BOB_ID
    assert_nothing_kept(manager)


def test_a_label_that_changes_during_a_sign_in_is_kept(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    changes = iter([{"one": "1"}, {}, {"two": "2"}])  # before the binding, before its repetition, before the dates

    def change(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and (labels := next(changes, None)):
            manager.set_labels(ALICE, {**manager.labels(ALICE), **labels})

    manager.on_call = change
    assert sign_in(oauth, threads).status_code == 303
    assert manager.labels(ALICE).items() >= {"one": "1", "two": "2", "threads-user-id": ALICE_ID}.items()
    assert manager.annotations(ALICE)["version"] == "1"


@pytest.mark.parametrize("method", ["ListSecrets", "GetSecret", "UpdateSecret", "AddSecretVersion"])
def test_a_credential_that_is_late_does_not_fail_a_sign_in(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, method: str
) -> None:
    manager.fail(method, StatusCode.UNAUTHENTICATED)
    assert sign_in(oauth, threads).status_code == 303
    assert manager.states(ALICE) == {1: "ENABLED"}


def test_a_key_that_cannot_be_used_is_a_mistake_of_the_operator(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.fail("AddSecretVersion", StatusCode.FAILED_PRECONDITION, times=None)
    reply = sign_in(oauth, threads)
    assert reply.status_code == 500
    (line,) = logged(capsys)
    assert line["severity"] == "ERROR"
    assert "Enable or restore that key." in line["message"]
    assert_nothing_kept(manager)


@pytest.mark.parametrize(
    ("method", "code", "status"),
    [("UpdateSecret", StatusCode.UNAVAILABLE, 503), ("AddSecretVersion", StatusCode.PERMISSION_DENIED, 500)],
    ids=["passing", "refused"],
)
def test_a_sign_in_that_cannot_be_stored_names_its_person_on_the_page_and_in_the_log(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    method: str,
    code: StatusCode,
    status: int,
) -> None:
    threads.people.rename("alice", "e")  # a name that any message contains
    manager.create("threads-token-e", labels=ACCOUNT_LABELS)
    manager.fail(method, code, times=None)
    reply = sign_in(oauth, threads, "e")
    assert reply.status_code == status
    assert "You signed in to Threads as <strong>e</strong>." in reply.text
    (line,) = logged(capsys)
    assert line["username"] == "e"
    assert ("./deploy.sh check" in line["message"]) == (status == 500)
