"""The local Threads over HTTP: the consent page and the API. What is asked is checked in `sandbox.platform`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from sandbox.control import control_pages
from sandbox.misbehaviour import Rule, play, refusal_response, respond
from sandbox.refusals import REFUSALS

if TYPE_CHECKING:
    from sandbox.threads import LocalThreads

_SHOWN_AT_MOST = 30


def create_app(threads: LocalThreads, stopping: threading.Event) -> Flask:
    """Make the web app of this local Threads."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the documented samples
    platform = threads.platform

    def answer(call: str, username: str | None, rule: Rule) -> Response:
        fault = platform.arrive(call, username)
        if fault is None:
            return respond(rule)
        if fault.name == "another_person":
            return reply(platform.about_somebody_else(call, username))
        if fault.name == "short_lived" and username:
            return reply(platform.for_an_hour(username))
        return play(fault, rule, stopping)

    def reply(body: dict[str, Any]) -> Response:
        return jsonify({"data": [body.get("data", body)]} if platform.switches.wrapped else body)

    @app.route("/oauth/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        return answer("authorize", request.form.get("person"), decide if request.method == "POST" else ask)

    def ask() -> Response:
        wanted = platform.authorization_request(request.args)
        people = list(platform.people.values())
        return make_response(
            render_template(
                "consent.html", wanted=wanted, people=people[:_SHOWN_AT_MOST], more=len(people) - _SHOWN_AT_MOST
            )
        )

    def decide() -> Response:
        wanted = platform.authorization_request(request.args)
        if request.form.get("decision") != "continue":
            return Response(b"", 302, {"Location": platform.cancel(wanted)})
        person, scopes = request.form.get("person", ""), request.form.getlist("scope")
        return Response(b"", 302, {"Location": platform.consent(wanted, person, scopes)})

    @app.post("/oauth/access_token")
    def exchange_code() -> Response:
        owner = platform.owner(request.form.get("code", ""))
        return answer("exchange_code", owner, lambda: reply(platform.exchange_code(request.form)))

    @app.get("/oauth/access_token")
    def probe() -> Response:
        return answer("probe", None, lambda: reply(platform.probe(request.args)))

    @app.get("/access_token")
    def exchange_token() -> Response:
        return answer("exchange_token", bearer(), lambda: reply(platform.exchange_token(request.args)))

    @app.get("/refresh_access_token")
    def refresh() -> Response:
        return answer("refresh", bearer(), lambda: reply(platform.refresh(request.args)))

    @app.get("/me")
    @app.get("/v1.0/me")
    def me() -> Response:
        return answer("me", bearer(), lambda: reply(platform.me(request.args)))

    @app.get("/debug_token")
    @app.get("/v1.0/debug_token")
    def debug() -> Response:
        owner = platform.owner(request.args.get("input_token", ""))
        return answer("debug", owner, lambda: reply(platform.debug(request.args)))

    def bearer() -> str | None:
        return platform.owner(request.args.get("access_token", ""))

    @app.errorhandler(HTTPException)
    def no_such_call(error: HTTPException) -> Response:
        names = {404: "not_found", 405: "not_allowed"}
        response = refusal_response(REFUSALS[names.get(error.code or 500, "unknown_error")])
        response.status_code = error.code or 500
        if "Allow" in (allowed := error.get_response().headers):
            response.headers["Allow"] = allowed["Allow"]
        return response

    @app.after_request
    def keep_private(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        # Not no-referrer: a browser's form would then send `Origin: null`, which the control page refuses.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    app.register_blueprint(control_pages(threads))
    return app
