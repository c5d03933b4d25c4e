"""The page and the JSON API beside it that make time pass, things happen to people, and calls go wrong.

    curl -H 'Content-Type: application/json' -d '{"by": "60d"}' http://127.0.0.1:9100/sandbox/clock

The same addresses take the page's forms, and send the browser back to the page. No token is shown in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request

from sandbox.clock import parse_duration
from sandbox.threads.credentials import Token
from sandbox.threads.faults import CALLS, MANNERS, NEWEST, Fault
from sandbox.threads.parts import Parts
from sandbox.threads.person import Person
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.switches import Switches

_SHOWN_AT_MOST = 30
_FAULT = ("call", "fault", "times", "username")
_DETAILS = {one.name for one in fields(Fault)} - {"call", "name", "times", "username"}

EVENTS = {
    "remove_app": "Remove the app, without a callback",
    "change_password": "Change the password",
    "checkpoint": "Checkpoint",
    "revoke": "Invalidate the tokens",
    "make_private": "Make the profile private",
    "make_public": "Make the profile public",
    "accept_invite": "Accept the tester invite",
    "withdraw_invite": "Withdraw the tester invite",
    "uninstall": "Uninstall: remove the app, send the callback",
    "delete": "Delete: ask for deletion, send the callback",
    "rename": "Rename to …",
    "hand_over": "Hand the username over to …",
}


def control_page(parts: Parts) -> Blueprint:
    """Make `/sandbox` and what is below it."""
    pages = Blueprint("control", __name__)

    @pages.before_request
    def refuse_other_sites() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin not in (None, request.host_url.rstrip("/")):
            abort(403)

    @pages.get("/sandbox")
    def page() -> Response:
        return show()

    @pages.get("/sandbox/state")
    def state() -> Response:
        return jsonify(describe(parts))

    @pages.get("/sandbox/pictures/<user_id>.svg")
    def picture(user_id: str) -> Response:
        person = parts.people.by_id(user_id)
        if person is None or not person.has_picture:
            abort(404)
        return Response(render_template("picture.svg", letter=person.username[0]), mimetype="image/svg+xml")

    @pages.get("/sandbox/elsewhere")
    def elsewhere() -> Response:
        parts.control.calls.append(("elsewhere", None))
        return jsonify({"access_token": "TH-of-a-redirect", "token_type": "bearer", "expires_in": 5184000})

    @pages.post("/sandbox/clock")
    def clock() -> Response:
        return change(lambda given: move_clock(parts, given), "clock")

    @pages.post("/sandbox/faults")
    def faults() -> Response:
        return change(lambda given: set_fault(parts, given), "faults")

    @pages.post("/sandbox/switches")
    def switches() -> Response:
        return change(lambda given: turn_switches(parts, given), "switches")

    @pages.post("/sandbox/events")
    def events() -> Response:
        return change(lambda given: happen(parts, given), "people")

    def change(act: Callable[[dict[str, Any]], dict[str, Any]], section: str) -> Response:
        try:
            given = request.get_json() if request.is_json else _typed(request.form.to_dict())
            if not isinstance(given, dict):
                raise ValueError("a JSON object is wanted")
            done = act(given)
        except (ValueError, OverflowError) as error:
            return make_response(jsonify({"error": str(error)}), 400) if request.is_json else show(str(error), 400)
        return jsonify(done) if request.is_json else make_response(redirect(f"/sandbox#{section}", 303))

    def show(problem: str | None = None, status: int = 200) -> Response:
        html = render_template(
            "control.html",
            problem=problem,
            state=describe(parts, _SHOWN_AT_MOST),
            labels={one.name: one.metadata["label"] for one in fields(Switches)},
            calls=CALLS,
            manners=MANNERS,
            refusals=REFUSALS,
            events=EVENTS,
        )
        return make_response(html, status)

    return pages


def describe(parts: Parts, at_most: int | None = None) -> dict[str, Any]:
    """Give everything there is to know, no token in full."""
    people, held = list(parts.people), parts.tokens.by_username()
    return {
        "now": _text(parts.clock.now()),
        "app_id": parts.app.app_id,
        "redirect_uris": None if parts.app.redirect_uris is None else sorted(parts.app.redirect_uris),
        "callback_urls": parts.callbacks.urls,
        "people": [_about(one, held.get(one.username, []), parts.tokens.alive) for one in people[:at_most]],
        "people_in_all": len(people),
        "switches": asdict(parts.control.switches),
        "faults": [_shown(fault) for fault in parts.control.faults],
        "deliveries": [asdict(delivery) for delivery in list(parts.callbacks.deliveries)],
    }


def move_clock(parts: Parts, given: dict[str, Any]) -> dict[str, Any]:
    """Move the clock on: `{"by": "60d"}`."""
    return {"now": _text(parts.clock.forward(parse_duration(str(given.get("by", "")).strip())))}


def set_fault(parts: Parts, given: dict[str, Any]) -> dict[str, Any]:
    """Add a fault by the fields of `Fault`, its name as "fault", or remove all: `{"clear": true}`."""
    if given.get("clear"):
        parts.control.clear_faults()
    else:
        details = {name: value for name, value in given.items() if name not in _FAULT and value not in (None, "")}
        _check_names(given, {*_FAULT, *_DETAILS})
        call, name = str(given.get("call")), str(given.get("fault"))
        parts.control.fail(call, name, given.get("times", 1), given.get("username") or None, **details)
    return {"faults": [_shown(fault) for fault in parts.control.faults]}


def _shown(fault: Fault) -> dict[str, Any]:
    """Return the fault as JSON; of a token only its last four characters, as everywhere here."""
    return asdict(fault) | {"token": fault.token if fault.token in (None, NEWEST) else str(fault.token)[-4:]}


def turn_switches(parts: Parts, given: dict[str, Any]) -> dict[str, Any]:
    """Set switches: `{"same_string": true}`. In a form, a box that is not ticked is a switch that is off."""
    if not request.is_json:
        boxes = {one.name for one in fields(Switches) if isinstance(one.default, bool)}
        given = {name: value for name, value in given.items() if name not in boxes} | {
            name: name in given for name in boxes
        }
    parts.control.turn(given)
    return {"switches": asdict(parts.control.switches)}


def happen(parts: Parts, given: dict[str, Any]) -> dict[str, Any]:
    """Let something happen to somebody: `{"event": "rename", "username": "alice", "to": "alicia"}`."""
    _check_names(given, {"event", "username", "to"})
    people, event = parts.people, str(given.get("event"))
    username, to = str(given.get("username", "")).strip(), str(given.get("to") or "").strip()
    acts: dict[str, Callable[[], Any]] = {
        "remove_app": lambda: people.remove_app(username),
        "change_password": lambda: people.change_password(username),
        "checkpoint": lambda: people.checkpoint(username),
        "revoke": lambda: people.revoke(username),
        "rename": lambda: people.rename(username, to),
        "hand_over": lambda: people.hand_over(username, to),
        "make_private": lambda: people.set_private(username, True),
        "make_public": lambda: people.set_private(username, False),
        "accept_invite": lambda: people.set_accepted(username, True),
        "withdraw_invite": lambda: people.set_accepted(username, False),
        "uninstall": lambda: asdict(parts.callbacks.send("uninstall", username, to or None)),
        "delete": lambda: asdict(parts.callbacks.send("delete", username, to or None)),
        "add_person": lambda: people.add(username),
    }
    if event not in acts:
        raise ValueError(f"no event is called {event!r}; there are: {', '.join(acts)}")
    outcome = acts[event]()
    return {"event": event, "username": username} | ({"delivery": outcome} if isinstance(outcome, dict) else {})


def _about(person: Person, tokens: list[Token], alive: Callable[[str], bool]) -> dict[str, Any]:
    return {
        "username": person.username,
        "id": person.id,
        "private": person.private,
        "accepted": person.accepted,
        "about": person.about,
        "scopes": person.grant.scopes if person.grant else [],
        "grant_expires_at": _text(person.grant.expires_at) if person.grant else None,
        "tokens": [
            {
                "ends_with": token.value[-4:],
                "long_lived": token.long_lived,
                "issued_at": _text(token.issued_at),
                "expires_at": _text(token.expires_at),
                "alive": alive(token.value),
                "dead": token.dead,
            }
            for token in reversed(tokens)
        ],
    }


def _typed(form: dict[str, str]) -> dict[str, Any]:
    """Give a form's fields the types that JSON has; an empty `times` is for good."""
    numbers = {
        "times",
        "shape",
        "status",
        "code",
        "subcode",
        *(one.name for one in fields(Switches) if type(one.default) is int),
    }
    typed: dict[str, Any] = dict(form)
    for name in numbers & form.keys():
        if form[name] and not form[name].isdecimal():
            raise ValueError(f"{name} must be a whole number")
        typed[name] = int(form[name]) if form[name] else None
    if form.get("seconds"):
        typed["seconds"] = float(form["seconds"])
    return typed


def _check_names(given: dict[str, Any], known: set[str]) -> None:
    if unknown := given.keys() - known:
        raise ValueError(f"not understood: {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
