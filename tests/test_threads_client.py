"""The Threads client on the wire: what it sends, what it makes of every answer, and what it lets nobody see."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from responses.matchers import header_matcher, query_param_matcher, urlencoded_params_matcher

from token_keeper import threads as module
from token_keeper.errors import (
    AppMisconfigured,
    BlockedForNow,
    CodeSpent,
    KeeperError,
    LostReply,
    PermissionMissing,
    ThreadsUnavailable,
    Throttled,
    TokenRefused,
    UnclearRefusal,
    UnreadableRefusal,
    UnusableReply,
)
from token_keeper.threads import Inspection, LongLivedToken, Profile, ThreadsClient

TOKEN, SECRET, CODE = "THsentinel-token", "sentinel-app-secret", "sentinel-code"
REDIRECT_URI = "https://keeper.example/callback"
GOOD = {"access_token": "THnew", "token_type": "bearer", "expires_in": 5183944}
REFRESH_URL = "https://graph.threads.com/refresh_access_token"

Reply = bytes | Callable[[socket.socket], None] | None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same patience, in less time."""
    monkeypatch.setattr(module, "BACKOFF", 0.001)
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.3)


@pytest.fixture(scope="module")
def client() -> ThreadsClient:
    return ThreadsClient("https://graph.threads.com")


