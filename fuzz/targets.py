"""The fuzz targets. Each takes bytes and raises if a promise is broken.

The promises: only errors of `token_keeper.errors` are raised, nothing forged is accepted, no message contains a secret,
and no reply is a 5xx.
"""

from __future__ import annotations

import base64
import hmac
import json
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any
from urllib.parse import quote, unquote

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SENTINEL = "sentinel-app-secret"
TOKEN = "THsentineltoken"
ENVIRON = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1234567890",
    "THREADS_APP_SECRET": SENTINEL,
    "PUBLIC_URL": "https://keeper.example",
    "SECRET_MANAGER_EMULATOR_HOST": "127.0.0.1:1",
}
Test = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """A function that makes the test, importing what it tests, and the inputs that the fuzzer starts from."""

    make: Callable[[], Test]
    seeds: tuple[bytes, ...]


@contextmanager
def refused_at_most() -> Iterator[None]:
    """Accept an error of ours that contains no secret. Any other exception is a finding."""
    from token_keeper.errors import KeeperError

    try:
        yield
    except KeeperError as error:
        told = f"{error!r} {error}"
        assert SENTINEL not in told, "an error shows the app secret"
        assert TOKEN not in told, "an error shows a token"


def as_text(data: bytes) -> str:
    """Return a text that can arrive by HTTP or gRPC, so without lone surrogates."""
    return data[1:].decode("latin-1") if data[:1] == b"\xfe" else data.decode("utf-8", "replace")


# What the keeper and Meta sign


def genuine_signed() -> str:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    return Signer(Secret(SENTINEL), "state", timedelta(minutes=10)).sign({"nonce": "n"}, NOW)


def make_signed() -> Test:
    from token_keeper.settings import Secret
    from token_keeper.signing import Signer

    signer, genuine = Signer(Secret(SENTINEL), "state", timedelta(minutes=10)), genuine_signed()

    def test(data: bytes) -> None:
        text = _mutated(genuine, data)
        with refused_at_most():
            signer.read(text, NOW)
            assert text == genuine, "a state that was not made here was read"

    return test


def make_deletion_code() -> Test:
    from token_keeper.settings import Secret
    from token_keeper.signing import Deletion, DeletionState

    key = Secret(SENTINEL)
    genuine = DeletionState(Deletion.SCHEDULED, NOW, NOW).sign(key)

    def test(data: bytes) -> None:
        text = _mutated(genuine, data)
        with refused_at_most():
            DeletionState.read(key, text)
            assert text == genuine, "a deletion code that was not made here was read"

    return test


def make_signed_request() -> Test:
    from token_keeper import signed_request
    from token_keeper.settings import Secret

    key = Secret(SENTINEL)
    genuine = _signed(json.dumps({"algorithm": "HMAC-SHA256", "issued_at": 1, "user_id": "1"}).encode())

    def test(data: bytes) -> None:
        text = _mutated(genuine, data)
        with refused_at_most():
            signed_request.verify(key, text)
            signature, _, payload = text.partition(".")
            assert f"{signature.rstrip('=')}.{payload}" == genuine, "a request that was not signed was read"

    return test


def make_signed_payload() -> Test:
    """Read a signed_request with a valid signature and any payload."""
    from token_keeper import signed_request
    from token_keeper.settings import Secret

    key = Secret(SENTINEL)

    def test(data: bytes) -> None:
        with refused_at_most():
            read = signed_request.verify(key, _signed(data))
            assert read.user_id
            assert read.issued_at.tzinfo is UTC

    return test


def _signed(payload: bytes) -> str:
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    mac = hmac.digest(SENTINEL.encode(), encoded, "sha256")
    return f"{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}.{encoded.decode()}"


