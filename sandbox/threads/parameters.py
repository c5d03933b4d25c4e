"""Reads the parameters of a call, wherever clients put them.

Meta's examples put them in the query, also of a POST, or in a form body; the token may stand in a Bearer header.
JSON bodies and Basic authentication are read only if the switch `lenient` is on: no page of Meta's mentions them.
"""

from __future__ import annotations

from flask import Request


def read_parameters(request: Request, lenient: bool) -> dict[str, str]:
    """Return the parameters of this request; a form's go before the query's."""
    found = request.args.to_dict() | request.form.to_dict()
    authorization = request.authorization
    if authorization and authorization.type == "bearer" and authorization.token:
        found.setdefault("access_token", authorization.token)
    if lenient:
        found |= _json(request)
        if authorization and authorization.type == "basic":
            found |= {"client_id": authorization.username or "", "client_secret": authorization.password or ""}
    return found


def _json(request: Request) -> dict[str, str]:
    body = request.get_json(silent=True)
    return {name: _text(value) for name, value in body.items()} if isinstance(body, dict) else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
