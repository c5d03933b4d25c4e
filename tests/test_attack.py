"""From outside, over real sockets, against the public function as it is deployed: gunicorn with 32 threads.

Every attempt must fail without a 5xx, without a traceback and without a write to Secret Manager.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from conftest import ACCOUNT_LABELS, APP_ID, APP_SECRET, MAIN, PUBLIC_URL, consent, sign_in
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from token_keeper import signed_request
from token_keeper import threads as threads_client
from token_keeper.account import Account, Facts, looks_like_token, secret_id_for
from token_keeper.clock import parse_rfc3339
from token_keeper.errors import BadRequest, KeeperError, SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings, Secret
from token_keeper.signing import Signer, read_deletion_code

COOKIE = "__Host-threads-state"
WRITES = {"CreateSecret", "AddSecretVersion", "UpdateSecret", "DestroySecretVersion", "DeleteSecret"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Google's quota is turned up, as elsewhere in these tests, so that nobody waits for it.
SERVE = (
    "from token_keeper import store; store.QUOTA_PER_MINUTE = 600_000\n"
    "from functions_framework._cli import _cli; _cli()"
)


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire. `headers` keeps the order, and what is there twice."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def cookie(self) -> str:
        return self["Set-Cookie"].partition(";")[0]


class Target:
    """The public function in a process of its own, and both sandboxes that it stands on."""

    def __init__(self, threads: LocalThreads, manager: SecretManager, log: Path) -> None:
        self.threads, self.manager, self.log = threads, manager, log
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        environ = {
            **os.environ,
            "GOOGLE_CLOUD_PROJECT": "demo",
            "SECRET_MANAGER_EMULATOR_HOST": manager.address,
            "THREADS_APP_ID": APP_ID,
            "THREADS_APP_SECRET": APP_SECRET,
            "PUBLIC_URL": PUBLIC_URL,
            "THREADS_AUTHORIZE_URL": f"{threads.url}/oauth/authorize",
            "THREADS_API_URL": threads.url,
            "THREADS": "32",
            "FORWARDED_ALLOW_IPS": "192.0.2.1",  # in the cloud too, who connects is not the loopback address
        }
        options = ["--target=oauth", f"--source={MAIN}", "--host=127.0.0.1", f"--port={self.port}"]
        command = [sys.executable, "-c", SERVE, *options]
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                command, cwd=MAIN.parent, env=environ, start_new_session=True, stdout=written, stderr=subprocess.STDOUT
            )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                return self.connect().close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < until
                time.sleep(0.02)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            return Reply(reply.status, reply.getheaders(), reply.read().decode())

    def post(self, path: str, form: Any) -> Reply:
        return self.ask(path, "POST", urlencode(form), **FORM)

    def raw(self, request: bytes, patience: float = 1.0) -> bytes:
        """Send bytes and nothing after them; give what comes until silence or the end."""
        with closing(self.connect(patience)) as connection, suppress(OSError):
            answer = bytearray()
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        return bytes(answer)

    def allow(self, username: str) -> str:
        """Let a new person of this name sign in; give the name of their secret."""
        self.threads.people.add(username)
        secret_id = secret_id_for(username)
        assert secret_id
        self.manager.create(secret_id, labels=ACCOUNT_LABELS)
        return secret_id

    def begin(self, person: str) -> tuple[str, str]:
        """Start a sign-in and consent; give the callback's address and the browser's cookie."""
        login = self.ask("/login")
        return consent(self.threads, login["Location"], person), login.cookie

    def sign_in(self, person: str) -> Reply:
        callback, cookie = self.begin(person)
        return self.ask(callback, cookie=cookie)

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.manager.calls if call[0] in WRITES]

    def spent_codes(self) -> int:
        return sum(call == "exchange_code" for call, _ in self.threads.control.calls)

    def memory(self) -> int:
        """Give the resident memory of the function's processes, in KiB."""
        found = 0
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and os.getsid(int(entry.name)) == self.process.pid:
                    found += int(re.findall(r"VmRSS:\s+(\d+)", (entry / "status").read_text())[0])
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    clock = Clock()
    log = tmp_path_factory.mktemp("attack") / "log"
    with (
        LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET) as threads,
        SecretManager(clock) as manager,
    ):
        target = Target(threads, manager, log)
        try:
            yield target
        finally:
            target.stop()


