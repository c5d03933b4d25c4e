"""A small stand-in for Secret Manager: fixed replies over plaintext gRPC, each after a delay, within a quota.

It stores nothing: at every call each account is due and has two enabled versions.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import Any

import google_crc32c
import grpc
from google.cloud.secretmanager_v1 import types

from bench import people
from sandbox.secret_manager.service import METHODS, SERVICE

CALLS = (*METHODS, "refused")
PROJECT = "projects/demo"
_State = types.SecretVersion.State


def serve(
    port: Synchronized[int],
    delay: float,
    calls: SynchronizedArray[int],
    held: Synchronized[float],
    accounts: Synchronized[int],
    quota: Synchronized[int],
) -> None:
    """Serve until killed, and set `port`. `quota` is the reads, and as many writes, allowed a minute; 0 is no quota."""
    asyncio.run(_StandIn(delay, calls, held, accounts, quota).serve(port))


class _StandIn:
    def __init__(
        self,
        delay: float,
        calls: SynchronizedArray[int],
        held: Synchronized[float],
        accounts: Synchronized[int],
        quota: Synchronized[int],
    ) -> None:
        self._delay, self._calls, self._held, self._accounts, self._quota = delay, calls, held, accounts, quota
        self._window, self._spent = 0, {"read": 0, "write": 0}

    async def serve(self, port: Synchronized[int]) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        known: dict[str, Callable[[Any], Any]] = {
            "ListSecrets": self._list,
            "GetSecret": lambda request: _secret(people.number_of(request.name)),
            "UpdateSecret": lambda request: _secret(people.number_of(request.secret.name)),
            "ListSecretVersions": lambda request: _versions(request.parent),
            "GetSecretVersion": lambda request: _version(*_parts(request.name)),
            "AccessSecretVersion": _payload,
            "AddSecretVersion": lambda request: _version(request.parent, 3),
            "DestroySecretVersion": lambda request: _version(*_parts(request.name), _State.DESTROYED),
        }
        handlers = {method: self._handler(method, act) for method, act in known.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port.value = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        await server.wait_for_termination()

    def _handler(self, method: str, act: Callable[[Any], Any]) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(request: Any, context: Any) -> Any:
            begun = time.perf_counter()
            self._calls[CALLS.index(method)] += 1
            await asyncio.sleep(self._delay)
            allowed = self._spend(METHODS[method])
            reply = act(request) if allowed else None
            self._held.value += time.perf_counter() - begun
            if allowed:
                return reply
            self._calls[CALLS.index("refused")] += 1
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "The quota is exceeded for now.")

        request_type = getattr(types, f"{method}Request").pb()
        return grpc.unary_unary_rpc_method_handler(answer, request_type.FromString, lambda reply: reply)

    def _spend(self, kind: str) -> bool:
        """Count a call against this minute's quota, and return whether it is still allowed."""
        if kind == "access" or not self._quota.value:
            return True
        window = int(time.monotonic() // 60)
        if window != self._window:
            self._window, self._spent = window, dict.fromkeys(self._spent, 0)
        self._spent[kind] += 1
        return self._spent[kind] <= self._quota.value

    def _list(self, request: Any) -> bytes:
        first = int(request.page_token or 0)
        after = min(first + request.page_size, self._accounts.value)
        more = str(after) if after < self._accounts.value else ""
        secrets = [types.Secret.deserialize(_secret(number)) for number in range(first, after)]
        return _bytes(types.ListSecretsResponse(secrets=secrets, next_page_token=more))


def _secret(number: int) -> bytes:
    ago, ahead = (datetime.now(UTC) + timedelta(days=days) for days in (-2, 58))
    annotations = {
        "threads-username": people.username(number),
        "version": "2",
        "refreshed-at": f"{ago:%Y-%m-%dT%H:%M:%SZ}",
        "expires-at": f"{ahead:%Y-%m-%dT%H:%M:%SZ}",
        "data-access-expires-at": f"{ahead:%Y-%m-%dT%H:%M:%SZ}",
        "scopes": "threads_basic,threads_content_publish",
    }
    labels = {"managed-by": "threads-token-keeper", "threads-user-id": people.user_id(number)}
    name = f"{PROJECT}/secrets/threads-token-{people.username(number)}"
    return _bytes(types.Secret(name=name, labels=labels, annotations=annotations, etag='"0123456789abcd"'))


def _versions(secret: str) -> bytes:
    versions = [types.SecretVersion.deserialize(_version(secret, number)) for number in (2, 1)]
    return _bytes(types.ListSecretVersionsResponse(versions=versions))


def _version(secret: str, number: int, state: Any = _State.ENABLED) -> bytes:
    made = datetime.now(UTC) - timedelta(days=2)
    return _bytes(types.SecretVersion(name=f"{secret}/versions/{number}", create_time=made, state=state))


def _parts(version: str) -> tuple[str, int]:
    secret, _, number = version.partition("/versions/")
    return secret, int(number)


def _payload(request: Any) -> bytes:
    data = people.token(people.number_of(re.sub(r".*/secrets/", "", request.name))).encode()
    payload = types.SecretPayload(data=data, data_crc32c=int(google_crc32c.value(data)))
    return _bytes(types.AccessSecretVersionResponse(name=request.name, payload=payload))


def _bytes(message: Any) -> bytes:
    return bytes(type(message).serialize(message))
