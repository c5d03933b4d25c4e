"""An account that is not allowed is refused, and its name is shown nowhere."""

from __future__ import annotations

from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import ALICE, ALICE_ID, assert_nothing_kept
from tests.support.app import ACCOUNT_LABELS, APP_ID, APP_SECRET
from tests.support.sign_in import sign_in


def assert_a_stranger(
    reply: TestResponse, manager: SecretManager, capsys: pytest.CaptureFixture[str], *names: str
) -> None:
    assert reply.status_code == 403
    assert "./deploy.sh account" in reply.text
    assert not {"AddSecretVersion", "UpdateSecret", "CreateSecret"} & {method for method, _ in manager.calls}
    out, err = capsys.readouterr()
    assert "403" in out + err or "not kept here" in out
    for name in names:
        assert name not in out + err
        assert name not in unescape(reply.text)


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


def test_a_service_account_that_may_not_see_a_secret_allows_nobody(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.deny(["GetSecret"])
    assert_a_stranger(sign_in(oauth, threads, "mallory"), manager, capsys, "mallory")


def test_an_account_that_is_bound_to_another_id_is_refused(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.set_labels(ALICE, {**ACCOUNT_LABELS, "threads-user-id": "17841400000000000"})
    manager.calls.clear()
    assert_a_stranger(sign_in(oauth, threads), manager, capsys, ALICE_ID)
    assert_nothing_kept(manager)


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