@pytest.fixture
def target(served: Target) -> Iterator[Target]:
    """The served function; whatever a test did to it, it answers afterwards and has logged no traceback."""
    before = served.log.stat().st_size
    yield served
    assert served.ask("/").status == 200
    logged = served.log.read_text(errors="replace")[before:]
    assert "Traceback" not in logged


@pytest.fixture
def nothing_changes(target: Target) -> Iterator[Target]:
    """As `target`; and not one write reaches Secret Manager, nor does a code reach Threads."""
    before = target.writes(), target.spent_codes()
    yield target
    assert (target.writes(), target.spent_codes()) == before


_names = iter(range(10_000))


def somebody() -> str:
    return f"somebody{next(_names)}"


# Another's browser (CSRF, login CSRF), with cookies that a neighbouring host may set


def look_alikes(cookie: str) -> list[str]:
    """Give what a browser can be made to send for a cookie whose name only seems to have the `__Host-` prefix."""
    value = cookie.partition("=")[2]
    spaces = ["\u2000", "\u00a0", "\u3000", "\u0085", "\x0b", "\x0c", "\x1f", "\u200b", "\ufeff"]
    names = [
        "threads-state",
        COOKIE.lower(),
        COOKIE.upper(),
        "__Secure-threads-state",
        f'"{COOKIE}"',
        "$Version=1; $" + COOKIE,
        COOKIE + "[]",
        COOKIE.replace("-", "%2D"),
        "=" + COOKIE,
        *(space + COOKIE for space in spaces),
        *(COOKIE + space for space in spaces),
    ]
    return [f"{name}={value}" for name in names] + [f"x={cookie}", f'x="; {cookie}"'.replace(";", ",")]


def test_no_cookie_that_a_neighbour_can_set_stands_in_for_ours(nothing_changes: Target) -> None:
    callback, cookie = nothing_changes.begin("mallory")
    for tossed in look_alikes(cookie):
        reply = nothing_changes.ask(callback, cookie=tossed.encode().decode("latin-1"))
        assert reply.status in (400, 431), tossed


def test_no_cookie_that_a_neighbour_can_set_takes_the_place_of_the_victims(nothing_changes: Target) -> None:
    callback, attackers = nothing_changes.begin("mallory")
    own = nothing_changes.ask("/login").cookie
    for tossed in look_alikes(attackers):
        for cookies in (f"{own}; {tossed}", f"{tossed}; {own}"):
            assert nothing_changes.ask(callback, cookie=cookies.encode().decode("latin-1")).status in (400, 431)


def test_a_cookie_that_is_no_text_keeps_nobody_from_signing_in(target: Target) -> None:
    """A neighbouring host can set such a cookie, and leave it in a browser for a year."""
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    assert target.ask(callback, cookie=f"{cookie}; tossed=\xff").status == 303
    assert len(target.manager.payloads(secret_id)) == 1


def test_cookies_without_number_are_borne(target: Target) -> None:
    person = somebody()
    target.allow(person)
    callback, cookie = target.begin(person)
    many = "; ".join(f"c{n}=x" for n in range(700))
    assert target.ask(callback, cookie=f"{many}; {cookie}").status == 303
    assert target.ask("/", cookie="; ".join(f"c{n}=x" for n in range(20_000))).status in (200, 431)


# Everything again: replays, and each signed thing in each other's place


def test_a_callback_that_is_sent_again_word_for_word_adds_nothing(target: Target) -> None:
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    assert target.ask(callback, cookie=cookie).status == 303
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: target.ask(callback, cookie=cookie).status, range(8)))
    assert again == [400] * 8
    assert len(target.manager.payloads(secret_id)) == 1


def test_of_one_callback_sent_eight_times_at_once_one_counts(target: Target) -> None:
    person = somebody()
    secret_id = target.allow(person)
    callback, cookie = target.begin(person)
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: target.ask(callback, cookie=cookie).status, range(8)))
    assert statuses == [303] + [400] * 7
    assert len(target.manager.payloads(secret_id)) == 1


