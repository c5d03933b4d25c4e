"""A redirect in the place of a reply of Threads is not followed, and its body is read up to a limit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.threads_client.server import client_of
from token_keeper.errors import KeeperError


def answering(reply: bytes, more: bytes = b"", times: int = 0) -> tuple[str, Callable[[], int]]:
    """Answer one connection with `reply` and then `more`, many times.

    Return the server's URL, and a function that returns how often `more` was sent.
    """
    server = socket.create_server(("127.0.0.1", 0))
    sent = 0

    def serve() -> None:
        nonlocal sent
        with server, suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)
                for _ in range(times):
                    connection.sendall(more)
                    sent += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def stopped() -> int:
        thread.join(10)
        return sent

    return f"http://127.0.0.1:{server.getsockname()[1]}", stopped


def test_the_body_of_a_redirect_is_read_up_to_the_same_limit_as_any_other() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n"
    url, stopped = answering(head, b"100000\r\n" + b"x" * (1 << 20) + b"\r\n", 40)
    with pytest.raises(KeeperError):
        client_of(url).exchange_code("1", "s", "https://keeper.example/callback", "c")
    assert stopped() < 40


@pytest.mark.parametrize("location", ["http://[", "//[", "https://[::1", "\xff", "http://x:99999999/", ""])
def test_a_redirect_to_nowhere_is_an_unusable_or_lost_reply(location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    url, _ = answering(head.encode("latin-1"))
    with pytest.raises(KeeperError):
        client_of(url).exchange_code("1", "s", "https://keeper.example/callback", "c")
