"""A sign-in as a browser does it: the consent page of the local Threads, and the whole way from /login."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox.threads.server import LocalThreads
from tests.support.app import PUBLIC_URL


def consent(
    threads: LocalThreads,
    location: str,
    person: str = "alice",
    scopes: Sequence[str] = ("threads_basic", "threads_content_publish"),
    decision: str = "continue",
) -> str:
    """Decide on the local consent page as this person, and return the path and query that the browser is sent to."""
    form = {"person": person, "decision": decision, "scope": list(scopes)}
    with requests.Session() as browser:
        browser.trust_env = False
        reply = browser.post(location, data=form, allow_redirects=False, timeout=10)
    assert reply.status_code == 302, reply.text
    back = urlsplit(reply.headers["Location"])
    return f"{back.path}?{back.query}"


def sign_in(oauth: FlaskClient, threads: LocalThreads, person: str = "alice", **how: Any) -> TestResponse:
    """Sign in, from /login to the callback, and return the callback's reply."""
    location = oauth.get("/login", base_url=PUBLIC_URL).headers["Location"]
    return oauth.get(consent(threads, location, person, **how), base_url=PUBLIC_URL)