def test_no_mixture_of_two_sign_ins_spends_a_code(nothing_changes: Target) -> None:
    """Code injection: the thief has a code and not the browser that asked for it."""
    victims, victims_cookie = nothing_changes.begin("alice")
    thiefs, thiefs_cookie = nothing_changes.begin("mallory")
    code, state = (parse_qs(urlsplit(victims).query)[name][0] for name in ("code", "state"))
    thiefs_state = parse_qs(urlsplit(thiefs).query)["state"][0]
    for query, cookie in [
        ({"code": code, "state": state}, thiefs_cookie),
        ({"code": code, "state": thiefs_state}, victims_cookie),
        ({"code": code, "state": thiefs_state}, f"{victims_cookie}; {thiefs_cookie}"),
        ({"code": code, "state": state + "," + thiefs_state}, thiefs_cookie),
        ({"code": code, "state[]": thiefs_state}, thiefs_cookie),
        ({"code[]": code, "state": thiefs_state}, thiefs_cookie),
        ({"code": code, " state": thiefs_state}, thiefs_cookie),
        ({"Code": code, "STATE": thiefs_state}, thiefs_cookie),
    ]:
        assert nothing_changes.ask("/callback?" + urlencode(query), cookie=cookie).status == 400
    for text in (f"code={code};state={thiefs_state}", f"code={code}%26state={thiefs_state}", f"#code={code}"):
        assert nothing_changes.ask("/callback?" + quote(text, safe="=%;"), cookie=thiefs_cookie).status == 400


def test_what_is_signed_for_one_place_is_refused_in_every_other(target: Target) -> None:
    person = somebody()
    target.allow(person)
    _, cookie = target.begin(person)
    receipt = parse_qs(urlsplit(target.sign_in(person)["Location"]).query)["receipt"][0]
    asked = target.threads.signed_request(person)
    confirmed = re.findall(r'"confirmation_code": "(\w+)"', target.post("/delete", {"signed_request": asked}).body)[0]
    tickets = {"state": cookie.partition("=")[2], "receipt": receipt, "signed_request": asked, "code": confirmed}
    before = target.writes(), target.spent_codes()
    for kind, ticket in tickets.items():
        shown = quote(ticket)
        if kind != "state":
            reply = target.ask(f"/callback?code=c&state={shown}", cookie=f"{COOKIE}={ticket}")
            assert reply.status == 400, kind
        if kind != "receipt":
            assert target.ask(f"/signed-in?receipt={shown}").status == 400, kind
        if kind != "code":
            assert target.ask(f"/deletion?code={shown}").status == 400, kind
        if kind != "signed_request":
            for path in ("/uninstall", "/delete"):
                assert target.post(path, {"signed_request": ticket}).status == 400, kind
    assert (target.writes(), target.spent_codes()) == before


def test_the_same_removal_sent_again_touches_nothing_that_came_after(target: Target) -> None:
    person, other = somebody(), somebody()
    secret_id, others = target.allow(person), target.allow(other)
    assert (target.sign_in(person).status, target.sign_in(other).status) == (303, 303)
    asked = target.threads.signed_request(person, issued_at=int(time.time()) + 1)
    assert target.post("/delete", {"signed_request": asked}).status == 200
    assert set(target.manager.states(secret_id).values()) == {"DESTROYED"}
    time.sleep(1.2)
    assert target.sign_in(person).status == 303
    for path in ("/delete", "/uninstall") * 3:
        assert target.post(path, {"signed_request": asked}).status == 200
    assert list(target.manager.states(secret_id).values()) == ["DESTROYED", "ENABLED"]
    assert target.manager.labels(secret_id)["threads-user-id"]
    assert list(target.manager.states(others).values()) == ["ENABLED"]


