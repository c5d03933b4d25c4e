"""The local Threads over HTTP: the consent page, the API, the control page, and what all their replies have."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from sandbox.threads.answers import Answers
from sandbox.threads.consent_page import consent_page
from sandbox.threads.control_page import ControlPage
from sandbox.threads.endpoints import Endpoints
from sandbox.threads.misbehaviour import refusal_response
from sandbox.threads.parts import Parts
from sandbox.threads.paths import Paths
from sandbox.threads.refusals import REFUSALS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
_NAMES = {404: "not_found", 405: "not_allowed"}


class _Id(BaseConverter):
    regex = "[0-9]+"


class _User(BaseConverter):
    regex = "me|[0-9]+"


def create_app(parts: Parts, stopping: threading.Event) -> WSGIApplication:
    """Return the web app of this local Threads."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the documented samples
    app.url_map.converters |= {"id": _Id, "user": _User}
    answers = Answers(parts, stopping)
    app.register_blueprint(consent_page(parts, answers))
    app.register_blueprint(Endpoints(parts, answers).blueprint())
    app.register_blueprint(ControlPage(parts).blueprint())
    app.register_error_handler(HTTPException, _no_such_call)
    app.after_request(_keep_private)
    return Paths(cast("WSGIApplication", app))


def _no_such_call(error: HTTPException) -> Response:
    response = refusal_response(REFUSALS[_NAMES.get(error.code or 500, "unknown_error")])
    response.status_code = error.code or 500
    if "Allow" in (allowed := error.get_response().headers):
        response.headers["Allow"] = allowed["Allow"]
    return response


def _keep_private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    # Not no-referrer: a browser's form would then send `Origin: null`, which the control page refuses.
    response.headers["Referrer-Policy"] = "same-origin"
    # Not on the consent page: browsers would refuse to follow its redirect to the app.
    form_action = "; form-action 'self'" if request.path.startswith("/sandbox") else ""
    response.headers["Content-Security-Policy"] = _POLICY + form_action
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
