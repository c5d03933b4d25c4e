"""The API's addresses, and the rule behind each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

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
    ("POST", "/<user:user>/threads", "make_post"),
    ("POST", "/<user:user>/threads_publish", "publish"),
    ("GET", "/<user:user>/threads", "list_posts"),
    ("GET", "/<user:user>/threads_publishing_limit", "limit"),
    ("GET", "/<id:object_id>", "read"),
    ("DELETE", "/<id:object_id>", "delete_post"),
    ("GET", "/<id:object_id>/insights", "insights"),
)


class Endpoints:
    """One method for each name in ROUTES."""

    def __init__(self, parts: Parts, answers: Answers) -> None:
        self._parts, self._api, self._posting, self._answers = parts, parts.api, parts.posting, answers

    def blueprint(self) -> Blueprint:
        pages = Blueprint("api", __name__)
        for method, path, name in ROUTES:
            pages.add_url_rule(path, f"{method} {path}", getattr(self, name), methods=[method])
        return pages

    def exchange_code(self) -> Response:
        return self._answer("exchange_code", "code", self._api.exchange_code)

    def probe(self) -> Response:
        # A GET asks for an app token; some clients exchange a code by it.
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
        if self._parts.people.by_id(object_id):
            return self._answer("me", "access_token", lambda given: self._api.me(given, request.host_url, object_id))
        return self._about_posts("read", self._posting.read, object_id)

    def make_post(self, user: str) -> Response:
        return self._about_posts("make_post", self._posting.make, user)

    def publish(self, user: str) -> Response:
        return self._about_posts("publish", self._posting.publish, user)

    def list_posts(self, user: str) -> Response:
        return self._about_posts("list_posts", self._posting.list_posts, user)

    def limit(self, user: str) -> Response:
        return self._about_posts("limit", self._posting.limit, user)

    def delete_post(self, object_id: str) -> Response:
        return self._about_posts("delete_post", self._posting.delete, object_id)

    def insights(self, object_id: str) -> Response:
        return self._about_posts("insights", self._posting.insights, object_id)

    def _about_posts(self, call: str, rule: Callable[[str, Given], dict[str, Any]], about: str) -> Response:
        """Answer a call about the posts of a user, or about one object."""
        given = self._given()
        # Never wrapped: these replies have their own `data`.
        return self._answers.answer(call, given.get("access_token", ""), lambda: jsonify(rule(about, given)))

    def _answer(self, call: str, about: str, rule: Callable[[Given], dict[str, Any]]) -> Response:
        """Answer a call; `about` is the parameter that holds the token or code that the call is about."""
        given = self._given()
        return self._answers.answer(call, given.get(about, ""), lambda: self._answers.reply(rule(given)))

    def _given(self) -> Given:
        return read_parameters(request, self._parts.control.switches.lenient)