def _mutated(genuine: str, data: bytes) -> str:
    """Return the fuzzer's own text, or the genuine one with a piece replaced by it."""
    if len(data) < 3 or data[0] % 2:
        return as_text(data[1:])
    begin, end = data[1] % (len(genuine) + 1), data[2] % (len(genuine) + 1)
    return genuine[:begin] + as_text(data[3:]) + genuine[end:]


# What comes by HTTP


def make_http() -> Test:
    """Send any request to the public function. None has a valid `state`, so none may sign in."""
    import os

    os.environ.update(ENVIRON)
    import flask

    import main

    app = flask.Flask("fuzz")
    names = {"path": ""}
    for rule, defaults in (("/", names), ("/<path:path>", None)):
        app.add_url_rule(
            rule,
            endpoint=rule,
            defaults=defaults,
            methods=["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"],
            view_func=lambda path: main.oauth(flask.request._get_current_object()),  # type: ignore[attr-defined]
        )
    app.testing = True  # so that an unexpected error comes out
    client = app.test_client(use_cookies=False)

    def test(data: bytes) -> None:
        line, _, rest = data.partition(b"\n")
        head, _, body = rest.partition(b"\n\n")
        method, _, target = line.decode("latin-1").partition(" ")
        path, _, query = quote(target, safe=string.printable).partition("?")  # gunicorn takes ASCII only there
        headers = [tuple(part.split(": ", 1)) for part in head.decode("latin-1").split("\n") if ": " in part]
        environ: dict[str, Any] = {"QUERY_STRING": query, "PATH_INFO": unquote("/" + path, "latin-1")}
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        known = method if method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE") else "GET"
        reply = client.open("/", method=known, data=body, environ_overrides=environ)
        assert reply.status_code < 500 or reply.status_code == 413, reply.status
        assert reply.status_code != 303, "somebody was let in"
        assert SENTINEL not in reply.text + str(reply.headers), "a reply shows the app secret"

    return test


# What Meta answers


def make_reply() -> Test:
    """Read an HTTP status and a body with each reader of the client."""
    from token_keeper.access_token import looks_like_token
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
            assert client.me(TOKEN).user_id.isdecimal()
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


# What stands in Secret Manager, and in the environment


def make_facts() -> Test:
    from token_keeper.account import Account, Facts, secret_id_for

    names = [*Facts(1, NOW, NOW, NOW).annotations("alice"), "another"]

    def test(data: bytes) -> None:
        values = [as_text(part) for part in data.split(b"\n")]
        annotations = dict(zip(names, values, strict=False))
        secret_id = values[-1]
        account = Account.from_secret(secret_id, {"threads-user-id": values[0]}, annotations, "etag")
        assert "managed-by" not in account.labels
        assert account.well_named == (secret_id_for(account.username) == secret_id)
        if account.facts:
            again = Facts.parse(account.annotations)
            assert again is None or again.number == account.facts.number
            assert account.facts.expires_at.tzinfo is UTC

    return test


def make_settings() -> Test:
    from token_keeper.settings import OAuthSettings, RefreshSettings

    names = [*ENVIRON, "THREADS_SCOPES", "THREADS_API_URL", "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"]

    def test(data: bytes) -> None:
        values = [as_text(part) for part in data.split(b"\n")]
        environ = {**ENVIRON, **{name: value for name, value in zip(names, values, strict=False) if value}}
        environ["THREADS_APP_SECRET"] = SENTINEL + environ["THREADS_APP_SECRET"]
        for read in (OAuthSettings.from_environ, RefreshSettings.from_environ):
            with refused_at_most():
                settings = read(environ)
                assert settings.api_url.startswith(("https://", "http://")), "a scheme was read two ways"
                assert settings.api_url.isascii()
                assert SENTINEL not in repr(settings), "a setting shows itself"

    return test


def make_token() -> Test:
    from token_keeper.access_token import looks_like_token

    def test(data: bytes) -> None:
        text = as_text(data)
        if looks_like_token(text):
            assert text.isascii()
            assert text.isprintable()
            assert not set(text) & set(" \"'<>{}")
            text.encode("ascii")

    return test


