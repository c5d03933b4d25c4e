"""The control page and its JSON addresses: they move the clock, change people, and make calls fail.

    curl -H 'Content-Type: application/json' -d '{"by": "60d"}' http://127.0.0.1:9100/sandbox/clock

The same addresses take the page's forms, and send the browser back to the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request

from sandbox.threads.commands import EVENTS, Commands
from sandbox.threads.faults import CALL_NAMES, MANNERS
from sandbox.threads.forms import typed, typed_switches
from sandbox.threads.parts import Parts
from sandbox.threads.refusals import GROUPS
from sandbox.threads.state import describe
from sandbox.threads.switches import Switches

_SHOWN_AT_MOST = 30
Command = Callable[[dict[str, Any]], dict[str, Any]]


class ControlPage:
    """`/sandbox` and what is below it."""

    def __init__(self, parts: Parts) -> None:
        self._parts, commands = parts, Commands(parts)
        # For each address: its command, and the part of the page that the browser is sent back to.
        self._commands: dict[str, tuple[Command, str]] = {
            "clock": (commands.move_clock, "clock"),
            "faults": (commands.set_fault, "faults"),
            "switches": (commands.turn_switches, "switches"),
            "events": (commands.happen, "people"),
            "redirect-uris": (commands.add_redirect_uri, "app"),
            "refresh": (commands.refresh, "keeper"),
        }

    def blueprint(self) -> Blueprint:
        pages = Blueprint("control", __name__)
        pages.before_request(_refuse_other_sites)
        pages.add_url_rule("/sandbox", "page", self._show)
        pages.add_url_rule("/sandbox/state", "state", lambda: jsonify(describe(self._parts)))
        pages.add_url_rule("/sandbox/style.css", "style", _style)
        pages.add_url_rule("/sandbox/pictures/<user_id>.svg", "picture", self._picture)
        pages.add_url_rule("/sandbox/elsewhere", "elsewhere", self._elsewhere)
        pages.add_url_rule("/sandbox/<name>", "change", self._change, methods=["POST"])
        return pages

    def _change(self, name: str) -> Response:
        if name not in self._commands:
            abort(404)
        act, section = self._commands[name]
        try:
            done = act(_given(name))
        except (ValueError, OverflowError) as error:
            if request.is_json:
                return make_response(jsonify({"error": str(error)}), 400)
            return self._show(str(error), name, 400)
        return jsonify(done) if request.is_json else make_response(redirect(f"/sandbox#{section}", 303))

    def _show(self, problem: str = "", wrong: str | None = None, status: int = 200) -> Response:
        """Return the page; `wrong` is the address whose form was refused, which then keeps what was typed."""
        html = render_template(
            "control.html",
            problem=problem,
            wrong=wrong,
            kept={name: request.form.to_dict() if name == wrong else {} for name in self._commands},
            state=describe(self._parts, _SHOWN_AT_MOST),
            app_secret=self._parts.app.app_secret,
            labels={one.name: one.metadata["label"] for one in fields(Switches)},
            calls=CALL_NAMES,
            manners=MANNERS,
            groups=GROUPS,
            events=EVENTS,
        )
        return make_response(html, status)

    def _picture(self, user_id: str) -> Response:
        person = self._parts.people.by_id(user_id)
        if person is None or not person.has_picture:
            abort(404)
        return Response(render_template("picture.svg", letter=person.username[0]), mimetype="image/svg+xml")

    def _elsewhere(self) -> Response:
        """Answer a client that follows the redirect of a fault, and record the call."""
        self._parts.control.calls.append(("elsewhere", None))
        return jsonify({"access_token": "TH-of-a-redirect", "token_type": "bearer", "expires_in": 5184000})


def _given(name: str) -> dict[str, Any]:
    if not request.is_json:
        return typed_switches(request.form) if name == "switches" else typed(request.form.to_dict())
    given = request.get_json()
    if not isinstance(given, dict):
        raise ValueError("a JSON object is wanted")
    return given


def _refuse_other_sites() -> None:
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin not in (None, request.host_url.rstrip("/")):
        abort(403)


def _style() -> Response:
    return Response(render_template("style.css"), mimetype="text/css")
