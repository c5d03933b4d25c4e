"""HTTP itself: odd requests, smuggled requests, endless bodies, slow clients."""

from __future__ import annotations

import re
import time
from contextlib import closing, suppress

import pytest

from tests.attack.target import FORM, Target
from tests.support.timing import allowed

END = "Host: x\r\nConnection: close\r\n"
TYPE = "Content-Type: application/x-www-form-urlencoded\r\n"
PIECE = "GET /login HTTP/1.1\r\nHost: x\r\n\r\n"
ODD: dict[str, str] = {
    "two lengths": f"POST /delete HTTP/1.1\r\n{END}Content-Length: 0\r\nContent-Length: {len(PIECE)}\r\n\r\n{PIECE}",
    "a list of lengths": f"POST /delete HTTP/1.1\r\n{END}Content-Length: 0, {len(PIECE)}\r\n\r\n{PIECE}",
    "length and chunks": f"POST /delete HTTP/1.1\r\n{END}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    f"0\r\n\r\n{PIECE}",
    "chunks twice": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{PIECE}",
    "chunks by another name": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{PIECE}",
    "chunks in the older version": f"POST /delete HTTP/1.0\r\n{END}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{PIECE}",
    "a negative length": f"POST /delete HTTP/1.1\r\n{END}Content-Length: -1\r\n\r\n{PIECE}",
    "a length with a sign": f"POST /delete HTTP/1.1\r\n{END}Content-Length: +0\r\n\r\n{PIECE}",
    "a length of digits elsewhere": f"POST /delete HTTP/1.1\r\n{END}Content-Length: \u00b2\r\n\r\n{PIECE}",
    "a folded header": f"GET / HTTP/1.1\r\n{END}X: a\r\n b\r\n\r\n",
    "a space before the colon": f"GET / HTTP/1.1\r\n{END}X : a\r\n\r\n",
    "NUL in a header": f"GET / HTTP/1.1\r\n{END}X: \0\r\n\r\n",
    "NUL in the path": f"GET /\0 HTTP/1.1\r\n{END}\r\n",
    "a lone CR": f"GET / HTTP/1.1\r\n{END}X: a\rY: b\r\n\r\n",
    "a query that is no text": f"GET /callback?state=\xff&code=\xff HTTP/1.1\r\n{END}\r\n",
    "a path that is no text": f"GET /\xff HTTP/1.1\r\n{END}\r\n",
    "a type that is no text": f"POST /delete HTTP/1.1\r\n{END}Content-Type: \xff; boundary=\xff\r\n\r\n",
    "two hosts": f"GET / HTTP/1.1\r\nHost: y\r\n{END}\r\n",
    "an absolute address": f"GET https://evil.example/callback?code=1&state=2 HTTP/1.1\r\n{END}\r\n",
    "an absolute address without sense": f"GET http://[ HTTP/1.1\r\n{END}\r\n",
    "a tunnel": f"CONNECT evil.example:443 HTTP/1.1\r\n{END}\r\n",
    "everything's options": f"OPTIONS * HTTP/1.1\r\n{END}\r\n",
    "a trace": f"TRACE / HTTP/1.1\r\n{END}Cookie: secret=1\r\n\r\n",
    "an unknown method": f"PROPFIND /callback HTTP/1.1\r\n{END}\r\n",
    "a method in lower case": f"get /login HTTP/1.1\r\n{END}\r\n",
    "HTTP/0.9": "GET /login\r\n\r\n",
    "HTTP/2 without being asked": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": f"GET / HTTP/9.9\r\n{END}\r\n",
    "a long header": f"GET / HTTP/1.1\r\n{END}X: {'x' * 100_000}\r\n\r\n",
    "many headers": f"GET / HTTP/1.1\r\n{END}{''.join(f'X{n}: x' + chr(13) + chr(10) for n in range(2000))}\r\n",
    "an unknown expectation": f"GET / HTTP/1.1\r\n{END}Expect: miracles\r\n\r\n",
    "a chunk of no size": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "a chunk of any size": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked\r\n\r\n{'F' * 40}\r\nabc",
    "a chunk that ends early": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "chunks that end early": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    "a chunk without its end": f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
    "a body that ends early": f"POST /delete HTTP/1.1\r\n{END}Content-Length: 99\r\n\r\nsigned_request=",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing at all": "\r\n\r\n\r\n\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_no_odd_request_is_served_twice_or_stops_the_server(nothing_changes: Target, name: str) -> None:
    reply = nothing_changes.raw(ODD[name].encode("latin-1"))
    assert reply.count(b"/oauth/authorize") == 0, reply[:400]  # the smuggled request was not answered
    assert not re.search(rb"HTTP/1.1 5\d\d ", reply), reply[:200]
    assert b"secret=1" not in reply


def test_an_unknown_transfer_coding_is_refused_by_the_server_itself(nothing_changes: Target) -> None:
    """501 is what RFC 9112 section 6.1 asks for."""
    request = f"POST /delete HTTP/1.1\r\n{END}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{PIECE}"
    reply = nothing_changes.raw(request.encode())
    assert reply.startswith(b"HTTP/1.1 501 ")
    assert reply.count(b"HTTP/1.1") == 1


def test_a_request_within_a_body_is_not_served(nothing_changes: Target) -> None:
    for path, kind in (("/delete", "text/plain"), ("/nothing", "text/plain"), ("/delete", FORM["Content-Type"])):
        for body in (PIECE, "x" * 100_000 + PIECE):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            assert b"/oauth/authorize" not in nothing_changes.raw((head + body).encode())


def test_pipelined_requests_are_answered_one_by_one(nothing_changes: Target) -> None:
    reply = nothing_changes.raw(f"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n{END}\r\n".encode())
    assert re.findall(rb"HTTP/1.1 (\d+) ", reply) == [b"404", b"200"]


@pytest.mark.parametrize("path", ["/", "/delete", "/nothing", "/robots.txt", "//"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks without end"])
def test_an_endless_body_is_cut_off_and_does_not_fill_the_memory(
    nothing_changes: Target, path: str, chunked: bool
) -> None:
    before = nothing_changes.memory()
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {1 << 30}"
    megabyte = b"x" * (1 << 20)
    piece = b"100000\r\n" + megabyte + b"\r\n" if chunked else megabyte
    sent = 0
    with closing(nothing_changes.connect(3)) as connection, suppress(OSError):
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n{how}\r\n\r\n".encode())
        while sent < 40:
            connection.sendall(piece)
            sent += 1
    assert sent < 40
    assert nothing_changes.memory() - before < 8 * 1024


@pytest.mark.parametrize("path", ["/uninstall", "/delete", "/", "/nothing", "/callback"])
@pytest.mark.parametrize("number", [32, 64])
def test_as_many_slow_senders_as_there_are_threads_do_not_stop_the_start_page(
    nothing_changes: Target, path: str, number: int
) -> None:
    begin = f"POST {path} HTTP/1.1\r\nHost: x\r\n{TYPE}Content-Length: 99\r\n\r\ns".encode()
    slow = [nothing_changes.connect() for _ in range(number)]
    try:
        for connection in slow:
            connection.sendall(begin)
        time.sleep(0.3)
        begun = time.monotonic()
        assert nothing_changes.ask("/").status == 200
        assert time.monotonic() - begun < allowed(2)
    finally:
        for connection in slow:
            connection.close()


def test_a_body_that_comes_too_slowly_is_refused_and_its_connection_closed(nothing_changes: Target) -> None:
    begin = f"POST /delete HTTP/1.1\r\nHost: x\r\n{TYPE}Content-Length: 99\r\n\r\ns".encode()
    begun = time.monotonic()
    with closing(nothing_changes.connect(15)) as connection:
        connection.sendall(begin)
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too slowly" in answer
    assert time.monotonic() - begun < allowed(8)


FRAMEWORK = {
    "robots": f"GET /robots.txt HTTP/1.1\r\n{END}\r\n",
    "favicon": f"GET /favicon.ico HTTP/1.1\r\n{END}\r\n",
    "static": f"GET /static/x HTTP/1.1\r\n{END}\r\n",
    "two slashes": "GET //x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "many slashes": "GET ///evil.example/%2e%2e HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "an address": f"GET http://evil.example HTTP/1.1\r\n{END}\r\n",
    "an address with a path": f"GET http://evil.example/nothing HTTP/1.1\r\n{END}\r\n",
    "a post": f"POST /robots.txt HTTP/1.1\r\n{END}Content-Length: 0\r\n\r\n",
    "options": f"OPTIONS /static/x HTTP/1.1\r\n{END}\r\n",
}


@pytest.mark.parametrize("name", FRAMEWORK)
def test_the_frameworks_own_paths_have_our_headers_and_redirect_nowhere(nothing_changes: Target, name: str) -> None:
    head = nothing_changes.raw(FRAMEWORK[name].encode()).partition(b"\r\n\r\n")[0].decode()
    assert re.match(r"HTTP/1.1 (200|40\d) ", head), head
    for header in ("Content-Security-Policy", "Referrer-Policy: no-referrer", "Cache-Control: no-store", "X-Frame"):
        assert f"\r\n{header}" in head
    assert "Location" not in head
    assert "evil.example" not in head


def test_slow_clients_fewer_than_the_threads_do_not_delay_others(nothing_changes: Target) -> None:
    unfinished = [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /delete HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\ns",
    ]
    slow = [nothing_changes.connect() for _ in range(28)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(unfinished[number % 2])
        time.sleep(0.2)
        begun = time.monotonic()
        assert nothing_changes.ask("/").status == 200
        for connection in slow:
            connection.sendall(b"x")
        assert nothing_changes.ask("/login").status == 302
        assert time.monotonic() - begun < allowed(5)
    finally:
        for connection in slow:
            connection.close()
