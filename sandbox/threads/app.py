"""The local Threads over HTTP: the consent page and the API. What is asked is checked in `sandbox.threads.api`."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from sandbox.threads.control_page import control_page
from sandbox.threads.misbehaviour import Rule, play, refusal_response, respond
from sandbox.threads.parts import Parts
from sandbox.threads.refusals import REFUSALS

_SHOWN_AT_MOST = 30


def create_app(parts: Parts, stopping: threading.Event) -> Flask:
    """Return the web app of this local Threads."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the documented samples
    api, control, people, tokens = parts.api, parts.control, parts.people, parts.tokens

    def answer(call: str, username: str | None, rule: Rule) -> Response:
        fault = control.arrive(call, username)
        if fault is None:
            return respond(rule)
        if fault.name == "another_person":
            return reply(parts.false_replies.about_somebody_else(call, username))
        if fault.name == "short_lived" and username:
            return reply(parts.false_replies.for_an_hour(username))
        return play(fault, rule, stopping)

    def reply(body: dict[str, Any]) -> Response:
        return jsonify({"data": [body.get("data", body)]} if control.switches.wrapped else body)

    @app.route("/oauth/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        return answer("authorize", request.form.get("person"), decide if request.method == "POST" else ask)

    def ask() -> Response:
        wanted = api.authorization_request(request.args)
        everybody = list(people)
        return make_response(
            render_template(
                "consent.html", wanted=wanted, people=everybody[:_SHOWN_AT_MOST], more=len(everybody) - _SHOWN_AT_MOST
            )
        )

    def decide() -> Response:
        wanted = api.authorization_request(request.args)
        if request.form.get("decision") != "continue":
            return Response(b"", 302, {"Location": api.cancel(wanted)})
        person, scopes = request.form.get("person", ""), request.form.getlist("scope")
        return Response(b"", 302, {"Location": api.consent(wanted, person, scopes)})

    @app.post("/oauth/access_token")
    def exchange_code() -> Response:
        owner = tokens.owner(request.form.get("code", ""))
        return answer("exchange_code", owner, lambda: reply(api.exchange_code(request.form)))

    @app.get("/oauth/access_token")
    def probe() -> Response:
        return answer("probe", None, lambda: reply(api.probe(request.args)))

    @app.get("/access_token")
    def exchange_token() -> Response:
        return answer("exchange_token", bearer(), lambda: reply(api.exchange_token(request.args)))

    @app.get("/refresh_access_token")
    def refresh() -> Response:
        return answer("refresh", bearer(), lambda: reply(api.refresh(request.args)))

    @app.get("/me")
    @app.get("/v1.0/me")
    def me() -> Response:
        return answer("me", bearer(), lambda: reply(api.me(request.args)))

    @app.get("/debug_token")
    @app.get("/v1.0/debug_token")
    def debug() -> Response:
        owner = tokens.owner(request.args.get("input_token", ""))
        return answer("debug", owner, lambda: reply(api.debug(request.args)))

    def bearer() -> str | None:
        return tokens.owner(request.args.get("access_token", ""))

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

    app.register_blueprint(control_page(parts))
    return app
