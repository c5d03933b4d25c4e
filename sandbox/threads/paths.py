"""The API's paths as clients write them: with a version or without, with a slash at the end or without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

VERSION = "/v1.0"


class Paths:
    """A WSGI application that leads `/v1.0/me/` to what answers `/me`."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        plain = path.removeprefix(VERSION) if path.startswith(VERSION + "/") else path
        return self._app(environ | {"PATH_INFO": plain.rstrip("/") or "/"}, start_response)
