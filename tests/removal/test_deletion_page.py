"""The page on which a person reads what became of a deletion."""

from __future__ import annotations

from flask.testing import FlaskClient

from sandbox.threads.server import LocalThreads
from tests.removal.signed import post


def test_a_deletion_code_that_was_changed_is_refused(oauth: FlaskClient, threads: LocalThreads) -> None:
    reply = post(oauth, "/delete", threads.signed_request("mallory"))
    assert reply.json is not None
    code = reply.json["confirmation_code"]
    assert oauth.get(f"/deletion?code={code}").status_code == 200
    for bad in ("", code[:-1], code + "A", code.lower(), code[::-1], "A" * 32, f"{code}%20", f"{code}&code={code}"):
        page = oauth.get(f"/deletion?code={bad}")
        assert page.status_code == 400, bad
        assert "deleted" not in page.text
