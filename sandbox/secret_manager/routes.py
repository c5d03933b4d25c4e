"""Which HTTP request is which call of Secret Manager, and how its JSON is read and written.

Source: the `google.api.http` options of Google's `secretmanager.v1` service, and the JSON mapping of protobuf, which
`json_format` applies to the official messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from google.cloud.secretmanager_v1 import types
from google.protobuf import json_format
from grpc import StatusCode

from sandbox.secret_manager.refusal import Refusal, invalid


class Route(NamedTuple):
    """One method over HTTP. The body is the whole request ("*"), one field of it, or nothing ("")."""

    verb: str
    template: str
    method: str
    body: str = ""


_SECRET = "projects/*/secrets/*"
_VERSION = f"{_SECRET}/versions/*"
# The first route that fits is the one: those that end in a verb of their own stand before those that do not.
ROUTES = [
    Route("POST", f"{{parent={_SECRET}}}:addVersion", "AddSecretVersion", "*"),
    Route("GET", f"{{name={_VERSION}}}:access", "AccessSecretVersion"),
    Route("POST", f"{{name={_VERSION}}}:enable", "EnableSecretVersion", "*"),
    Route("POST", f"{{name={_VERSION}}}:disable", "DisableSecretVersion", "*"),
    Route("POST", f"{{name={_VERSION}}}:destroy", "DestroySecretVersion", "*"),
    Route("GET", f"{{name={_VERSION}}}", "GetSecretVersion"),
    Route("GET", f"{{parent={_SECRET}}}/versions", "ListSecretVersions"),
    Route("GET", f"{{name={_SECRET}}}", "GetSecret"),
    Route("PATCH", f"{{secret.name={_SECRET}}}", "UpdateSecret", "secret"),
    Route("DELETE", f"{{name={_SECRET}}}", "DeleteSecret"),
    Route("GET", "{parent=projects/*}/secrets", "ListSecrets"),
    Route("POST", "{parent=projects/*}/secrets", "CreateSecret", "secret"),
]
# Every Google API takes these, and they are no fields of the request. Source: Google's "System parameters".
_SYSTEM = {"alt", "prettyPrint", "key", "access_token", "oauth_token", "quotaUser", "uploadType", "upload_protocol"}


class Call(NamedTuple):
    """A method, its request, and whether the client wants enums as numbers."""

    method: str
    request: Any
    integer_enums: bool


def read(verb: str, target: str, body: bytes) -> Call:
    """Return the call that an HTTP request makes; raise Refusal where it makes none."""
    path, _, query_text = target.partition("?")
    route, field, name = _find(verb, unquote(path))
    query = dict(parse_qsl(query_text, keep_blank_values=True))
    document = _document(route, {key: query[key] for key in query if key not in _SYSTEM and key[0:1] != "$"}, body)
    # What the path names wins over what the body names.
    holder, _, last = field.rpartition(".")
    (document.setdefault(holder, {}) if holder else document)[last] = name
    request_type = getattr(types, f"{route.method}Request")
    try:
        request = json_format.ParseDict(document, request_type.pb()())
    except json_format.ParseError:
        # The text of the exception can quote what was sent, such as a payload.
        raise invalid("The request has a field that is unknown, or whose value is not of its type.") from None
    return Call(route.method, request_type.wrap(request), "enum-encoding=int" in query.get("$alt", ""))


def write(reply: Any, integer_enums: bool) -> bytes:
    """Return a reply as JSON, and None as an empty object."""
    if reply is None:
        return b"{}\n"
    text = json_format.MessageToJson(type(reply).pb(reply), use_integers_for_enums=integer_enums)
    return f"{text}\n".encode()


def write_error(status: int, refusal: Refusal) -> bytes:
    """Return an error as Google's APIs write it."""
    error = {"code": status, "message": str(refusal), "status": refusal.code.name}
    details = json_format.MessageToDict(refusal.status()).get("details")
    return json.dumps({"error": {**error, **({"details": details} if details else {})}}, indent=2).encode() + b"\n"


def _find(verb: str, path: str) -> tuple[Route, str, str]:
    """Return the route of a request, which field its path fills, and with what."""
    for route in ROUTES:
        match = re.fullmatch(_pattern(route.template), path) if route.verb == verb else None
        if match:
            return route, re.findall(r"{([a-z.]+)=", route.template)[0], match[1]
    raise Refusal(StatusCode.NOT_FOUND, "The local Secret Manager has no such method.")


def _pattern(template: str) -> str:
    """Return the regular expression of a template. Its one group is what the variable stands for."""
    inside, outside = template[1:].split("=")[1].split("}")
    return f"/v1/({inside.replace('*', '[^/]+')}){outside}"


def _document(route: Route, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = {key: _camel(value) if _is_mask(key) else value for key, value in query.items()}
    if route.body == "*":
        return {**document, **_json_object(body)}
    return {**document, route.body: _json_object(body)} if route.body else document


def _is_mask(key: str) -> bool:
    return key in ("updateMask", "update_mask")


def _camel(paths: str) -> str:
    """Return the paths of a field mask as protobuf's JSON has them. Google takes version_destroy_ttl as well."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), paths)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise invalid("The body must be a JSON object.")
    return document
