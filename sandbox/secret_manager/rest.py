"""The REST transport of the local Secret Manager: Google's v1 API, JSON over plain HTTP.

It listens on 127.0.0.1. A web page can make a browser send requests there, so a request from a page, or for another
host than this machine, is refused.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from google.api_core.exceptions import exception_class_for_grpc_status
from grpc import StatusCode

from sandbox.secret_manager import routes
from sandbox.secret_manager.refusal import Refusal, invalid
from sandbox.secret_manager.service import Service

_MAX_BODY = 1024 * 1024
_OWN_NAMES = ("127.0.0.1", "localhost")


class RestServer(socketserver.ThreadingTCPServer):
    """Serves a `Service` over HTTP on 127.0.0.1."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, service: Service, port: int) -> None:
        """Listen; raise OSError where the port is taken."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service
        self.port: int = self.server_address[1]
        self._open: set[socket.socket] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, and return when no call has an effect any more."""
        self._stopping = True
        # The thread waits for a connection: this one wakes it.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a client alone that went away; show every other exception."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _serve(self) -> None:
        while not self._stopping:
            self.handle_request()


class _Handler(BaseHTTPRequestHandler):
    """One connection. Its requests are not logged, since a path or a body can hold a secret."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply goes out in one piece, else it would wait for the client's acknowledgement
    server: RestServer

    def do_GET(self) -> None:
        try:
            body = self._body()
            self._check_sender()
            call = routes.read(self.command, self.path, body)
            reply = self.server.service.answer(call.method, call.request)
            self._reply(200, routes.write(reply, call.integer_enums))
        except Refusal as refusal:
            self._refuse(refusal)

    do_POST = do_PATCH = do_DELETE = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no proper HTTP request."""
        self.close_connection = True
        self.request_version = self.protocol_version  # else a request that has none gets a reply without headers
        self._reply(code, routes.write_error(code, invalid("The request cannot be read.")))

    def _check_sender(self) -> None:
        """Raise Refusal for a request of a web page: browsers name the page's host, or the page itself in Origin."""
        host, _, _ = self.headers.get("Host", "").partition(":")
        if host not in _OWN_NAMES or "Origin" in self.headers:
            raise Refusal(StatusCode.PERMISSION_DENIED, f"Ask at {_OWN_NAMES[0]}, and not from a web page.")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > _MAX_BODY:
            self.close_connection = True  # else the body would be read as the next request
            raise invalid(f"The request must have a Content-Length of at most {_MAX_BODY} bytes.")
        return self.rfile.read(int(length))

    def _refuse(self, refusal: Refusal) -> None:
        status: int = exception_class_for_grpc_status(refusal.code).code or 500  # type: ignore[no-untyped-call]
        self._reply(status, routes.write_error(status, refusal))

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
