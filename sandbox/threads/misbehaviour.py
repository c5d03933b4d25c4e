"""Plays a fault over HTTP, down to the socket: late, cut, dripping, never, or something else altogether."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from flask import Response, jsonify, request

from sandbox.threads.faults import Fault
from sandbox.threads.refusals import REFUSALS, Refusal, Refused

Rule = Callable[[], Response]
_PAGE = "<!doctype html><title>Local Threads</title><h1>Something went wrong</h1>"


def refusal_response(refusal: Refusal) -> Response:
    """Write an error as the API and, for some of them, the consent page does."""
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
    """Answer as the fault says. Where it spoils the answer only, what was asked for happens."""
    if fault.name in REFUSALS or fault.name == "error_in_200":
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
    if fault.name == "truncated":
        response.set_data(response.get_data()[: len(response.get_data()) // 2])
    elif fault.name == "delay":
        stopping.wait(fault.seconds)
    elif fault.name == "drip":
        body = response.get_data()
        response.response = _drip(body, fault.seconds, stopping)
        response.content_length = len(body)
    return response


_INSTEAD: dict[str, Callable[[], Response]] = {
    "no_token": lambda: jsonify({"token_type": "bearer", "expires_in": 5184000}),
    "html": lambda: Response(_PAGE, 200, mimetype="text/html"),
    "html_502": lambda: Response(_PAGE, 502, mimetype="text/html"),
    "empty": lambda: Response(b"", 200, mimetype="application/json"),
    "redirect": lambda: Response(b"", 302, {"Location": "/sandbox/elsewhere"}),
}


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
