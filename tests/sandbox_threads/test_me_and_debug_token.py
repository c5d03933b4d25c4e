"""The calls that describe a person and a token, and the answers to every other address."""

from __future__ import annotations

import pytest
import requests

from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, debug, error, exchange_code, exchange_token, fresh_code, get, me, refresh


def test_me_gives_the_id_as_a_string_with_and_without_a_version(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("dotted.name")
    assert me(threads, token).json() == {"id": "17841405793187007", "username": "dotted.name"}
    assert get(threads, "/me", fields="username", access_token=token).json() == {"username": "dotted.name"}
    assert get(threads, "/me", access_token=token).json() == {"id": "17841405793187007"}
    assert error(get(threads, "/me", fields="shoe_size", access_token=token)) == (100, None)


def test_a_profile_has_the_documented_fields_and_leaves_out_what_it_has_not(threads: LocalThreads) -> None:
    names = "id,username,name,threads_profile_picture_url,threads_biography,is_verified"
    alice, dotted = (threads.tokens.issue_long_lived(name) for name in ("alice", "dotted.name"))
    profile = get(threads, "/v1.0/me", fields=names, access_token=alice).json()
    assert ",".join(profile) == names
    assert (profile["name"], profile["is_verified"]) == ("Alice Adams", False)
    picture = requests.get(profile["threads_profile_picture_url"], timeout=5)
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    plain = get(threads, "/v1.0/17841405793187007", fields=names, access_token=dotted)
    assert set(plain.json()) == {"id", "username", "is_verified"}
    assert get(threads, "/sandbox/pictures/17841405793187007.svg").status_code == 404


def test_another_persons_profile_does_not_exist(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    assert error(get(threads, "/17841405793187003", access_token=token)) == (100, 33)


def test_a_profile_wants_the_permission_and_the_grant(threads: LocalThreads) -> None:
    without = threads.tokens.issue_long_lived("alice", scopes=["threads_content_publish"])
    ended = threads.tokens.issue_long_lived("bob", grant_age=90 * DAY)
    for token in (without, ended):
        assert error(get(threads, "/me", access_token=token)) == (10, None)


def test_an_app_token_may_inspect_tokens_and_do_nothing_else(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    query = {"client_id": "1234567890", "client_secret": "sandbox-app-secret", "grant_type": "client_credentials"}
    issued = get(threads, "/oauth/access_token", **query).json()["access_token"]
    for app_token in ("TH|1234567890|sandbox-app-secret", issued):
        assert debug(threads, token, by=app_token).json()["data"]["is_valid"] is True
        assert error(me(threads, app_token)) == (190, None)
    assert error(debug(threads, token, by="TH|1234567890|another-secret")) == (190, None)


def test_debug_token_describes_both_clocks_and_what_was_granted(threads: LocalThreads) -> None:
    now = threads.clock.now().timestamp()
    token = exchange_token(
        threads, exchange_code(threads, fresh_code(threads, scopes=["threads_basic"])).json()["access_token"]
    ).json()["access_token"]
    data = debug(threads, token).json()["data"]
    assert data["is_valid"] is True
    assert data["type"] == "USER"
    assert data["scopes"] == ["threads_basic"]
    assert data["user_id"] == "17841405793187001"
    assert data["issued_at"] == pytest.approx(now, abs=5)
    assert data["expires_at"] == pytest.approx(now + 60 * 86400, abs=5)
    assert data["data_access_expires_at"] == pytest.approx(now + 90 * 86400, abs=5)
    threads.control.switches.debug_user_id_matches = False
    assert debug(threads, token).json()["data"]["user_id"] != "17841405793187001"


def test_an_expired_token_is_inspected_by_another_but_not_by_itself(threads: LocalThreads) -> None:
    expired = threads.tokens.issue_long_lived("alice", age=61 * DAY)
    assert error(debug(threads, expired)) == (190, 463)
    data = debug(threads, expired, by=threads.tokens.issue_long_lived("bob")).json()["data"]
    assert data["is_valid"] is False
    assert data["error"]["code"] == 190


def test_debug_token_may_refuse_where_the_token_is_fine(threads: LocalThreads) -> None:
    threads.control.switches.debug_works = False
    token = threads.tokens.issue_long_lived("alice")
    assert error(debug(threads, token)) == (10, None)
    assert me(threads, token).status_code == 200


def test_replies_may_be_wrapped(threads: LocalThreads) -> None:
    threads.control.switches.wrapped = True
    token = threads.tokens.issue_long_lived("alice", age=DAY)
    assert me(threads, token).json() == {"data": [{"id": "17841405793187001", "username": "alice"}]}
    assert refresh(threads, token).json()["data"][0]["access_token"] == "THalice-2"
    assert debug(threads, token).json()["data"][0]["is_valid"] is True


def test_other_addresses_and_methods_answer_404_and_405_as_json(threads: LocalThreads) -> None:
    nowhere = get(threads, "/v1.0/nowhere")
    assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "OAuthException")
    wrong = requests.post(threads.url + "/refresh_access_token", timeout=5)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, 100)
    assert "GET" in wrong.headers["Allow"]
