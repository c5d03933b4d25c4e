"""The one place that every remote call of the functions goes through, on the client's side of the socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from requests import PreparedRequest
from requests.adapters import HTTPAdapter

THREADS, STORE = "threads", "store"
_CALLS = {
    "/oauth/access_token": "exchange_code",
    "/access_token": "exchange_token",
    "/refresh_access_token": "refresh",
    "/v1.0/me": "me",
    "/v1.0/debug_token": "debug",
}
WRITES = ("AddSecretVersion", "DestroySecretVersion", "DisableSecretVersion", "UpdateSecret")


@dataclass(frozen=True)
class Call:
    """One remote call: of Threads with a token, or of Secret Manager about a secret, perhaps a version or payload."""

    side: str
    name: str
    token: str = ""
    secret: str = ""
    version: int = 0


Boundary = Callable[[Call, Callable[[], Any]], Any]


def install(boundary: Boundary) -> None:
    """Lead every call of this process through `boundary`: for good, so it wants a process of its own."""
    send, insecure_channel = HTTPAdapter.send, grpc.insecure_channel

    def hooked(self: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        return boundary(_http_call(request), lambda: send(self, request, *args, **kwargs))

    def channel(target: str, options: Any = None) -> grpc.Channel:
        return grpc.intercept_channel(insecure_channel(target), _Interceptor(boundary))

    HTTPAdapter.send = hooked  # type: ignore[method-assign]
    grpc.insecure_channel = channel  # type: ignore[assignment]


class _Interceptor(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return self._boundary(_grpc_call(details.method, request), lambda: continuation(details, request))


def _http_call(request: PreparedRequest) -> Call:
    url = urlsplit(str(request.url))
    return Call(THREADS, _CALLS[url.path], token="".join(parse_qs(url.query).get("access_token", [])))


def _grpc_call(path: str | bytes, request: Any) -> Call:
    method = (path.decode() if isinstance(path, bytes) else path).rpartition("/")[2]
    name = request.secret.name if method == "UpdateSecret" else getattr(request, "name", "") or request.parent
    parts = name.split("/")
    secret = parts[3] if len(parts) > 3 else ""
    version = int(parts[5]) if len(parts) > 5 else 0
    token = request.payload.data.decode() if method == "AddSecretVersion" else ""
    return Call(STORE, method, token, secret, version)