@dataclass
class Server:
    """A server that gives what it is told to, byte for byte, and remembers what it was asked."""

    url: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Answer one connection after the other with these, the last for good; None closes without an answer."""
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
    """Give the error that refreshing ends in where Threads always answers so."""
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, body=json.dumps(body) if isinstance(body, dict) else body, status=status)
        with pytest.raises(KeeperError) as raised:
            client.refresh_token(TOKEN)
    return raised.value


# What is sent, and what a good answer gives


def test_a_code_is_exchanged_by_a_form_and_leaves_no_trace_in_the_url(client: ThreadsClient) -> None:
    form = {
        "client_id": "1234567890",
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT_URI,
        "code": CODE,
    }
    with responses.RequestsMock() as threads:
        threads.post(
            "https://graph.threads.com/oauth/access_token",
            json={"access_token": "THshort", "user_id": 17841405793187218},
            match=[urlencoded_params_matcher(form), query_param_matcher({})],
        )
        assert exchange_code(client) == "THshort"


def test_a_short_lived_token_is_exchanged_with_the_secret(client: ThreadsClient) -> None:
    query = {"grant_type": "th_exchange_token", "client_secret": SECRET, "access_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/access_token", json=GOOD, match=[query_param_matcher(query)])
        assert client.exchange_token(SECRET, TOKEN) == LongLivedToken("THnew", timedelta(seconds=5183944))


def test_a_token_is_refreshed_by_itself_alone(client: ThreadsClient) -> None:
    query = {"grant_type": "th_refresh_token", "access_token": TOKEN}
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "threads-token-keeper"}
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD, match=[query_param_matcher(query), header_matcher(headers)])
        assert client.refresh_token(TOKEN) == LongLivedToken("THnew", timedelta(seconds=5183944))


@pytest.mark.parametrize("user_id", ["17841405793187218", 17841405793187218])
def test_me_gives_the_id_as_text(client: ThreadsClient, user_id: str | int) -> None:
    query = {"fields": "id,username", "access_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get(
            "https://graph.threads.com/v1.0/me",
            json={"id": user_id, "username": "alice"},
            match=[query_param_matcher(query)],
        )
        assert client.me(TOKEN) == Profile("17841405793187218", "alice")


DESCRIPTION = {
    "type": "USER",
    "application": "Keeper",
    "is_valid": True,
    "issued_at": 1800000000,
    "expires_at": 1805184000,
    "data_access_expires_at": 1807776000,
    "scopes": ["threads_basic", "threads_content_publish"],
    "user_id": "17841405793187218",
}
INSPECTION = Inspection(
    is_valid=True,
    user_id="17841405793187218",
    issued_at=datetime(2027, 1, 15, 8, tzinfo=UTC),
    expires_at=datetime(2027, 3, 16, 8, tzinfo=UTC),
    data_access_expires_at=datetime(2027, 4, 15, 8, tzinfo=UTC),
    scopes=("threads_basic", "threads_content_publish"),
)


@pytest.mark.parametrize("wrap", [lambda data: {"data": data}, lambda data: {"data": [data]}])
def test_a_token_inspects_itself(client: ThreadsClient, wrap: Callable[[object], object]) -> None:
    query = {"access_token": TOKEN, "input_token": TOKEN}
    with responses.RequestsMock() as threads:
        threads.get(
            "https://graph.threads.com/v1.0/debug_token", json=wrap(DESCRIPTION), match=[query_param_matcher(query)]
        )
        assert client.inspect(TOKEN) == INSPECTION


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"expires_at": 0}, {"expires_at": None}),
        ({"issued_at": None, "scopes": None}, {"issued_at": None, "scopes": ()}),
        ({"data_access_expires_at": True}, {"data_access_expires_at": None}),
        ({"expires_at": 10**12}, {"expires_at": None}),
        ({"expires_at": 10**30}, {"expires_at": None}),
        ({"user_id": 17841405793187218}, {"user_id": "17841405793187218"}),
        ({"scopes": ["threads_basic", "a,b", 7]}, {"scopes": ("threads_basic",)}),
        ({"is_valid": False}, {"is_valid": False}),
    ],
)
def test_an_inspection_takes_what_it_can_read(
    client: ThreadsClient, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/debug_token", json={"data": DESCRIPTION | changes})
        found = client.inspect(TOKEN)
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("body", ["{}", '{"data": 5}', '{"data": {"is_valid": "yes"}}', "<html>", '{"error": "x"}'])
def test_an_inspection_that_cannot_be_read_says_nothing(client: ThreadsClient, body: str) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/debug_token", body=body)
        assert client.inspect(TOKEN) is None


def test_a_wrapped_reply_is_unwrapped(client: ThreadsClient) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json={"data": [GOOD]})
        assert client.refresh_token(TOKEN).access_token == "THnew"


@pytest.mark.parametrize(("expires_in", "expected"), [(None, None), (0, None), ("x", None), (True, None), ("86400", 1)])
def test_an_expiry_that_was_not_said_is_not_made_up(
    client: ThreadsClient, expires_in: object, expected: int | None
) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | {"expires_in": expires_in})
        assert client.refresh_token(TOKEN).expires_in == (timedelta(days=expected) if expected else None)


def test_an_expiry_beyond_all_reason_does_not_overflow(client: ThreadsClient) -> None:
    with responses.RequestsMock() as threads:
        threads.get(REFRESH_URL, json=GOOD | {"expires_in": 10**17})
        lifetime = client.refresh_token(TOKEN).expires_in
    assert lifetime is not None
    assert datetime.now(UTC) + lifetime


# What an answer means when it is no good one


def shape_1(message: str, code: int = 400) -> dict[str, Any]:
    return {"error_type": "OAuthException", "code": code, "error_message": message}


def shape_2(code: int, message: str = "Whatever", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1", **more}}


def shape_3(code: int, message: str = "Whatever") -> dict[str, Any]:
    return {"error_message": message, "error_code": code}


def shape_4(error: str, description: str = "Whatever") -> dict[str, Any]:
    return {"error": error, "error_description": description}


EXPIRED = "Error validating access token: Session has expired on Sunday, 01-Nov-26 00:00:00 PST."
APPLICATION = "Error validating application. Cannot get application info due to a system error."
WHITELIST = "URL Blocked. This redirect failed because the redirect URI is not whitelisted"
NOT_INVITED = "The user has not accepted the invite to test the app"
REFUSALS: list[tuple[type[KeeperError], int, dict[str, Any]]] = [
    *[(ThreadsUnavailable, status, shape_2(190)) for status in (500, 502, 503)],
    (ThreadsUnavailable, 400, shape_2(99, is_transient=True)),
    (ThreadsUnavailable, 400, shape_2(2)),
    (ThreadsUnavailable, 400, shape_3(2)),
    (ThreadsUnavailable, 200, shape_2(2)),
    (ThreadsUnavailable, 400, shape_2(1, "An unknown error has occurred")),
    (ThreadsUnavailable, 400, shape_3(1, "An unknown error has occurred")),
    *[(Throttled, 400, shape_2(code)) for code in (4, 17, 32, 341, 613)],
    (Throttled, 400, shape_3(4)),
    (Throttled, 429, {}),
    (BlockedForNow, 400, shape_2(368)),
    *[(TokenRefused, 400, shape_2(190, EXPIRED, error_subcode=n)) for n in (458, 459, 460, 463, 464, 467, 492, 999)],
    (TokenRefused, 400, shape_2(190)),
    (TokenRefused, 400, shape_2(190, "The redirect_uri and the client secret of the application")),
    (TokenRefused, 400, shape_3(190, EXPIRED)),
    (TokenRefused, 200, shape_2(190, EXPIRED, error_subcode=463)),
    (TokenRefused, 400, shape_2(102)),
    (TokenRefused, 401, {}),
    (TokenRefused, 401, shape_4("invalid_token")),
    *[(PermissionMissing, 403, shape_2(code)) for code in (10, 200, 299)],
    (PermissionMissing, 400, shape_3(10)),
    (AppMisconfigured, 400, shape_2(101, APPLICATION)),
    (AppMisconfigured, 400, shape_2(1, APPLICATION)),
    (AppMisconfigured, 400, shape_2(1, "Error validating client secret.")),
    (AppMisconfigured, 400, shape_1("Error validating client_secret")),
    (AppMisconfigured, 400, shape_1("Make sure your redirect_uri is identical to the one you used")),
    (AppMisconfigured, 400, shape_2(191)),
    (AppMisconfigured, 400, shape_3(1349168, WHITELIST)),
    (AppMisconfigured, 400, shape_3(1349245, NOT_INVITED)),
    (AppMisconfigured, 400, shape_3(1349026, "No application data was given")),
    (AppMisconfigured, 400, shape_3(4476002, "No app ID was provided")),
    (AppMisconfigured, 200, shape_3(1349187, "Insecure Login Blocked")),
    (AppMisconfigured, 400, shape_4("invalid_client")),
    (AppMisconfigured, 400, shape_4("unauthorized_client")),
    (CodeSpent, 400, shape_1("Matching code was not found or was already used")),
    (CodeSpent, 200, shape_1("Matching code was not found or was already used")),
    (CodeSpent, 400, shape_4("invalid_grant", "This authorization code has been used.")),
    (UnclearRefusal, 400, shape_2(100)),
    (UnclearRefusal, 400, shape_2(24, "The requested resource does not exist")),
    (UnclearRefusal, 400, shape_1(EXPIRED)),
    (UnclearRefusal, 400, shape_1(EXPIRED, code=190)),
    (CodeSpent, 400, shape_4("invalid_grant", EXPIRED)),
    (CodeSpent, 200, shape_4("invalid_grant", EXPIRED)),
    (UnclearRefusal, 400, {}),
    (UnclearRefusal, 404, {}),
]


@pytest.mark.parametrize(
    ("expected", "status", "body"), REFUSALS, ids=[f"{e.__name__}-{s}-{json.dumps(b)[:60]}" for e, s, b in REFUSALS]
)
def test_an_error_is_read_whatever_its_shape(
    client: ThreadsClient, expected: type[KeeperError], status: int, body: dict[str, Any]
) -> None:
    error = expect(client, status, body)
    assert type(error) is expected
    assert "Whatever" not in str(error)
    assert "Session has expired" not in str(error)


@pytest.mark.parametrize("word", ["temporarily_unavailable", "server_error"])
def test_the_words_of_rfc_6749_for_a_passing_fault_are_understood(client: ThreadsClient, word: str) -> None:
    assert type(expect(client, 400, shape_4(word))) is ThreadsUnavailable


def test_an_error_keeps_the_codes_for_who_looks_them_up(client: ThreadsClient) -> None:
    assert "HTTP 400, code 190, subcode 463" in str(expect(client, 400, shape_2(190, EXPIRED, error_subcode=463)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!doctype html><title>Threads</title>",
        '{"access_token": "THnew", "expires_in"',
        "[" * 100_000,
        '{"a":' * 100_000,
        "null",
        "[]",
        '"THnew"',
        "5",
        "{}",
        "\ufeff{}",
        b"\xff\xfe\x00",
        '{"data": []}',
        '{"data": [5]}',
        {"token_type": "bearer", "expires_in": 5183944},
        GOOD | {"access_token": None},
        GOOD | {"access_token": ""},
        GOOD | {"access_token": ["THnew"]},
        GOOD | {"access_token": "TH new"},
        GOOD | {"access_token": "<b>"},
        GOOD | {"access_token": "T" * 4097},
        GOOD | {"access_token": "TH\u00e9"},
        GOOD | {"expires_in": 3600},
    ],
)
def test_a_200_without_a_long_lived_token_is_not_usable(
    client: ThreadsClient, body: str | bytes | dict[str, Any]
) -> None:
    assert type(expect(client, 200, body)) is UnusableReply


@pytest.mark.parametrize(
    ("status", "expected"),
    [(204, UnusableReply), (302, UnusableReply), (304, UnusableReply), (502, ThreadsUnavailable)],
)
def test_an_empty_answer_is_judged_by_its_status(
    client: ThreadsClient, status: int, expected: type[KeeperError]
) -> None:
    assert type(expect(client, status, "")) is expected


@pytest.mark.parametrize(
    ("status", "expected"), [(302, UnusableReply), (404, UnreadableRefusal), (502, ThreadsUnavailable)]
)
def test_a_web_page_is_judged_by_its_status(client: ThreadsClient, status: int, expected: type[KeeperError]) -> None:
    assert type(expect(client, status, "<!doctype html><title>Threads</title>")) is expected


@pytest.mark.parametrize("status", [201, 302])
def test_a_token_counts_in_a_200_only(client: ThreadsClient, status: int) -> None:
    assert type(expect(client, status, GOOD)) is UnusableReply


@pytest.mark.parametrize(
    "body",
    [
        {"id": "17841405793187218"},
        {"username": "alice"},
        {"id": None, "username": "alice"},
        {"id": True, "username": "alice"},
        {"id": "m e", "username": "alice"},
        {"id": "1" * 64, "username": "alice"},
        {"id": "1", "username": 5},
    ],
)
def test_a_profile_without_a_name_and_a_number_is_not_usable(client: ThreadsClient, body: dict[str, Any]) -> None:
    with responses.RequestsMock() as threads:
        threads.get("https://graph.threads.com/v1.0/me", json=body)
        with pytest.raises(UnusableReply):
            client.me(TOKEN)


# What is repeated, and what is not


def test_a_code_is_never_sent_twice_after_it_may_have_left() -> None:
    with serving(None, http({"access_token": "THshort"})) as server:
        with pytest.raises(LostReply):
            exchange_code(ThreadsClient(server.url))
        time.sleep(0.1)
        assert len(server.requests) == 1
        assert f"code={CODE}" in server.requests[0]


@pytest.mark.parametrize("status", [500, 503, 302])
def test_a_code_is_not_sent_again_after_an_error_either(status: int) -> None:
    with serving(http({}, status, "Location: /again"), http({"access_token": "THshort"})) as server:
        with pytest.raises(KeeperError):
            exchange_code(ThreadsClient(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("passing", [None, http({}, 503), http(shape_2(2), 400), http(GOOD)[:-5]])
def test_a_refresh_is_asked_again_where_threads_could_not_answer(passing: Reply) -> None:
    with serving(passing, passing, http(GOOD)) as server:
        assert ThreadsClient(server.url).refresh_token(TOKEN).access_token == "THnew"
        assert len(server.requests) == 3


def test_a_refresh_is_asked_three_times_and_no_more() -> None:
    with serving(None) as server:
        with pytest.raises(LostReply):
            ThreadsClient(server.url).refresh_token(TOKEN)
        assert len(server.requests) == 3


@pytest.mark.parametrize("body", [shape_2(190), shape_2(4), shape_2(368), shape_2(10), shape_2(100)])
def test_a_refusal_is_not_asked_again(body: dict[str, Any]) -> None:
    with serving(http(body, 400)) as server:
        with pytest.raises(KeeperError):
            ThreadsClient(server.url).refresh_token(TOKEN)
        assert len(server.requests) == 1


def test_a_refused_connection_lost_no_reply_and_tells_no_secret(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = ThreadsClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
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
        assert exchange_code(ThreadsClient(f"http://127.0.0.1:{listener.getsockname()[1]}")) == "THshort"
        thread.join()
        assert len(seen) == 1


# Answers that drip, swell or lead elsewhere


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


def test_a_body_that_drips_ends() -> None:
    started = time.monotonic()
    with serving(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" ")) as server:
        with pytest.raises(LostReply):
            exchange_code(ThreadsClient(server.url))
        assert time.monotonic() - started < 2


def test_a_hanging_server_ends() -> None:
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


def test_a_compressed_body_is_read_however_it_comes() -> None:
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


# Whom tokens go to


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody knows."""

    path: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server(self, host: str, folder: Path) -> ssl.SSLContext:
        """Make what a TLS server needs that is called so."""
        key = ec.generate_private_key(ec.SECP256R1())
        name: x509.GeneralName = x509.DNSName(host)
        if host[0].isdigit():
            name = x509.IPAddress(ip_address(host))
        certificate = (
            _certificate(host, key, self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = folder / f"{host}.pem"
        file.write_bytes(_pem(certificate) + _pem_key(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    itself = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Nobody knows")])
    certificate = (
        _certificate("Nobody knows", key, itself)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_MAY_SIGN_CERTIFICATES, critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(_pem(certificate))
    return Authority(path, key, certificate)


_PURPOSES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_MAY_SIGN_CERTIFICATES = x509.KeyUsage(
    **dict.fromkeys(_PURPOSES, False), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
)


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    """Begin a certificate that is whole by RFC 5280, as Python 3.13 and later want it."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    traditional, none = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, traditional, none)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """Put this authority in the place of the ones that certifi knows."""
    monkeypatch.setattr(module, "ca_bundle", lambda: str(authority.path))


def test_a_certificate_of_an_unknown_authority_is_refused(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.path))
    with serving(http(GOOD), tls=authority.server("127.0.0.1", tmp_path)) as server:
        with pytest.raises(ThreadsUnavailable) as raised:
            exchange_code(ThreadsClient(server.url))
        assert type(raised.value) is ThreadsUnavailable
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_a_known_authority_is_accepted(authority: Authority, tmp_path: Path) -> None:
    with serving(http(GOOD), tls=authority.server("127.0.0.1", tmp_path)) as server:
        assert exchange_code(ThreadsClient(server.url)) == "THnew"


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_refused(authority: Authority, tmp_path: Path) -> None:
    with serving(http(GOOD), tls=authority.server("elsewhere.example", tmp_path)) as server:
        with pytest.raises(ThreadsUnavailable):
            exchange_code(ThreadsClient(server.url))
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_tls_that_breaks_after_the_code_left_is_a_lost_reply(authority: Authority, tmp_path: Path) -> None:
    def break_off(connection: socket.socket) -> None:
        # Bytes that are no TLS record, past the TLS layer.
        raw = socket.socket(fileno=connection.fileno())
        raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        raw.detach()

    with serving(break_off, tls=authority.server("127.0.0.1", tmp_path)) as server:
        with pytest.raises(LostReply):
            exchange_code(ThreadsClient(server.url))
        assert len(server.requests) == 1


def test_proxies_and_passwords_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(http(GOOD)) as server:
        assert exchange_code(ThreadsClient(server.url)) == "THnew"
    assert "Authorization" not in server.requests[0]


def test_cookies_are_not_kept() -> None:
    with serving(http(GOOD, 200, "Set-Cookie: who=alice; Path=/")) as server:
        client = ThreadsClient(server.url)
        exchange_code(client)
        exchange_code(client)
    assert len(server.requests) == 2
    assert "who=alice" not in "".join(server.requests)


# What nobody may see

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
        client = ThreadsClient(server.url)
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
        ThreadsClient(server.url).refresh_token(TOKEN)
    assert TOKEN in server.requests[0]
    assert TOKEN not in caplog.text


def test_a_token_shows_itself_to_nobody_who_prints_it() -> None:
    assert TOKEN not in repr(LongLivedToken(TOKEN, None))
    assert TOKEN not in f"{LongLivedToken(TOKEN, None)}"
