"""Requests to the public function."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import quote, unquote

from fuzz.target import ENVIRON, SENTINEL, Test

METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE")


def make_http() -> Test:
    """Send any request to the public function. None has a valid `state`, so none may sign in."""
    import os

    os.environ.update(ENVIRON)
    import flask

    import main

    app = flask.Flask("fuzz")
    names = {"path": ""}
    for rule, defaults in (("/", names), ("/<path:path>", None)):
        app.add_url_rule(
            rule,
            endpoint=rule,
            defaults=defaults,
            methods=METHODS,
            view_func=lambda path: main.oauth(flask.request._get_current_object()),  # type: ignore[attr-defined]
        )
    app.testing = True  # so that an unexpected error comes out
    client = app.test_client(use_cookies=False)

    def test(data: bytes) -> None:
        method, environ, body = _request(data)
        reply = client.open("/", method=method, data=body, environ_overrides=environ)
        assert reply.status_code < 500 or reply.status_code == 413, reply.status
        assert reply.status_code != 303, "somebody was let in"
        assert SENTINEL not in reply.text + str(reply.headers), "a reply shows the app secret"

    return test


def _request(data: bytes) -> tuple[str, dict[str, Any], bytes]:
    """Return the method, the environment and the body that these bytes spell."""
    line, _, rest = data.partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    method, _, target = line.decode("latin-1").partition(" ")
    path, _, query = quote(target, safe=string.printable).partition("?")  # gunicorn takes ASCII only there
    environ: dict[str, Any] = {"QUERY_STRING": query, "PATH_INFO": unquote("/" + path, "latin-1")}
    for name, found, value in (part.partition(": ") for part in head.decode("latin-1").split("\n")):
        key = name.upper().replace("-", "_")
        if found:
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return method if method in METHODS else "GET", environ, body