@pytest.mark.parametrize("path", ["/uninstall", "/delete"])
def test_a_removal_counts_in_no_other_place_than_the_forms_own_field(nothing_changes: Target, path: str) -> None:
    asked = nothing_changes.threads.signed_request("alice")
    form, multipart = urlencode({"signed_request": asked}), {"Content-Type": "multipart/form-data; boundary=x"}
    part = f'--x\r\nContent-Disposition: form-data; name="signed_request"; filename="f"\r\n\r\n{asked}\r\n--x--\r\n'
    attempts: list[tuple[str, Any, dict[str, str]]] = [
        (f"{path}?{form}", "", FORM),
        (f"{path}?{form}", None, {}),
        (path, f'{{"signed_request": "{asked}"}}', {"Content-Type": "application/json"}),
        (path, form, {"Content-Type": "text/plain"}),
        (path, form, {}),
        (path, form + "&" + form, FORM),
        (path, "signed_request=&" + form, FORM),
        (path, form.replace("=", "[]=", 1), FORM),
        (path, form.replace("=", "%00=", 1), FORM),
        (path, form.upper(), FORM),
        (path, part, multipart),
        (path, part[:-9], multipart),
        (path, form, {"Content-Type": "multipart/form-data; boundary=\xff"}),
        (path, form, {"Content-Type": "multipart/form-data"}),
        (path, "", {"Cookie": form, "signed_request": asked}),
    ]
    for target, body, headers in attempts:
        reply = nothing_changes.ask(target, "POST", body, **headers)
        assert reply.status == 400, (target, headers)
    assert nothing_changes.ask(f"{path}?{form}").status == 405


def test_one_persons_removal_never_names_another(target: Target) -> None:
    """The signature of one's own request over another's payload, and the other way round."""
    one, other = somebody(), somebody()
    secret_ids = [target.allow(one), target.allow(other)]
    assert (target.sign_in(one).status, target.sign_in(other).status) == (303, 303)
    mine, theirs = (target.threads.signed_request(person).split(".") for person in (one, other))
    for forged in (
        f"{mine[0]}.{theirs[1]}",
        f"{mine[0]}.{theirs[1]}.{mine[1]}",
        f"{mine[0]}.{mine[1]}.{theirs[1]}",
        f"{mine[0]},{theirs[0]}.{theirs[1]}",
        f".{theirs[1]}",
        f"{mine[0]}.{mine[1]}{theirs[1]}",
        f"{mine[0]}.{mine[1]}=={theirs[1]}",
    ):
        for path in ("/uninstall", "/delete"):
            assert target.post(path, {"signed_request": forged}).status == 400
    assert [target.manager.states(secret_id) for secret_id in secret_ids] == [{1: "ENABLED"}] * 2


# Names


def test_two_people_who_exchange_their_names_open_neither_account(target: Target) -> None:
    one, other = somebody(), somebody()
    secret_ids = [target.allow(one), target.allow(other)]
    assert (target.sign_in(one).status, target.sign_in(other).status) == (303, 303)
    before = target.writes(), [target.manager.payloads(secret_id) for secret_id in secret_ids]
    local = target.threads
    for name, to in ((one, "meanwhile"), (other, one), ("meanwhile", other)):
        local.people.rename(name, to)
    assert [target.sign_in(person).status for person in (one, other)] == [403, 403]
    assert (target.writes(), [target.manager.payloads(secret_id) for secret_id in secret_ids]) == before


def test_no_spelling_of_a_name_reaches_the_secret_of_another(target: Target) -> None:
    """The Kelvin sign and the long s become `k` and `s` where case is folded; `-` and `.` meet in a secret's name."""
    target.allow("kelvin.s")
    before = target.writes()
    names = ["kelvin-s", "\u212aelvin.s", "kelvin.\u017f", "kelvin..s", "kelvin.s.", "kelvin.s\u200d", "kelvin%2Es"]
    names += ["kelvin\u2024s", "kelvin\uff0es", "kelvin.s/versions/1", "kelvin.s\x00", "kelvin.s?x", "kelvin.s "]
    person = "mallory"
    try:
        for name in names:
            target.threads.people.rename(person, name)
            person = name
            assert target.sign_in(name).status == 403, name
    finally:
        target.threads.people.rename(person, "mallory")
    assert target.writes() == before


# Injection: parameters, headers, paths

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


# The protocol itself

