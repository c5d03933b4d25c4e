"""Replies that are slow, endless, compressed or redirected."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable

import pytest

from tests.support.timing import allowed
from tests.threads_client.server import GOOD, TOKEN, client_of, exchange_code, http, serving
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
            client_of(server.url).refresh_token(TOKEN)
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
            exchange_code(client_of(server.url))
        assert time.monotonic() - started < allowed(2)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX: "], ids=["status", "header"])
def test_a_slow_head_is_given_up(start: bytes) -> None:
    """Or one account, which goes first, would hold up all others until the end of the run."""
    started = time.monotonic()
    with serving(dripping(start, b"x")) as server:
        with pytest.raises(LostReply):
            client_of(server.url, attempts=1).refresh_token(TOKEN)
        assert time.monotonic() - started < allowed(2)


DATA = json.dumps(GOOD).encode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(DATA)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def late(head: bytes, *pieces: bytes) -> Callable[[socket.socket], None]:
    """Return an answer that ends after the deadline, in pieces whose pauses are shorter than the read timeout."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        for number, piece in enumerate(pieces, 1):
            time.sleep(0.7 if number >= len(pieces) - 1 else 0)
            connection.sendall(piece)

    return answer


def patient_client_of(url: str) -> ThreadsClient:
    """Return a client whose deadline is 1.2 seconds away."""
    return client_of(url, connect_timeout=0.2, read_timeout=1.0)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    "answer",
    [
        late(LENGTH, DATA[:5], DATA[5:9], DATA[9:]),
        late(CHUNKED, chunk(DATA[:5]), chunk(DATA[5:9]), chunk(DATA[9:]) + b"0\r\n\r\n"),
        late(CHUNKED, chunk(DATA[:5]), chunk(DATA[5:9]), chunk(DATA[9:])),  # the last chunk never comes
        late(CHUNKED, chunk(DATA)),
        late(b"Connection: close\r\n\r\n", DATA[:5], DATA[5:9], DATA[9:]),
    ],
    ids=["with a length", "in chunks", "in chunks without an end", "in time, without an end", "until it closes"],
)
def test_an_answer_that_is_whole_is_kept_however_late_it_ends(answer: Callable[[socket.socket], None]) -> None:
    """It may hold the only token that a spent code will ever give."""
    with serving(answer) as server:
        assert exchange_code(patient_client_of(server.url)) == "THnew"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        late(LENGTH, DATA[:5], DATA[5:9], DATA[9:-1]),
        late(CHUNKED, chunk(DATA[:5]), chunk(DATA[5:9]), chunk(DATA[9:-1])),
        late(CHUNKED, *[chunk(b" ")] * 3),
    ],
    ids=["with a length", "in chunks", "blanks"],
)
def test_an_answer_of_which_a_part_is_missing_at_the_deadline_is_lost(
    answer: Callable[[socket.socket], None],
) -> None:
    with serving(answer) as server, pytest.raises(LostReply):
        exchange_code(patient_client_of(server.url))


def test_a_call_to_a_hanging_server_ends() -> None:
    started = time.monotonic()
    with serving(lambda _: time.sleep(1)) as server:
        with pytest.raises(LostReply):
            exchange_code(client_of(server.url))
        assert time.monotonic() - started < allowed(1)


def test_a_body_is_read_up_to_a_limit() -> None:
    with serving(http(GOOD | {"filler": "x" * 300_000})) as server, pytest.raises(UnusableReply):
        exchange_code(client_of(server.url))


def test_a_compressed_body_is_read_up_to_the_same_limit() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    with serving(http(bomb, 200, "Content-Encoding: gzip")) as server, pytest.raises(UnusableReply):
        exchange_code(client_of(server.url))


def test_a_compressed_body_is_read_whole_or_in_pieces() -> None:
    whole = http(gzip.compress(json.dumps(GOOD).encode()), 200, "Content-Encoding: gzip")
    head, _, body = whole.partition(b"\r\n\r\n")

    def piecemeal(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (head + b"\r\n\r\n", body[:5], body[5:12], body[12:]):
            connection.sendall(piece)
            time.sleep(0.02)

    with serving(whole, piecemeal) as server:
        client = client_of(server.url)
        assert [exchange_code(client), exchange_code(client)] == ["THnew", "THnew"]


def test_a_body_in_chunks_is_read() -> None:
    data = json.dumps(GOOD).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:3], data[3:20], data[20:]))
    with serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n") as server:
        assert exchange_code(client_of(server.url)) == "THnew"


def test_a_body_that_cannot_be_decompressed_is_a_lost_reply() -> None:
    with serving(http(b"not gzip", 200, "Content-Encoding: gzip")) as server, pytest.raises(LostReply):
        exchange_code(client_of(server.url))
