"""The page on which a person allows the app what it asks for, or cancels."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from sandbox.threads.answers import Answers
from sandbox.threads.parts import Parts

_SHOWN_AT_MOST = 30


def consent_page(parts: Parts, answers: Answers) -> Blueprint:
    """Return `/oauth/authorize`."""
    page = Blueprint("consent", __name__)

    @page.route("/oauth/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        rule = decide if request.method == "POST" else ask
        return answers.answer("authorize", "", rule, request.form.get("person"))

    def ask() -> Response:
        wanted, everybody = parts.api.authorization_request(request.args), list(parts.people)
        shown, more = everybody[:_SHOWN_AT_MOST], len(everybody) - _SHOWN_AT_MOST
        return make_response(render_template("consent.html", wanted=wanted, people=shown, more=more))

    def decide() -> Response:
        wanted = parts.api.authorization_request(request.args)
        if request.form.get("decision") != "continue":
            return Response(b"", 302, {"Location": parts.api.cancel(wanted)})
        person, scopes = request.form.get("person", ""), request.form.getlist("scope")
        return Response(b"", 302, {"Location": parts.api.consent(wanted, person, scopes)})

    return page
