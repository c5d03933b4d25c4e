"""A request that Meta did not sign changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE, ALICE_ID, GOOD, VECTOR, signed
from tests.support.app import APP_SECRET, PUBLIC_URL
from tests.support.sign_in import sign_in


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_request_that_meta_did_not_sign_changes_nothing(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, path: str
) -> None:
    assert sign_in(oauth, threads).status_code == 303
    before = manager.annotations(ALICE)
    manager.calls.clear()
    good = threads.signed_request("alice")
    forms: list[Any] = [
        {},
        {"signed_request": ""},
        {"signed_request": good[:-2]},
        {"signed_request": VECTOR},
        {"signed_request": [good, good]},
        {"signed_request": signed(GOOD | {"user_id": ALICE_ID}, "another")},
        {"signed_request": signed({"algorithm": "HMAC-SHA256", "user_id": ALICE_ID}, APP_SECRET)},
        {"Signed_Request": good},
    ]
    for form in forms:
        reply = oauth.post(path, data=form, base_url=PUBLIC_URL)
        assert reply.status_code == 400, form
        assert reply.json is not None
        assert reply.json.keys() == {"error"}
    for reply in (
        oauth.post(f"{path}?signed_request={good}", base_url=PUBLIC_URL),
        oauth.post(path, json={"signed_request": good}, base_url=PUBLIC_URL),
    ):
        assert reply.status_code == 400
    assert oauth.get(f"{path}?signed_request={good}", base_url=PUBLIC_URL).status_code == 405
    assert manager.calls == []
    assert manager.states(ALICE) == {1: "ENABLED"}
    assert manager.annotations(ALICE) == before
