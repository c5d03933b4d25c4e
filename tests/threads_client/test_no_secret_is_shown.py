"""No error, log line or repr of the client holds a secret."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable

import pytest

from tests.threads_client.server import (
    CODE,
    GOOD,
    SECRET,
    TOKEN,
    Reply,
    client_of,
    exchange_code,
    http,
    serving,
    shape_2,
    shape_4,
)
from token_keeper.errors import (
    KeeperError,
)
from token_keeper.threads import LongLivedToken

FAILURES: dict[str, Reply] = {
    "refused": http(shape_2(190, f"Bad token {TOKEN}"), 400),
    "unclear": http(shape_4(f"{CODE} {SECRET}"), 400),
    "unusable": http({"access_token": f"{TOKEN} {SECRET} {CODE}"}),
    "web page": http(f"<html>{TOKEN} {SECRET} {CODE}".encode()),
    "passing": http(f"{TOKEN} {SECRET} {CODE}".encode(), 503),
    "redirect": http({}, 302, f"Location: http://127.0.0.1:9/?access_token={TOKEN}"),
    "lost": None,
    "cut": http(GOOD)[:-5],
    "no HTTP": f"{TOKEN} {SECRET} {CODE}\r\n\r\n".encode(),
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "defective header": b"HTTP/1.1 503 Whatever\r\nContent-Length: 0\r\nno header at all\r\n\r\n",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_error_and_no_log_line_holds_a_secret(failure: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = ""
    with serving(FAILURES[failure]) as server:
        client = client_of(server.url)
        calls: list[Callable[[], object]] = [
            lambda: exchange_code(client),
            lambda: client.exchange_token(SECRET, TOKEN),
            lambda: client.refresh_token(TOKEN),
            lambda: client.me(TOKEN),
        ]
        for call in calls:
            with pytest.raises(KeeperError) as raised:
                call()
            seen += f"{raised.value} {raised.value!r} {''.join(traceback.format_exception(raised.value))}"
        assert client.inspect(TOKEN) is None
    assert TOKEN in "".join(server.requests)
    seen += caplog.text + repr(client)
    for sentinel in (TOKEN, SECRET, CODE):
        assert sentinel not in seen


def test_a_defective_header_is_not_logged_with_its_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps(GOOD).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nno header at all\r\nX: y\r\n\r\n" % len(body)
    with serving(head + body) as server:
        client_of(server.url).refresh_token(TOKEN)
    assert TOKEN in server.requests[0]
    assert TOKEN not in caplog.text


def test_no_repr_shows_a_token() -> None:
    assert TOKEN not in repr(LongLivedToken(TOKEN, None))
    assert TOKEN not in f"{LongLivedToken(TOKEN, None)}"
