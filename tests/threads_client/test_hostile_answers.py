"""Replies that are slow, endless, compressed or redirected."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable

import pytest

from tests.threads_client.server import GOOD, TOKEN, exchange_code, http, serving
from token_keeper.errors import (
    LostReply,
    UnusableReply,
)
from token_keeper.threads import ThreadsClient


def test_a_redirect_is_not_followed() -> None:
    with serving(http(GOOD)) as elsewhere:
        with (
            serving(http({}, 302, f"Location: {elsewhere.url}/refresh_access_token")) as server,
            pytest.raises(UnusableReply),
        ):
            ThreadsClient(server.url).refresh_token(TOKEN)
        assert elsewhere.requests == []


def dripping(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(200):
            time.sleep(0.03)
            connection.sendall(drop)

    return drip


def test_a_slow_body_is_given_up() -> None:
    started = time.monotonic()
    with serving(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" ")) as server:
        with pytest.raises(LostReply):
            exchange_code(ThreadsClient(server.url))
        assert time.monotonic() - started < 2


def test_a_call_to_a_hanging_server_ends() -> None:
    started = time.monotonic()
    with serving(lambda _: time.sleep(1)) as server:
        with pytest.raises(LostReply):
            exchange_code(ThreadsClient(server.url))
        assert time.monotonic() - started < 1


def test_a_body_is_read_up_to_a_limit() -> None:
    with serving(http(GOOD | {"filler": "x" * 300_000})) as server, pytest.raises(UnusableReply):
        exchange_code(ThreadsClient(server.url))


def test_a_compressed_body_is_read_up_to_the_same_limit() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    with serving(http(bomb, 200, "Content-Encoding: gzip")) as server, pytest.raises(UnusableReply):
        exchange_code(ThreadsClient(server.url))


def test_a_compressed_body_is_read_whole_or_in_pieces() -> None:
    whole = http(gzip.compress(json.dumps(GOOD).encode()), 200, "Content-Encoding: gzip")
    head, _, body = whole.partition(b"\r\n\r\n")

    def piecemeal(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (head + b"\r\n\r\n", body[:5], body[5:12], body[12:]):
            connection.sendall(piece)
            time.sleep(0.02)

    with serving(whole, piecemeal) as server:
        client = ThreadsClient(server.url)
        assert [exchange_code(client), exchange_code(client)] == ["THnew", "THnew"]


def test_a_body_in_chunks_is_read() -> None:
    data = json.dumps(GOOD).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:3], data[3:20], data[20:]))
    with serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n") as server:
        assert exchange_code(ThreadsClient(server.url)) == "THnew"


def test_a_body_that_cannot_be_decompressed_is_a_lost_reply() -> None:
    with serving(http(b"not gzip", 200, "Content-Encoding: gzip")) as server, pytest.raises(LostReply):
        exchange_code(ThreadsClient(server.url))
