"""A server that answers byte for byte as a test tells it to, and the calls that the tests make."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import responses

from token_keeper import tls
from token_keeper.clock import SystemClock
from token_keeper.connection import Connection
from token_keeper.errors import KeeperError
from token_keeper.limits import Limits
from token_keeper.threads import ThreadsClient

TOKEN, SECRET, CODE = "THsentinel-token", "sentinel-app-secret", "sentinel-code"
REDIRECT_URI = "https://keeper.example/callback"
GOOD = {"access_token": "THnew", "token_type": "bearer", "expires_in": 5183944}
REFRESH_URL = "https://graph.threads.com/refresh_access_token"
Reply = bytes | Callable[[socket.socket], None] | None


@dataclass
class Server:
    """A server that answers byte for byte as it is told, and remembers the requests."""

    url: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Answer each connection with the next of these replies, and all later ones with the last.

    None closes the connection without an answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}")
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    plain, _ = listener.accept()
                    plain.settimeout(5)
                    with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                        answer(connection)
                except OSError:
                    continue

        def answer(connection: socket.socket) -> None:
            server.requests.append(received(connection))
            reply = replies[min(len(server.requests), len(replies)) - 1]
            if callable(reply):
                reply(connection)
            elif reply is not None:
                connection.sendall(reply)

        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        stopping.set()
        thread.join()


def received(connection: socket.socket) -> str:
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def http(body: object, status: int = 200, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def exchange_code(client: ThreadsClient) -> str:
    return client.exchange_code("1234567890", SECRET, REDIRECT_URI, CODE)


def expect(client: ThreadsClient, status: int, body: str | bytes | dict[str, Any]) -> KeeperError:
    """Return the error that a refresh raises when Threads always gives this answer."""
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, body=json.dumps(body) if isinstance(body, dict) else body, status=status)
        with pytest.raises(KeeperError) as raised:
            client.refresh_token(TOKEN)
    return raised.value


def shape_2(code: int, message: str = "Whatever", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1", **more}}


def shape_4(error: str, description: str = "Whatever") -> dict[str, Any]:
    return {"error": error, "error_description": description}


def client_of(url: str, trusted: str | None = None, **limits: Any) -> ThreadsClient:
    """Return a client with short timeouts."""
    numbers = Limits(**{"connect_timeout": 0.3, "read_timeout": 0.3, "backoff": 0.001, **limits})
    return ThreadsClient(Connection(url, numbers, tls.context(trusted)), numbers, SystemClock())
