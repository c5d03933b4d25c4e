"""A small stand-in for Threads: fixed replies over TLS, each after a delay, using little CPU.

It checks nothing of what the sandbox's Threads checks.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench import people

CALLS = ("/oauth/access_token", "/access_token", "/refresh_access_token", "/v1.0/me", "/v1.0/debug_token")
LIFETIME = 60 * 86400


def serve(
    port: Synchronized[int],
    delay: float,
    calls: SynchronizedArray[int],
    held: Synchronized[float],
    certificate: Path,
) -> None:
    """Serve until killed, and set `port`."""
    asyncio.run(_serve(port, certificate, lambda: _Connection(delay, calls, held)))


async def _serve(port: Synchronized[int], certificate: Path, connection: Callable[[], _Connection]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context, backlog=512)
    port.value = server.sockets[0].getsockname()[1]
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    """One kept-alive connection. Each request must arrive whole, with its body."""

    def __init__(self, delay: float, calls: SynchronizedArray[int], held: Synchronized[float]) -> None:
        self._delay, self._calls, self._held = delay, calls, held
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        begun = time.perf_counter()
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        if not blank or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        url = urlsplit(head.split(b" ", 2)[1].decode())
        self._calls[CALLS.index(url.path)] += 1
        reply = json.dumps(_reply(url.path, parse_qs(url.query))).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply
        asyncio.get_running_loop().call_later(self._delay, self._answer, answer, begun)

    def _answer(self, answer: bytes, begun: float) -> None:
        self._held.value += time.perf_counter() - begun
        self._transport.write(answer)


def _reply(path: str, query: dict[str, list[str]]) -> dict[str, Any]:
    number = people.number_of(query.get("access_token", [""])[0])
    if path == "/oauth/access_token":
        return {"access_token": people.token(0), "user_id": int(people.user_id(0))}
    if path == "/v1.0/me":
        return {"id": people.user_id(number), "username": people.username(number)}
    if path == "/v1.0/debug_token":
        now = int(time.time())
        scopes = ["threads_basic", "threads_content_publish"]
        ends = {"issued_at": now, "expires_at": now + LIFETIME, "data_access_expires_at": now + 90 * 86400}
        return {"data": {"type": "USER", "is_valid": True, **ends, "scopes": scopes, "user_id": people.user_id(number)}}
    return {"access_token": people.token(number), "token_type": "bearer", "expires_in": LIFETIME}
