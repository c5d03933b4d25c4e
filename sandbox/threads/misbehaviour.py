"""Plays a fault over HTTP, down to the socket: a late, cut, slow, missing or wrong reply."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, jsonify, request

from sandbox.threads.faults import Fault
from sandbox.threads.refusals import Refusal, Refused

Rule = Callable[[], Response]
_PAGE = "<!doctype html><title>Local Threads</title><h1>Something went wrong</h1>"


def refusal_response(refusal: Refusal) -> Response:
    """Return an error as the API writes it, and, for some errors, the consent page."""
    response = jsonify(refusal.body())
    response.status_code = refusal.status
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def respond(rule: Rule) -> Response:
    """Answer by the rule, or with its refusal."""
    try:
        return rule()
    except Refused as no:
        return refusal_response(no.refusal)


def play(fault: Fault, rule: Rule, stopping: threading.Event) -> Response:
    """Answer as the fault says. If it spoils the answer only, what was asked for happens."""
    response = _played(fault, rule, stopping)
    response.headers.update(fault.headers)
    return response


def _played(fault: Fault, rule: Rule, stopping: threading.Event) -> Response:
    if fault.is_error:
        return refusal_response(fault.refusal())
    if fault.name in _INSTEAD:
        response = _INSTEAD[fault.name]()
        response.status_code = fault.status or response.status_code
        return response
    if fault.name == "hang":
        stopping.wait()
        return _hang_up()
    response = respond(rule)
    if fault.name == "lost_reply":
        return _hang_up()
    if fault.name in _EDITS:
        _edit(response, _EDITS[fault.name])
    elif fault.name == "truncated":
        response.set_data(response.get_data()[: len(response.get_data()) // 2])
    elif fault.name == "delay":
        stopping.wait(fault.seconds)
    elif fault.name == "drip":
        body = response.get_data()
        response.response = _drip(body, fault.seconds, stopping)
        response.content_length = len(body)
    return response


_WHY_NOT_INSPECTED = {"code": 100, "message": "(#100) The App_id in the input_token did not match the Viewing App"}
_INSTEAD: dict[str, Callable[[], Response]] = {
    "no_token": lambda: jsonify({"token_type": "bearer", "expires_in": 5184000}),
    "html": lambda: Response(_PAGE, 200, mimetype="text/html"),
    "html_502": lambda: Response(_PAGE, 502, mimetype="text/html"),
    "empty": lambda: Response(b"", 200, mimetype="application/json"),
    "not_inspected": lambda: jsonify({"data": {"is_valid": False, "scopes": [], "error": _WHY_NOT_INSPECTED}}),
    "redirect": lambda: Response(b"", 302, {"Location": "/sandbox/elsewhere"}),
}


_EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float_lifetime": lambda body: body.update(expires_in=float(body["expires_in"])),
    "no_lifetime": lambda body: body.pop("expires_in"),
    "no_username": lambda body: body.pop("username", None),
}


def _edit(response: Response, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the body of a reply that went well, also if it is wrapped."""
    body = response.get_json()
    if response.status_code == 200:
        change(body["data"][0] if "data" in body else body)
        response.set_data(json.dumps(body))


def _drip(body: bytes, pause: float, stopping: threading.Event) -> Iterator[bytes]:
    for byte in body:
        if stopping.wait(pause):
            return
        yield bytes([byte])


def _hang_up() -> Response:
    # Shut down before the server writes: its write then fails, and it takes the client for gone.
    with contextlib.suppress(OSError):
        request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response(b"")
