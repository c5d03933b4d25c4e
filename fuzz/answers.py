"""What Meta, or whoever stands in its place, answers."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Any

from fuzz.support import SENTINEL, TOKEN, Test, as_text, refused_at_most


def make_retry_after() -> Test:
    from token_keeper.refusals import seconds_to_wait

    def test(data: bytes) -> None:
        seconds = seconds_to_wait(as_text(data))
        assert seconds is None or 0 <= seconds < inf

    return test


def make_reply() -> Test:
    """Read an HTTP status and a body with each reader of the client."""
    from token_keeper.access_token import looks_like_token
    from token_keeper.account import looks_like_user_id
    from token_keeper.clock import SystemClock
    from token_keeper.limits import Limits
    from token_keeper.refusals import Reply
    from token_keeper.threads import ThreadsClient

    class Canned:
        """A wire that brings the fuzzer's replies."""

        reply = Reply(200, b"")

        def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply:
            return self.reply

    wire = Canned()
    client = ThreadsClient(wire, Limits(attempts=1), SystemClock())

    def test(data: bytes) -> None:
        status = (200, 400, 401, 403, 429, 500, 302, 204)[data[0] % 8] if data else 200
        wire.reply = Reply(status, data[1:], as_text(data[1:9]))
        client.until(inf)  # a new count of refusals
        with refused_at_most():
            token = client.exchange_code("1", SENTINEL, "https://keeper.example/callback", "c")
            assert looks_like_token(token)
        with refused_at_most():
            lived = client.refresh_token(TOKEN).expires_in
            assert lived is None or lived >= timedelta(days=1), "a token of an hour was taken"
        with refused_at_most():
            assert looks_like_user_id(client.me(TOKEN).user_id)
        inspection = client.inspect(TOKEN)
        assert inspection is None or inspection.is_valid in (True, False)

    return test


def make_wire() -> Test:
    """Read the bytes of an HTTP reply from a socket."""
    import socket
    import threading

    from token_keeper.clock import SystemClock
    from token_keeper.connection import Connection
    from token_keeper.limits import Limits
    from token_keeper.threads import ThreadsClient

    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    reply: list[bytes] = [b""]

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(reply[0])
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    limits = Limits(attempts=1)
    connection = Connection(f"http://127.0.0.1:{server.getsockname()[1]}", limits)
    client = ThreadsClient(connection, limits, SystemClock())

    def test(data: bytes) -> None:
        # A server may send "100 Continue" without end, which only the callback's limit ends.
        reply[0] = data.replace(b" 100", b" 200")
        with refused_at_most():
            client.exchange_code("1", SENTINEL, "https://keeper.example/callback", "c")

    return test
