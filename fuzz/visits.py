"""What comes by HTTP: requests and cookies of anybody."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from fuzz.support import ENVIRON, SENTINEL, Test, mutated


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
            methods=["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"],
            view_func=lambda path: main.oauth(flask.request._get_current_object()),  # type: ignore[attr-defined]
        )
    app.testing = True  # so that an unexpected error comes out
    client = app.test_client(use_cookies=False)

    def test(data: bytes) -> None:
        line, _, rest = data.partition(b"\n")
        head, _, body = rest.partition(b"\n\n")
        method, _, target = line.decode("latin-1").partition(" ")
        path, _, query = quote(target, safe=string.printable).partition("?")  # gunicorn takes ASCII only there
        headers = [tuple(part.split(": ", 1)) for part in head.decode("latin-1").split("\n") if ": " in part]
        environ: dict[str, Any] = {"QUERY_STRING": query, "PATH_INFO": unquote("/" + path, "latin-1")}
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        known = method if method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE") else "GET"
        reply = client.open("/", method=known, data=body, environ_overrides=environ)
        ahead = b"purpose" in head.lower() or b"x-moz" in head.lower()  # what is asked ahead of a person is a 503
        assert reply.status_code < 500 or (reply.status_code == 503 and ahead), reply.status
        assert reply.status_code != 303, "somebody was let in"
        assert SENTINEL not in reply.text + str(reply.headers), "a reply shows the app secret"

    return test


def make_cookie() -> Test:
    """Any cookies beside a genuine `state`: only the one that it was made with ends its sign-in."""
    import os

    os.environ.update(ENVIRON)
    import flask

    import main
    from token_keeper.settings import OAuthSettings
    from token_keeper.sign_in import make_state, short_hash

    app = flask.Flask("fuzz")
    view = app.route("/callback")
    view(lambda: main.oauth(flask.request._get_current_object()))  # type: ignore[attr-defined]
    app.testing = True
    client = app.test_client(use_cookies=False)
    settings = OAuthSettings.from_environ(ENVIRON)

    def test(data: bytes) -> None:
        state = make_state(settings, datetime.now(UTC))
        genuine = f"__Host-threads-state-{short_hash(state)}={state}"
        header = mutated(genuine, data).encode("utf-8", "replace").decode("latin-1")
        reply = client.get(f"/callback?state={state}", headers={"Cookie": header.translate(_NO_LINE_ENDS)})
        assert reply.status_code == 400, reply.status
        if "Set-Cookie" in reply.headers:
            assert state in header, "a sign-in was ended by another browser"

    return test


_NO_LINE_ENDS = dict.fromkeys(map(ord, "\r\n\0"), " ")
