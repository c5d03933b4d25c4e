"""The API's addresses, and the rule behind each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from sandbox.threads.answers import Answers
from sandbox.threads.parameters import read_parameters
from sandbox.threads.parts import Parts

Given = dict[str, str]
ROUTES = (
    ("POST", "/oauth/access_token", "exchange_code"),
    ("GET", "/oauth/access_token", "probe"),
    ("GET", "/access_token", "exchange_token"),
    ("GET", "/refresh_access_token", "refresh"),
    ("GET", "/debug_token", "debug"),
    ("GET", "/me", "me"),
    ("GET", "/<id:object_id>", "read"),
)


class Endpoints:
    """One method for each name in ROUTES."""

    def __init__(self, parts: Parts, answers: Answers) -> None:
        self._parts, self._api, self._answers = parts, parts.api, answers

    def blueprint(self) -> Blueprint:
        pages = Blueprint("api", __name__)
        for method, path, name in ROUTES:
            pages.add_url_rule(path, f"{method} {path}", getattr(self, name), methods=[method])
        return pages

    def exchange_code(self) -> Response:
        return self._answer("exchange_code", "code", self._api.exchange_code)

    def probe(self) -> Response:
        # A GET is how an app token is had, and how some clients exchange a code.
        if self._parts.control.switches.lenient and self._given().get("grant_type") == "authorization_code":
            return self.exchange_code()
        return self._answer("probe", "", self._api.probe)

    def exchange_token(self) -> Response:
        return self._answer("exchange_token", "access_token", self._api.exchange_token)

    def refresh(self) -> Response:
        return self._answer("refresh", "access_token", self._api.refresh)

    def debug(self) -> Response:
        return self._answer("debug", "input_token", self._api.debug)

    def me(self) -> Response:
        return self._answer("me", "access_token", lambda given: self._api.me(given, request.host_url))

    def read(self, object_id: str) -> Response:
        return self._answer("me", "access_token", lambda given: self._api.me(given, request.host_url, object_id))

    def _answer(self, call: str, about: str, rule: Callable[[Given], dict[str, Any]]) -> Response:
        """Answer a call; `about` is the parameter that holds the token or code that the call is about."""
        given = self._given()
        return self._answers.answer(call, given.get(about, ""), lambda: self._answers.reply(rule(given)))

    def _given(self) -> Given:
        return read_parameters(request, self._parts.control.switches.lenient)