def make_time() -> Test:
    from token_keeper.clock import parse_rfc3339, rfc3339

    def test(data: bytes) -> None:
        try:
            moment = parse_rfc3339(as_text(data))
        except (ValueError, OverflowError):
            return
        assert moment.utcoffset() == timedelta()
        if moment.year >= 1000:
            assert parse_rfc3339(rfc3339(moment)) == moment.replace(microsecond=0)

    return test


ERROR = (
    b'{"error": {"code": 190, "error_subcode": 463, "type": "OAuthException", "message": "m", "is_transient": true}}'
)
TARGETS = {
    "signed": Target(make_signed, (b"\x00\x05\x06A", b"\x01eyJub25jZSI6Im4ifQ.x", b"\x01.eJyr")),
    "deletion_code": Target(make_deletion_code, (b"\x00\x05\x06A", b"\x01" + b"A" * 32)),
    "signed_request": Target(make_signed_request, (b"\x00\x05\x06A", b"\x01a.eyJhIjoxfQ")),
    "signed_payload": Target(
        make_signed_payload,
        (b'{"algorithm": "HMAC-SHA256", "issued_at": 1700000000, "user_id": "17841"}', b"[[[[1]]]]"),
    ),
    "http": Target(
        make_http,
        (
            b"GET callback?code=c&state=s\nCookie: __Host-threads-state=s\n\n",
            b"POST delete\nContent-Type: application/x-www-form-urlencoded\n\nsigned_request=a.b",
            b"POST uninstall\nContent-Type: multipart/form-data; boundary=x\n\n--x\r\nContent-Disposition: form-data; "
            b'name="signed_request"\r\n\r\na.b\r\n--x--\r\n',
            b"GET signed-in?receipt=r\nX-Cloud-Trace-Context: 0123456789abcdef0123456789abcdef/1;o=1\n\n",
            b"GET deletion?code=AAAA\n\n",
            b"GET login\nHost: evil.example\n\n",
            b"GET \nAccept: text/html;q=0.5\n\n",
        ),
    ),
    "reply": Target(
        make_reply,
        (
            b'\x00{"access_token": "TH", "expires_in": 5184000, "id": "1", "username": "a"}',
            b"\x01" + ERROR,
            b'\x01{"error_type": "OAuthException", "code": 400, "error_message": "Matching code was not found"}',
            b'\x01{"error": "invalid_client", "error_description": "d"}',
            b'\x01{"error_code": 1349168, "error_message": "m"}',
            b'\x00{"data": [{"is_valid": true, "user_id": "1", "scopes": ["a_b"], "expires_at": 1800000000}]}',
        ),
    ),
    "wire": Target(
        make_wire,
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"access_token": "TH"}',
            b"HTTP/1.1 302 Found\r\nLocation: https://x/y\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://[::1]/\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            b"HTTP/1.1 401 No\r\nContent-Length: 2, 2\r\nWWW-Authenticate: x\r\n\r\n{}",
        ),
    ),
    "facts": Target(
        make_facts,
        (
            b"alice\n3\n2026-11-01T12:00:00Z\n2027-01-01T00:00:00Z\na,b\n2027-01-01T00:00:00+14:00\nthreads-token-alice",
            b"a\n1\n0001-01-01T00:00:00+14:00\n9999-12-31T23:59:59-14:00\n",
        ),
    ),
    "settings": Target(make_settings, (b"demo\n1\nsecret\nhttps://x:1/y\n[::1]:80\na,b\nhttp://localhost\n24\n99",)),
    "token": Target(make_token, (b"THQVJtoken", b"\xfeTH\xa0")),
    "time": Target(make_time, (b"2026-11-01T12:00:00Z", b"0001-01-01T00:00:00+14:00", b"2026-W44-7T12:00,5+01:00:30")),
}
