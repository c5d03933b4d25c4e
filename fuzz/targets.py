"""The fuzz targets. Each takes bytes and raises if a promise is broken.

The promises: only errors of `token_keeper.errors` are raised, nothing forged is accepted, no message contains a secret,
and no reply is a 5xx.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuzz import answers, signed, stored, visits
from fuzz.support import Test


@dataclass(frozen=True)
class Target:
    """A function that makes the test, importing what it tests, and the inputs that the fuzzer starts from."""

    make: Callable[[], Test]
    seeds: tuple[bytes, ...]


ERROR = (
    b'{"error": {"code": 190, "error_subcode": 463, "type": "OAuthException", "message": "m", "is_transient": true}}'
)
TARGETS = {
    "signed": Target(signed.make_signed, (b"\x00\x05\x06A", b"\x01eyJub25jZSI6Im4ifQ.x", b"\x01.eJyr")),
    "deletion_code": Target(signed.make_deletion_code, (b"\x00\x05\x06A", b"\x01" + b"A" * 32)),
    "signed_request": Target(signed.make_signed_request, (b"\x00\x05\x06A", b"\x01a.eyJhIjoxfQ")),
    "signed_payload": Target(
        signed.make_signed_payload,
        (b'{"algorithm": "HMAC-SHA256", "issued_at": 1700000000, "user_id": "17841"}', b"[[[[1]]]]"),
    ),
    "http": Target(
        visits.make_http,
        (
            b"GET callback?code=c&state=s\nCookie: __Host-threads-state-043a718774c5=s\n\n",
            b"GET callback?error=access_denied&error_reason=user_denied&state=s%23_\nSec-Purpose: prefetch\n\n",
            b"POST delete\nContent-Type: application/x-www-form-urlencoded\n\nsigned_request=a.b",
            b"POST uninstall\nContent-Type: multipart/form-data; boundary=x\n\n--x\r\nContent-Disposition: form-data; "
            b'name="signed_request"\r\n\r\na.b\r\n--x--\r\n',
            b"GET signed-in?receipt=r\nX-Cloud-Trace-Context: 0123456789abcdef0123456789abcdef/1;o=1\n\n",
            b"GET deletion?code=AAAA\n\n",
            b"GET login\nHost: evil.example\n\n",
            b"GET \nAccept: text/html;q=0.5\n\n",
        ),
    ),
    "cookie": Target(visits.make_cookie, (b"\x00\x00\x00", b"\x00\x05\x06A", b"\x01a=b; c=d", b'\x01a="b\\073; c"')),
    "retry_after": Target(
        answers.make_retry_after, (b"3600", b"Fri, 31 Dec 2199 23:59:59 GMT", b"31 Dec 99 1:2 -2359")
    ),
    "reply": Target(
        answers.make_reply,
        (
            b'\x00{"access_token": "TH", "expires_in": 5184000.0}',
            b'\x00{"access_token": "TH", "expires_in": "5184000.0"}',
            b'\x033600 {"error": {"code": 80002}}',
            b'\x00{"access_token": "TH", "expires_in": 5184000, "id": "1", "username": "a"}',
            b"\x01" + ERROR,
            b'\x01{"error_type": "OAuthException", "code": 400, "error_message": "Matching code was not found"}',
            b'\x01{"error": "invalid_client", "error_description": "d"}',
            b'\x01{"error_code": 1349168, "error_message": "m"}',
            b'\x00{"data": [{"is_valid": true, "user_id": "1", "scopes": ["a_b"], "expires_at": 1800000000}]}',
        ),
    ),
    "wire": Target(
        answers.make_wire,
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"access_token": "TH"}',
            b"HTTP/1.1 302 Found\r\nLocation: https://x/y\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://[::1]/\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            b"HTTP/1.1 401 No\r\nContent-Length: 2, 2\r\nWWW-Authenticate: x\r\n\r\n{}",
        ),
    ),
    "facts": Target(
        stored.make_facts,
        (
            b"alice\n3\n2026-11-01T12:00:00Z\n2027-01-01T00:00:00Z\na,b\n2027-01-01T00:00:00+14:00\nthreads-token-alice",
            b"a\n1\n0001-01-01T00:00:00+14:00\n9999-12-31T23:59:59-14:00\n",
        ),
    ),
    "settings": Target(
        stored.make_settings, (b"demo\n1\nsecret\nhttps://x:1/y\n[::1]:80\na,b\nhttp://localhost\n24\n99",)
    ),
    "token": Target(stored.make_token, (b"THQVJtoken", b"\xfeTH\xa0")),
    "time": Target(
        stored.make_time, (b"2026-11-01T12:00:00Z", b"0001-01-01T00:00:00+14:00", b"2026-W44-7T12:00,5+01:00:30")
    ),
}
