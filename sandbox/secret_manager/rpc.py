"""The gRPC transport of the local Secret Manager."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.cloud.secretmanager_v1 import types

from sandbox.secret_manager.refusal import Refusal
from sandbox.secret_manager.service import METHODS, SERVICE, Service

_THREADS = 64


class RpcServer:
    """Serves a `Service` by plaintext gRPC on 127.0.0.1."""

    def __init__(self, service: Service, port: int) -> None:
        """Listen; raise OSError where the port is taken."""
        # gRPC would report a taken port less clearly, and at length on stderr.
        with socket.create_server(("127.0.0.1", port)):
            pass
        self._workers = ThreadPoolExecutor(_THREADS)
        # Without SO_REUSEPORT off, two servers would share the port, and the calls.
        self._server = grpc.server(self._workers, options=[("grpc.so_reuseport", 0)])
        handlers = {method: _handler(service, method) for method in METHODS}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def stop(self) -> None:
        """Cancel the calls that still run, and return when no call has an effect any more."""
        self._server.stop(grace=0).wait()
        self._workers.shutdown()


def _handler(service: Service, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    def serve(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return service.answer(method, request)
        except Refusal as refusal:
            # Clients read the details of an error, such as its reason, from this trailing header.
            context.set_trailing_metadata((("grpc-status-details-bin", refusal.status().SerializeToString()),))
            context.abort(refusal.code, str(refusal))

    deserialize = getattr(types, f"{method}Request").deserialize
    return grpc.unary_unary_rpc_method_handler(serve, deserialize, _serialize)


def _serialize(reply: Any) -> bytes:
    """Return a message as bytes, and None as google.protobuf.Empty."""
    return b"" if reply is None else bytes(type(reply).serialize(reply))
