"""Where the parameters of a call may stand, and how its path may be written."""

from __future__ import annotations

import pytest
import requests

from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, CALLBACK, DAY, SECRET, error, fresh_code, get

ALICE_ID = "17841405793187001"
CODE_EXCHANGE = {
    "client_id": APP,
    "client_secret": SECRET,
    "grant_type": "authorization_code",
    "redirect_uri": CALLBACK,
}


@pytest.mark.parametrize("path", ["/me", "/me/", "/v1.0/me", "/v1.0/me/", f"/{ALICE_ID}", f"/v1.0/{ALICE_ID}/"])
def test_a_path_may_have_a_version_and_a_slash_at_its_end(threads: LocalThreads, path: str) -> None:
    token = threads.tokens.issue_long_lived("alice")
    assert get(threads, path, access_token=token).json() == {"id": ALICE_ID}


@pytest.mark.parametrize("path", ["/v2.0/me", "/v1.0", "/v1.0/v1.0/me", "/meme"])
def test_another_path_is_not_found(threads: LocalThreads, path: str) -> None:
    token = threads.tokens.issue_long_lived("alice")
    assert get(threads, path, access_token=token).status_code == 404


@pytest.mark.parametrize("path", ["/refresh_access_token", "/v1.0/refresh_access_token/"])
def test_the_token_may_stand_in_a_bearer_header(threads: LocalThreads, path: str) -> None:
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    url, query = threads.url + path, {"grant_type": "th_refresh_token"}
    reply = requests.get(url, params=query, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert reply.json()["access_token"] == "THalice-2"
    assert threads.control.calls[-1] == ("refresh", "alice")
    wrong = requests.get(url, params=query, headers={"Authorization": "Bearer THunknown"}, timeout=5)
    assert error(wrong) == (190, None)


def test_the_code_exchange_takes_a_form_or_a_query(threads: LocalThreads) -> None:
    for where in ("data", "params"):
        whole = CODE_EXCHANGE | {"code": fresh_code(threads)}
        reply = requests.post(threads.url + "/oauth/access_token", timeout=5, **{where: whole})
        assert reply.json()["user_id"] == int(ALICE_ID), where


def exchanges(threads: LocalThreads) -> dict[str, int]:
    """Return the status of each way to exchange a code that Meta does not document."""
    url = threads.url + "/oauth/access_token"
    codes = [fresh_code(threads) for _ in range(3)]
    named = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    return {
        "json": requests.post(url, json=CODE_EXCHANGE | {"code": codes[0]}, timeout=5).status_code,
        "basic": requests.post(url, data=named | {"code": codes[1]}, auth=(APP, SECRET), timeout=5).status_code,
        "get": requests.get(url, params=CODE_EXCHANGE | {"code": codes[2]}, timeout=5).status_code,
    }


def test_what_meta_does_not_document_is_refused_unless_it_is_switched_on(threads: LocalThreads) -> None:
    assert exchanges(threads) == {"json": 400, "basic": 400, "get": 400}
    threads.control.turn({"lenient": True})
    assert exchanges(threads) == {"json": 200, "basic": 200, "get": 200}
    query = {"client_id": APP, "client_secret": SECRET, "grant_type": "client_credentials"}
    assert get(threads, "/oauth/access_token", **query).json()["access_token"].startswith(f"TH|{APP}|")
    wrong = requests.post(threads.url + "/oauth/access_token", json=["not", "an", "object"], timeout=5)
    assert wrong.status_code == 400
