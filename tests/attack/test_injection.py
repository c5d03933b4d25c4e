"""Injection by parameters, headers and paths."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.attack.target import FORM, Target

NASTY = [
    "%0d%0aSet-Cookie:%20injected=1",
    "%0aLocation:%20https://evil.example",
    "%E5%98%8A%E5%98%8DSet-Cookie:%20injected=1",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "%F0%9D%95%92",
    "{{7*7}}${7*7}%3Cscript%3Ealert(1)%3C/script%3E",
    "' OR labels.managed-by:*",
    "../../versions/latest",
    "%u0041",
    "A" * 60_000,
    "&".join(["x"] * 5_000),
]


@pytest.mark.parametrize("name", ["code", "state", "receipt", "error", "error_description", "x"])
def test_nothing_in_a_parameter_becomes_a_header_markup_or_a_fault(nothing_changes: Target, name: str) -> None:
    callback, cookie = nothing_changes.begin("alice")
    honest = parse_qs(urlsplit(callback).query)
    for nasty in NASTY:
        for path in ("/", "/login", "/callback", "/signed-in", "/deletion"):
            others = {"code": honest["code"], "state": ["changed"]}
            others.pop(name, None)
            query = f"{name}={nasty.replace(' ', '%20')}&{urlencode(others, doseq=True)}"
            reply = nothing_changes.ask(f"{path}?{query}", cookie=cookie)
            assert reply.status in (200, 302, 400), (path, nasty[:40])
            assert "injected" not in str(reply.headers)
            assert "evil.example" not in str(reply.headers)
            assert "<script>" not in reply.body


def test_a_code_with_anything_in_it_reaches_threads_as_a_code_and_nothing_else(target: Target) -> None:
    before = target.writes()
    for nasty in [*NASTY[:11], "c%26grant_type=th_exchange_token%26client_secret=x", "c#_#_", "%23_"]:
        login = target.ask("/login")
        state = quote(login.cookie.partition("=")[2])
        reply = target.ask(f"/callback?code={quote(nasty, safe='%')}&state={state}", cookie=login.cookie)
        assert reply.status == 400, nasty
    assert target.writes() == before


def test_no_header_makes_one_request_into_another(nothing_changes: Target) -> None:
    asked = nothing_changes.threads.signed_request("alice")
    body = urlencode({"signed_request": asked})
    for name, value in [
        ("X-HTTP-Method-Override", "POST"),
        ("X-HTTP-Method", "POST"),
        ("X-Method-Override", "POST"),
        ("X-Original-URL", "/delete"),
        ("X-Rewrite-URL", "/delete"),
        ("X-Forwarded-Path", "/delete"),
        ("X-Forwarded-Prefix", "/delete"),
        ("X-Original-Method", "POST"),
        ("SCRIPT_NAME", "/delete"),
        ("PATH_INFO", "/delete"),
        ("Upgrade", "h2c"),
        ("X-Forwarded-Proto", "\xff"),
        ("X-Cloud-Trace-Context", "\xff" * 99),
        ("Function-Execution-Id", "\xff<script>"),
        ("traceparent", "00-0-0-0"),
        ("Range", "bytes=0-1"),
        ("Accept", "\xff;q=x"),
        ("If-None-Match", "*"),
    ]:
        headers = {**FORM, name: value, "Content-Length": str(len(body))}
        raw = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        answer = nothing_changes.raw(
            f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{raw}\r\n{body}".encode("latin-1")
        )
        assert re.match(rb"HTTP/1.1 (200|400) ", answer), (name, answer[:100])


@pytest.mark.parametrize(
    "path", ["/callback/", "/callback;x", "/callback%2f", "/./callback", "/x/../callback", "/CALLBACK", "/callback%20",
             "/callback%00", "/\\callback", "/callback.", "/callback%3Fcode", "/keeper.example/callback", "/robots.txt"]
)  # fmt: skip
def test_no_other_path_is_the_callback(nothing_changes: Target, path: str) -> None:
    callback, cookie = nothing_changes.begin("alice")
    reply = nothing_changes.raw(
        f"GET {path}?{urlsplit(callback).query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        .encode()
    )  # fmt: skip
    assert re.match(rb"HTTP/1.1 40[04] ", reply), reply[:100]
    assert b"Location" not in reply


@pytest.mark.parametrize("path", ["//login", "//evil.example/..", "///evil.example", "/login//", "//evil.example%2f"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:x", "a b/c", "[", "\xff", ""])
def test_no_host_and_no_path_becomes_a_redirect_of_ours(nothing_changes: Target, path: str, host: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    reply = nothing_changes.raw(request)
    assert not re.match(rb"HTTP/1.1 5", reply), reply[:100]
    assert b"evil.example" not in reply
