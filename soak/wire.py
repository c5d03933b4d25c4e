"""The one place that every remote call of the functions goes through, on the client's side of the socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from token_keeper.connection import Connection
from token_keeper.limits import Limits
from token_keeper.refusals import Reply

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


class ThreadsWire:
    """A connection to Threads whose calls go through the boundary."""

    def __init__(self, boundary: Boundary, api_url: str, limits: Limits) -> None:
        self._boundary, self._connection = boundary, Connection(api_url, limits)

    def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply:
        token = what.get("params", {}).get("access_token", "")
        call = Call(THREADS, _CALLS[path], token=token)
        reply: Reply = self._boundary(call, lambda: self._connection.send(method, path, seconds, **what))
        return reply


def store_wire(boundary: Boundary, address: str | None) -> SecretManagerServiceClient:
    """Return a client of Secret Manager whose calls go through the boundary."""
    channel = grpc.intercept_channel(grpc.insecure_channel(str(address)), _Interceptor(boundary))
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


class _Interceptor(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return self._boundary(_grpc_call(details.method, request), lambda: continuation(details, request))


def _grpc_call(path: str | bytes, request: Any) -> Call:
    method = (path.decode() if isinstance(path, bytes) else path).rpartition("/")[2]
    name = request.secret.name if method == "UpdateSecret" else getattr(request, "name", "") or request.parent
    parts = name.split("/")
    secret = parts[3] if len(parts) > 3 else ""
    version = int(parts[5]) if len(parts) > 5 else 0
    token = request.payload.data.decode() if method == "AddSecretVersion" else ""
    return Call(STORE, method, token, secret, version)
