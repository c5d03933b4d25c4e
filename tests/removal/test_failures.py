"""A removal that Secret Manager prevents is reported, and its repetition completes it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from grpc import StatusCode

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE, ALICE_ID, post
from tests.support.app import ACCOUNT_LABELS
from tests.support.sign_in import sign_in


@pytest.mark.parametrize("method", ["ListSecrets", "ListSecretVersions", "DestroySecretVersion", "UpdateSecret"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_passing_fault_is_tried_again(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock, method: str, when: Any
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    manager.fail(method, StatusCode.UNAVAILABLE, when)
    request = threads.signed_request("alice")
    reply = post(oauth, "/delete", request)
    if reply.status_code != 200:  # a lost reply to the last step looks like a change by others
        assert reply.status_code == 503
        assert post(oauth, "/delete", request).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED"}
    assert manager.labels(ALICE) == ACCOUNT_LABELS
    assert manager.annotations(ALICE) == {}


def test_a_removal_that_stops_half_way_is_503_and_its_repetition_completes_it(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    for _ in range(3):
        sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    request = threads.signed_request("alice")
    manager.fail("DestroySecretVersion", StatusCode.UNAVAILABLE, times=99, match="versions/2")
    reply = post(oauth, "/delete", request)
    assert reply.status_code == 503
    assert reply.json is not None
    assert reply.json.keys() == {"error"}
    assert manager.states(ALICE)[2] == "ENABLED"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID  # Meta's next request finds the account by this label
    manager.heal()
    assert post(oauth, "/delete", request).status_code == 200
    assert set(manager.states(ALICE).values()) == {"DESTROYED"}
    assert manager.labels(ALICE) == ACCOUNT_LABELS


def test_a_version_that_could_not_be_destroyed_is_never_called_destroyed(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    manager.fail("DestroySecretVersion", StatusCode.ABORTED)
    reply = post(oauth, "/uninstall", threads.signed_request("alice"))
    assert (reply.status_code, manager.states(ALICE)) in [(200, {1: "DESTROYED"}), (503, {1: "ENABLED"})]


@pytest.mark.parametrize("code", [StatusCode.FAILED_PRECONDITION, StatusCode.NOT_FOUND], ids=lambda code: code.name)
def test_a_version_that_secret_manager_does_not_destroy_is_never_called_destroyed(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    code: StatusCode,
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    capsys.readouterr()
    manager.fail("DestroySecretVersion", code, times=None)
    for path in ("/uninstall", "/delete"):
        reply = post(oauth, path, threads.signed_request("alice"))
        assert reply.status_code == 503
        assert reply.json is not None
        assert reply.json.keys() == {"error"}
        line = json.loads(capsys.readouterr().out)
        assert (line["severity"], line["username"]) == ("ERROR", "alice")
        assert "Run `./deploy.sh check`" in line["message"]
    assert manager.states(ALICE) == {1: "ENABLED"}
    assert manager.annotations(ALICE)["version"] == "1"
    assert manager.labels(ALICE)["threads-user-id"] == ALICE_ID
    manager.heal()
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.states(ALICE) == {1: "DESTROYED"}


@pytest.mark.parametrize("method", ["ListSecrets", "ListSecretVersions", "DestroySecretVersion", "UpdateSecret"])
def test_a_right_that_is_missing_is_an_error_that_the_operator_mends(
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    capsys.readouterr()
    manager.deny([method])
    reply = post(oauth, "/delete", threads.signed_request("alice"))
    assert reply.status_code in (500, 503)
    assert '"severity": "ERROR"' in capsys.readouterr().out
    manager.deny([])
    assert post(oauth, "/delete", threads.signed_request("alice")).status_code == 200
    assert manager.labels(ALICE) == ACCOUNT_LABELS


def test_what_changes_during_a_removal_is_not_lost(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    sign_in(oauth, threads)
    clock.forward(timedelta(seconds=2))
    changed = []

    def change(method: str, resource: str, when: str) -> None:
        if (method, when) == ("UpdateSecret", "before") and not changed:
            changed.append(True)
            manager.set_labels(ALICE, {**manager.labels(ALICE), "team": "press"})

    manager.on_call = change
    request = threads.signed_request("alice")
    if post(oauth, "/delete", request).status_code == 503:
        assert post(oauth, "/delete", request).status_code == 200
    assert manager.labels(ALICE) == {**ACCOUNT_LABELS, "team": "press"}