END = "Host: x\r\nConnection: close\r\n"
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
def test_no_odd_request_is_served_twice_or_shakes_the_server(nothing_changes: Target, name: str) -> None:
    reply = nothing_changes.raw(ODD[name].encode("latin-1"))
    assert reply.count(b"/oauth/authorize") == 0, reply[:400]  # of the request that was smuggled along
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
def test_a_body_without_measure_is_cut_off_and_fills_no_memory(
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


def test_slow_clients_below_the_number_of_threads_keep_nobody_waiting(nothing_changes: Target) -> None:
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
        assert time.monotonic() - begun < 5
    finally:
        for connection in slow:
            connection.close()


# Many at once


def garbage(target: Target, stop: threading.Event) -> int:
    """Throw everything at the function until told to stop; give how often, and allow no 5xx."""
    tried = 0
    while not stop.is_set():
        login = target.ask("/login")
        state = quote(login.cookie.partition("=")[2])
        for reply in (
            login,
            target.ask(f"/callback?code=nonsense&state={state}", cookie=login.cookie),
            target.ask("/callback?code=x&state=y"),
            target.post("/delete", {"signed_request": "a.b"}),
            target.ask("/" + "x" * 5000),
            target.ask("/signed-in?receipt=" + "x" * 2000),
        ):
            assert reply.status < 500
            tried += 1
    return tried


def all_sign_in(target: Target, number: int) -> None:
    """Have so many people sign in at once amid garbage, and see that each token is in its own secret."""
    people = [somebody() for _ in range(number)]
    secret_ids = [target.allow(person) for person in people]
    stop = threading.Event()
    with ThreadPoolExecutor(2) as vandals, ThreadPoolExecutor(16) as pool:
        thrown = [vandals.submit(garbage, target, stop) for _ in range(2)]
        try:
            statuses = list(pool.map(lambda person: target.sign_in(person).status, people))
        finally:
            stop.set()
        assert min(future.result() for future in thrown) > 0
    assert statuses == [303] * number
    local = target.threads
    for person, secret_id in zip(people, secret_ids, strict=True):
        payloads = target.manager.payloads(secret_id)
        assert list(payloads) == [1]
        assert local.tokens.owner(payloads[1].decode()) == person
        assert target.manager.labels(secret_id)["threads-user-id"] == local.people[person].id
        assert target.manager.annotations(secret_id)["threads-username"] == person


def test_everybody_who_signs_in_at_once_amid_garbage_gets_their_own_token_kept(target: Target) -> None:
    all_sign_in(target, 40)


def test_callbacks_without_number_fill_no_memory(target: Target) -> None:
    """Nobody needs an account for these: a `state` is to be had from /login, and any code will do."""
    login = target.ask("/login")
    path = f"/callback?code=nonsense&state={quote(login.cookie.partition('=')[2])}"

    def throw(number: int) -> int:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: target.ask(path, cookie=login.cookie).status, range(number))) == {400}
        return target.memory()

    throw(100)
    before = throw(300)
    assert throw(300) - before < 5 * 1024


