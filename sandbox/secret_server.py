"""Secret Manager's gRPC service: it carries calls to a `SecretStore`, records them, and fails on demand."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

import grpc
from google.cloud.secretmanager_v1 import types

from sandbox.secret_faults import Fault, Faults, Kind, Meter, Quota
from sandbox.secret_rules import Refusal
from sandbox.secret_store import SecretStore

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
_THREADS = 64

# The methods of the service, and what each counts as. A method's request is types.<Method>Request, and what it does
# is the method of the store with its name.
METHODS: dict[str, Kind] = {
    "CreateSecret": "write",
    "GetSecret": "read",
    "UpdateSecret": "write",
    "DeleteSecret": "write",
    "ListSecrets": "read",
    "AddSecretVersion": "write",
    "GetSecretVersion": "read",
    "ListSecretVersions": "read",
    "AccessSecretVersion": "access",
    "EnableSecretVersion": "write",
    "DisableSecretVersion": "write",
    "DestroySecretVersion": "write",
}


class SecretServer:
    """The service on 127.0.0.1, with all that can go wrong with it."""

    def __init__(self, store: SecretStore, quota: Quota | None = None, port: int = 0) -> None:
        self.calls: list[tuple[str, str]] = []
        # Called with the method, the resource, and "before" or "after"; it must return before the server can stop.
        self.on_call: Callable[[str, str, str], None] | None = None
        self.quota = quota
        self._store = store
        self._faults = Faults()
        self._denied: frozenset[str] = frozenset()
        self._latency = 0.0
        self._stopping = threading.Event()
        self._port = port
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, once; raise OSError where the port is taken."""
        # gRPC would say it less clearly, and at length on stderr.
        with socket.create_server(("127.0.0.1", self._port)):
            pass
        # Without SO_REUSEPORT off, two servers would share the port, and the calls.
        self._workers = ThreadPoolExecutor(_THREADS)
        server = grpc.server(self._workers, options=[("grpc.so_reuseport", 0)])
        handlers = {method: self._handler(method) for method in METHODS}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop at once; calls that hang are cancelled, and nothing has an effect any more."""
        self._stopping.set()
        if self._server:
            self._server.stop(grace=0).wait()
            self._workers.shutdown()
            self._server = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    # What goes wrong

    @property
    def quota(self) -> Quota | None:
        return self._quota

    @quota.setter
    def quota(self, quota: Quota | None) -> None:
        self._quota = quota
        self._meter = Meter(quota) if quota else None

    def fail(
        self,
        method: str,
        code: grpc.StatusCode | None,
        when: Literal["before", "after"] = "before",
        times: int = 1,
        delay: float = 0.0,
        match: str | None = None,
    ) -> None:
        """Fail the next calls of a method; "after": it took effect, and the reply is lost. No code: only delay."""
        self._faults.add(Fault(_known(method), when, code, times, delay, match))

    def corrupt(self, times: int = 1, match: str | None = None) -> None:
        """Let the next accesses answer data that does not fit its CRC32C."""
        self._faults.add(Fault("AccessSecretVersion", "corrupt", times=times, match=match))

    def heal(self) -> None:
        """Forget the faults that are still to come."""
        self._faults.clear()

    def delay(self, seconds: float) -> None:
        """Let every call take this much longer."""
        self._latency = seconds

    def deny(self, methods: Collection[str]) -> None:
        """Refuse these methods, and only these, until told otherwise."""
        self._denied = frozenset(map(_known, methods))

    # One call

    def _handler(self, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        act: Callable[[Any], Any] = getattr(self._store, re.sub(r"(?<!^)([A-Z])", r"_\1", method).lower())

        def serve(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self._answer(method, request, act)
            except Refusal as refusal:
                context.abort(refusal.code, str(refusal))

        deserialize = getattr(types, f"{method}Request").deserialize
        return grpc.unary_unary_rpc_method_handler(serve, deserialize, _serialize)

    def _answer(self, method: str, request: Any, act: Callable[[Any], Any]) -> Any:
        resource = _resource(request)
        self.calls.append((method, resource))
        with self._hooked(method, resource):
            self._wait(self._latency)
            self._suffer(self._faults.take(method, resource, "before"))
            if meter := self._meter:
                meter.spend(METHODS[method])
            if method in self._denied:
                raise Refusal(grpc.StatusCode.PERMISSION_DENIED, f"{method} is denied on [{resource}].")
            reply = act(request)
        self._suffer(self._faults.take(method, resource, "after"))
        if self._faults.take(method, resource, "corrupt"):
            reply.payload.data = bytes([reply.payload.data[0] ^ 1]) + reply.payload.data[1:]
        return reply

    @contextmanager
    def _hooked(self, method: str, resource: str) -> Iterator[None]:
        """Tell the hook before a call, and once its outcome is settled, refused or not, but not yet answered."""
        hook = self.on_call or (lambda *_: None)
        hook(method, resource, "before")
        try:
            yield
        finally:
            hook(method, resource, "after")

    def _suffer(self, fault: Fault | None) -> None:
        if fault:
            self._wait(fault.delay)
            if fault.code:
                raise Refusal(fault.code, "This fault was asked for.")

    def _wait(self, seconds: float) -> None:
        """Let the time pass, outside every lock, and no longer than the server runs."""
        if seconds and self._stopping.wait(seconds):
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")


def _resource(request: Any) -> str:
    """Give the name of what a request is about."""
    if isinstance(request, types.CreateSecretRequest):
        return f"{request.parent}/secrets/{request.secret_id}"
    if isinstance(request, types.UpdateSecretRequest):
        return request.secret.name
    return str(request.name if "name" in type(request).meta.fields else request.parent)


def _serialize(reply: Any) -> bytes:
    """Serialize a message, or nothing as google.protobuf.Empty."""
    return b"" if reply is None else bytes(type(reply).serialize(reply))


def _known(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"Secret Manager has no method {method!r} here")
    return method
