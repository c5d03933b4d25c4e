"""Which calls are repeated, and which are never sent twice."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from typing import Any

import pytest

from tests.support.timing import allowed
from tests.threads_client.server import (
    CODE,
    GOOD,
    SECRET,
    TOKEN,
    Reply,
    client_of,
    exchange_code,
    http,
    received,
    serving,
    shape_2,
)
from token_keeper.errors import (
    KeeperError,
    LostReply,
    ThreadsUnavailable,
)


def test_a_code_is_never_sent_twice_after_it_may_have_left() -> None:
    with serving(None, http({"access_token": "THshort"})) as server:
        with pytest.raises(LostReply):
            exchange_code(client_of(server.url))
        time.sleep(0.1)
        assert len(server.requests) == 1
        assert f"code={CODE}" in server.requests[0]


@pytest.mark.parametrize("status", [500, 503, 302])
def test_a_code_is_not_sent_again_after_an_error_either(status: int) -> None:
    with serving(http({}, status, "Location: /again"), http({"access_token": "THshort"})) as server:
        with pytest.raises(KeeperError):
            exchange_code(client_of(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("passing", [None, http({}, 503), http(shape_2(2), 400), http(GOOD)[:-5]])
def test_a_refresh_is_asked_again_where_threads_could_not_answer(passing: Reply) -> None:
    with serving(passing, passing, http(GOOD)) as server:
        assert client_of(server.url).refresh_token(TOKEN).access_token == "THnew"
        assert len(server.requests) == 3


def test_a_refresh_is_asked_three_times_and_no_more() -> None:
    with serving(None) as server:
        with pytest.raises(LostReply):
            client_of(server.url).refresh_token(TOKEN)
        assert len(server.requests) == 3


@pytest.mark.parametrize("body", [shape_2(190), shape_2(4), shape_2(368), shape_2(10), shape_2(100)])
def test_a_refusal_is_not_asked_again(body: dict[str, Any]) -> None:
    with serving(http(body, 400)) as server:
        with pytest.raises(KeeperError):
            client_of(server.url).refresh_token(TOKEN)
        assert len(server.requests) == 1


def test_a_refused_connection_is_no_lost_reply_and_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = client_of(f"http://127.0.0.1:{listener.getsockname()[1]}", attempts=1)
    for call in (lambda: exchange_code(client), lambda: client.exchange_token(SECRET, TOKEN)):
        with pytest.raises(ThreadsUnavailable) as raised:
            call()
        assert type(raised.value) is ThreadsUnavailable
        seen = "".join(traceback.format_exception(raised.value)) + caplog.text
        assert not [sentinel for sentinel in (TOKEN, SECRET, CODE) if sentinel in seen]


def test_connecting_is_tried_again_for_a_code_since_nothing_was_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        late = threading.Timer(0.1, listener.listen)
        late.start()
        seen: list[str] = []

        def serve() -> None:
            late.join()
            connection, _ = listener.accept()
            with connection:
                seen.append(received(connection))
                connection.sendall(http({"access_token": "THshort"}))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert exchange_code(client_of(f"http://127.0.0.1:{listener.getsockname()[1]}")) == "THshort"
        thread.join()
        assert len(seen) == 1


def test_a_silent_connection_costs_one_attempt_and_never_the_code() -> None:
    """The code is sent over a new connection. A call that may be repeated is repeated over another new one."""
    silent: list[socket.socket] = []
    kept = http(GOOD).replace(b"Connection: close\r\n", b"")

    def answers_once(connection: socket.socket) -> None:
        connection.sendall(kept)
        silent.append(connection.dup())  # stays open, but nothing reads from it

    with serving(answers_once, http(GOOD)) as server:
        client = client_of(server.url)
        for ask in (lambda: client.refresh_token(TOKEN), lambda: client.refresh_token(TOKEN)):
            begun = time.monotonic()
            assert ask().access_token == "THnew"
            assert time.monotonic() - begun < allowed(2)
        assert len(server.requests) == 2
    with serving(answers_once, http(GOOD)) as server:
        client = client_of(server.url)
        client.refresh_token(TOKEN)
        assert exchange_code(client) == "THnew"
    assert len(silent) == 2
    assert silent[0].recv(65536).startswith(b"GET /refresh_access_token")  # what was swallowed
    for connection in silent:
        connection.close()