def test_a_callback_leaves_everything_it_made_to_the_garbage_collector(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    """What is frozen is never collected: anybody could fill the memory by calls that need no account."""
    assert sign_in(oauth, threads).status_code == 303
    frozen = gc.get_freeze_count()
    for _ in range(5):
        assert sign_in(oauth, threads, "mallory").status_code == 403
    assert gc.get_freeze_count() <= frozen


# What stands in Threads' place answers with a redirect; it is not followed, and must not be read without measure


def answering(reply: bytes, more: bytes = b"", times: int = 0) -> tuple[str, Callable[[], int]]:
    """Serve one connection this answer, then `more` so many times; give its address, and how often that went out."""
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
        threads_client.ThreadsClient(url).exchange_code("1", "s", "https://keeper.example/callback", "c")
    assert stopped() < 40


@pytest.mark.parametrize("location", ["http://[", "//[", "https://[::1", "\xff", "http://x:99999999/", ""])
def test_a_redirect_to_nowhere_is_an_unusable_or_lost_reply(location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    url, _ = answering(head.encode("latin-1"))
    with pytest.raises(KeeperError):
        threads_client.ThreadsClient(url).exchange_code("1", "s", "https://keeper.example/callback", "c")


# A small part of what `python -m fuzz` tries for longer, the same every time

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = Secret("a-sentinel-that-is-in-no-message")
ALPHABET = "AZaz09-_.=~|:\r\n\0\u0660\u212a"
JUNK = st.one_of(st.text(), st.text(ALPHABET), st.binary().map(lambda raw: raw.decode("latin-1")))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
META = st.dictionaries(
    st.sampled_from(["error", "code", "error_code", "error_type", "error_subcode", "message", "type", "data", "id",
                     "username", "access_token", "expires_in", "is_valid", "user_id", "expires_at", "scopes"]),
    JSON | st.sampled_from([190, "190", 1349168, -1, 10**30, "unknown error", True, [{}], {"code": 2}]),
)  # fmt: skip


@given(JUNK)
def test_nobodys_text_is_taken_for_signed(text: str) -> None:
    for read in (
        lambda: Signer(KEY, "state", timedelta(minutes=10)).read(text, NOW),
        lambda: read_deletion_code(KEY, text),
        lambda: signed_request.verify(KEY, text),
    ):
        with pytest.raises(BadRequest) as refusal:
            read()
        assert KEY.reveal() not in str(refusal.value)


@given(st.integers(100, 599), META | JSON)
def test_no_reply_of_threads_breaks_its_reader(status: int, reply: Any) -> None:
    body = json.dumps(reply).encode()
    with suppress(KeeperError):
        understood = threads_client._understand(status, body)
        assert status == 200
        with suppress(KeeperError):
            token = threads_client._long_lived(understood)
            assert token.access_token == understood["access_token"]
            assert token.expires_in is None or token.expires_in >= timedelta(days=1)


@given(st.integers(100, 599), st.binary())
def test_no_bytes_break_the_reader_of_replies(status: int, body: bytes) -> None:
    with suppress(KeeperError):
        assert isinstance(threads_client._understand(status, body), dict)


@given(JUNK)
def test_a_token_is_one_word_of_printable_ascii(text: str) -> None:
    if looks_like_token(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \"'<>{}\r\n")


@given(JUNK)
def test_a_name_has_a_secret_of_its_own_or_none(username: str) -> None:
    secret_id = secret_id_for(username)
    if secret_id:
        account = Account.from_secret(secret_id, {}, {}, "")
        assert account.username == username.lower()
        assert account.belongs_to("1", username)


@given(st.dictionaries(st.sampled_from([*Facts(1, NOW, NOW, NOW).annotations("alice"), "x"]), JUNK))
def test_no_annotation_breaks_the_reader_of_facts(annotations: dict[str, str]) -> None:
    facts = Facts.parse(annotations)
    assert facts is None or facts.expires_at.tzinfo is UTC


@given(JUNK)
def test_a_time_is_read_or_refused(text: str) -> None:
    with suppress(ValueError, OverflowError):
        assert parse_rfc3339(text).utcoffset() == timedelta()


@given(st.dictionaries(st.sampled_from(["GOOGLE_CLOUD_PROJECT", "THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL",
                                        "THREADS_SCOPES", "THREADS_API_URL", "SECRET_MANAGER_EMULATOR_HOST",
                                        "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"]), JUNK))  # fmt: skip
def test_no_setting_breaks_their_reader_or_is_quoted(environ: dict[str, str]) -> None:
    good = {"GOOGLE_CLOUD_PROJECT": "demo", "THREADS_APP_ID": "1", "THREADS_APP_SECRET": KEY.reveal()}
    for read in (OAuthSettings.from_environ, RefreshSettings.from_environ):
        with suppress(SettingError):
            read({**good, "PUBLIC_URL": PUBLIC_URL, **environ})


@pytest.mark.parametrize("url", ["HTTP://localhost:8080", "hTtp://127.0.0.1", "HTTPS://graph.threads.com"])
@pytest.mark.parametrize("name", ["PUBLIC_URL", "THREADS_API_URL"])
def test_no_setting_is_read_as_http_here_and_as_https_there(name: str, url: str) -> None:
    """The cookie's prefix, and who checks the certificate, hang on how the setting begins."""
    environ = {"GOOGLE_CLOUD_PROJECT": "demo", "THREADS_APP_ID": "1", "THREADS_APP_SECRET": "s"}
    with suppress(SettingError):
        settings = OAuthSettings.from_environ({**environ, "PUBLIC_URL": PUBLIC_URL, name: url})
        assert settings.on_loopback == (urlsplit(settings.public_url).scheme == "http")
        assert settings.api_url.startswith(("http:", "https:"))
