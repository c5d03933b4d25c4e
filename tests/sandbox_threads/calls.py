"""The calls to the local Threads that its tests share. URLs and replies are written out from Meta's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from sandbox.threads.server import LocalThreads

APP = "1234567890"
SECRET = "sandbox-app-secret"
CALLBACK = "http://127.0.0.1:8080/callback"
DAY = timedelta(days=1)


def get(threads: LocalThreads, path: str, **query: Any) -> requests.Response:
    return requests.get(threads.url + path, params=query, timeout=5, allow_redirects=False)


def refresh(threads: LocalThreads, token: str) -> requests.Response:
    return get(threads, "/refresh_access_token", grant_type="th_refresh_token", access_token=token)


def me(threads: LocalThreads, token: str) -> requests.Response:
    return get(threads, "/v1.0/me", fields="id,username", access_token=token)


def debug(threads: LocalThreads, token: str, by: str | None = None) -> requests.Response:
    return get(threads, "/v1.0/debug_token", access_token=by or token, input_token=token)


def exchange_token(threads: LocalThreads, token: str, secret: str = SECRET) -> requests.Response:
    query = {"grant_type": "th_exchange_token", "client_secret": secret, "access_token": token}
    return get(threads, "/access_token", **query)


def exchange_code(threads: LocalThreads, code: str, /, **changes: str) -> requests.Response:
    form = {
        "client_id": APP,
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": code,
    }
    return requests.post(threads.url + "/oauth/access_token", data=form | changes, timeout=5)


def authorize_url(threads: LocalThreads, **changes: str | None) -> str:
    query = {
        "client_id": APP,
        "redirect_uri": CALLBACK,
        "scope": "threads_basic,threads_content_publish",
        "response_type": "code",
        "state": "s t&te",
    }
    wanted = {name: value for name, value in (query | changes).items() if value is not None}
    return f"{threads.url}/oauth/authorize?{urlencode(wanted)}"


def decide(url: str, person: str = "alice", decision: str = "continue", scopes: list[str] | None = None) -> Any:
    form = {
        "person": person,
        "decision": decision,
        "scope": ["threads_basic", "threads_content_publish"] if scopes is None else scopes,
    }
    return requests.post(url, data=form, timeout=5, allow_redirects=False)


def fresh_code(threads: LocalThreads, person: str = "alice", scopes: list[str] | None = None) -> str:
    location = decide(authorize_url(threads), person, scopes=scopes).headers["Location"]
    return parse_qs(urlsplit(location).query)["code"][0]


def error(reply: requests.Response) -> tuple[int, int | None]:
    body = reply.json()["error"]
    assert reply.status_code == 400
    return body["code"], body.get("error_subcode")


def call_all(threads: LocalThreads) -> dict[str, int]:
    token, short = threads.tokens.issue_long_lived("alice", age=DAY), threads.tokens.issue_short_lived("alice")
    code = threads.tokens.issue_code("alice", CALLBACK)
    query = {"client_id": APP, "client_secret": SECRET, "grant_type": "client_credentials"}
    return {
        "authorize": requests.get(authorize_url(threads), timeout=5).status_code,
        "exchange_code": exchange_code(threads, code).status_code,
        "exchange_token": exchange_token(threads, short).status_code,
        "refresh": refresh(threads, token).status_code,
        "me": me(threads, token).status_code,
        "debug": debug(threads, token).status_code,
        "probe": get(threads, "/oauth/access_token", **query).status_code,
    }
