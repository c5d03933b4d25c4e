"""Answers one call: by its rule, or by the fault that waits for it."""

from __future__ import annotations

import threading
from typing import Any

from flask import Response, jsonify

from sandbox.threads.misbehaviour import Rule, play, respond
from sandbox.threads.parts import Parts


class Answers:
    """Records the call, and plays its fault if there is one. `stopping` ends every reply that still waits."""

    def __init__(self, parts: Parts, stopping: threading.Event) -> None:
        self._parts, self._stopping = parts, stopping

    def answer(self, call: str, value: str, rule: Rule, username: str | None = None) -> Response:
        """Answer a call that is about this token or code, or, without one, about this person."""
        username = username or self._parts.tokens.owner(value)
        fault = self._parts.control.arrive(call, username, value)
        if fault is None:
            return respond(rule)
        if fault.name == "another_person":
            return self.reply(self._parts.false_replies.about_somebody_else(call, username))
        if fault.name == "short_lived" and username:
            return self.reply(self._parts.false_replies.for_an_hour(username))
        return play(fault, rule, self._stopping)

    def reply(self, body: dict[str, Any]) -> Response:
        """Return the body as JSON, wrapped if the switch says so."""
        return jsonify({"data": [body.get("data", body)]} if self._parts.control.switches.wrapped else body)
