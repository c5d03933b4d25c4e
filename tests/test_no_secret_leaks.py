"""Every failing path of both functions, with a sentinel for every secret: no sentinel may leave.

The tests search reply bodies and headers, standard output and error, and every log record with its traceback.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask.testing import FlaskClient
from google.api_core.client_logging import StructuredLogFormatter
from grpc import StatusCode
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.faults import MANNERS, Fault
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.server import LocalThreads
from tests.support.app import ACCOUNT_LABELS, APP_ID, PUBLIC_URL, ROOT
from tests.support.sign_in import consent
from tests.threads_client.server import client_of
from token_keeper import clock as keeper_clock
from token_keeper.errors import KeeperError
from token_keeper.settings import OAuthSettings, Secret
from token_keeper.threads import LongLivedToken, ThreadsClient

SECRET = "SENTINEL.app.secret"
CODE = "SENTINEL.code"
TOKEN = "SENTINEL.token."
MARK = "SENTINEL"
HARMLESS = ("delay", "drip", "another_person", "short_lived", "float_lifetime", "no_lifetime", "no_username")


def _decoded(word: str) -> str:
    data = word.rstrip("=").replace("-", "+").replace("_", "/")
    data = data[: len(data) // 4 * 4]
    return base64.b64decode(data).decode("latin-1")


@dataclass
class Witness:
    """Collects what leaves the functions, and finds the secrets in it."""

    heard: io.StringIO = field(default_factory=io.StringIO)
    secrets: set[str] = field(default_factory=lambda: {MARK, quote(MARK)})
    leaks: list[str] = field(default_factory=list)

    def check(self, where: str, text: str, but: tuple[str, ...] = ()) -> None:
        """Note each secret in a text, also in base64, as Google's client writes payloads."""
        text += "".join(_decoded(word) for word in re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text))
        for allowed in but:
            text = text.replace(allowed, "")
        self.leaks += [
            f"{where}: …{text[max(0, text.index(s) - 60) : text.index(s) + 40]}…" for s in self.secrets if s in text
        ]

    def reply(self, where: str, reply: TestResponse, but: tuple[str, ...] = ()) -> None:
        self.check(f"{where}: body", reply.text)
        self.check(f"{where}: headers", str(reply.headers), but)

    def said(self, where: str, capsys: pytest.CaptureFixture[str]) -> None:
        out, err = capsys.readouterr()
        self.check(f"{where}: stdout", out)
        self.check(f"{where}: stderr", err)
        self.check(f"{where}: log", self.heard.getvalue())
        self.heard.seek(0)
        self.heard.truncate()


class OursOnly(logging.Filter):
    """Drops the log lines of the local servers, which log in the same process."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith("werkzeug")


@contextmanager
def everything_logged(witness: Witness) -> Iterator[None]:
    """Collect every log record at DEBUG, Google's too, as an operator sees them who debugs."""
    handler = logging.StreamHandler(witness.heard)
    handler.setFormatter(StructuredLogFormatter())  # as GOOGLE_SDK_PYTHON_LOGGING_SCOPE has it: payloads too
    handler.addFilter(OursOnly())
    loggers = [logging.getLogger(), logging.getLogger("google")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            logger.removeHandler(handler)


@pytest.fixture
def threads(clock: Clock) -> Iterator[LocalThreads]:
    """A local Threads whose app secret, codes and tokens are sentinels."""
    count = iter(range(10**6))
    with LocalThreads(
        clock, app_id=APP_ID, app_secret=SECRET, random_text=lambda _: f"{MARK}.{next(count)}"
    ) as threads:
        yield threads


@pytest.fixture
def limits() -> dict[str, Any]:
    """Shorten all waiting."""
    return {"read_timeout": 0.2, "attempts": 2}


@pytest.fixture
def witness(settings: None, threads: LocalThreads, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """A deployment in which every secret and every word of Meta's is a sentinel."""
    monkeypatch.setenv("THREADS_APP_SECRET", SECRET)
    witness = Witness()
    witness.secrets |= {refusal.message for refusal in REFUSALS.values()}  # Meta's texts may quote a request
    witness.secrets |= {"This fault was asked for", "is denied on"}  # Google's texts may too
    with everything_logged(witness):
        yield witness


def spoilt(call: str) -> list[str]:
    """Return the ways in which the local Threads can spoil its reply to this call."""
    found = []
    for name in MANNERS:
        with suppress(ValueError):  # not every way fits every call
            found.append(Fault(call, name).name)
    return [name for name in found if name not in HARMLESS]


def try_to_sign_in(witness: Witness, oauth: FlaskClient, threads: LocalThreads, where: str) -> TestResponse:
    login = oauth.get("/login", base_url=PUBLIC_URL)
    state = parse_qs(urlsplit(login.headers["Location"]).query)["state"][0]
    witness.reply(f"{where}, login", login, but=(state,))
    witness.secrets.add(state)
    reply = oauth.get(consent(threads, login.headers["Location"]), base_url=PUBLIC_URL)
    witness.reply(where, reply)
    return reply


@pytest.mark.parametrize("call", ["exchange_code", "exchange_token", "me", "debug"])
def test_no_fault_of_threads_makes_a_sign_in_show_a_secret(
    witness: Witness, oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    names = [*REFUSALS, *spoilt(call)] if call != "debug" else spoilt(call)
    for name in names:
        threads.control.fail(call, name, None, **({"shape": 1 + len(name) % 4} if name in REFUSALS else {}))
        try_to_sign_in(witness, oauth, threads, f"{call}, {name}")
        threads.control.clear_faults()
        witness.said(f"{call}, {name}", capsys)
    assert witness.leaks == []


@pytest.mark.parametrize("call", ["refresh", "me", "debug"])
def test_no_fault_of_threads_makes_a_refresh_show_a_secret(
    witness: Witness,
    refresh: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    call: str,
) -> None:
    names = [*spoilt(call), "expired", "permission", "no_resource", "throttled", "bad_app", "unavailable"]
    for number, name in enumerate(names):
        secret_id = f"threads-token-p{number}"
        threads.people.add(f"p{number}")
        manager.create(secret_id, labels=ACCOUNT_LABELS)
        manager.add(secret_id, threads.tokens.issue_long_lived(f"p{number}", age=timedelta(days=2)))
        threads.control.fail(call, name, None, username=f"p{number}")
    for reply in (refresh.post("/"), refresh.get("/"), refresh.get("/", headers={"Accept": "text/html"})):
        witness.reply(call, reply)
    witness.said(call, capsys)
    assert witness.leaks == []
    assert threads.control.calls


@pytest.mark.parametrize("code", [StatusCode.PERMISSION_DENIED, StatusCode.ABORTED, StatusCode.UNAVAILABLE])
@pytest.mark.parametrize("method", ["GetSecret", "UpdateSecret", "AddSecretVersion"])
def test_no_fault_of_secret_manager_makes_a_sign_in_show_a_secret(
    witness: Witness,
    oauth: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    method: str,
    code: StatusCode,
) -> None:
    for when in ("before", "after"):
        manager.fail(method, code, when)  # type: ignore[arg-type]
        try_to_sign_in(witness, oauth, threads, f"{method}, {code.name}, {when}")
        manager.heal()
    witness.said(method, capsys)
    assert witness.leaks == []


@pytest.mark.parametrize(
    "method",
    [
        "ListSecrets",
        "ListSecretVersions",
        "AccessSecretVersion",
        "AddSecretVersion",
        "UpdateSecret",
        "DestroySecretVersion",
    ],
)
def test_no_fault_of_secret_manager_makes_a_refresh_show_a_secret(
    witness: Witness,
    refresh: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    for code in (StatusCode.PERMISSION_DENIED, StatusCode.ABORTED, StatusCode.INVALID_ARGUMENT):
        manager.add("threads-token-alice", threads.tokens.issue_long_lived("alice", age=timedelta(days=2)))
        manager.fail(method, code)
        witness.reply(method, refresh.post("/"))
        manager.heal()
    manager.corrupt()
    manager.add("threads-token-bob", f"{MARK} is not a token")
    witness.reply(method, refresh.post("/"))
    witness.said(method, capsys)
    assert witness.leaks == []


def test_no_refused_request_shows_a_secret(
    witness: Witness, oauth: FlaskClient, threads: LocalThreads, capsys: pytest.CaptureFixture[str]
) -> None:
    login = oauth.get("/login", base_url=PUBLIC_URL)
    state = parse_qs(urlsplit(login.headers["Location"]).query)["state"][0]
    for path in (
        f"/callback?code={CODE}",
        f"/callback?code={CODE}&state={MARK}",
        f"/callback?code={CODE}&code={CODE}&state={state}",
        f"/callback?error={MARK}&error_description={MARK}&code={CODE}",
        f"/signed-in?receipt={MARK}",
        f"/deletion?code={MARK}",
        f"/{MARK}?code={CODE}",
        f"/login/{MARK}",
    ):
        witness.reply(
            path, oauth.get(path, base_url=PUBLIC_URL, headers={"X-Cloud-Trace-Context": MARK, "Referer": MARK})
        )
    for path in ("/uninstall", "/delete"):
        for text in (MARK, f"{MARK}.{MARK}", threads.signed_request("mallory") + MARK):
            witness.reply(path, oauth.post(path, data={"signed_request": text}))
        witness.secrets.add(threads.signed_request("mallory"))
        witness.reply(path, oauth.post(path, data={"signed_request": threads.signed_request("mallory")}))
    witness.said("refused", capsys)
    assert witness.leaks == []


def test_no_setting_is_shown(
    witness: Witness,
    oauth: FlaskClient,
    refresh: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("THREADS_APP_SECRET", "THREADS_APP_ID", "PUBLIC_URL", "THREADS_SCOPES", "THREADS_API_URL",
                 "THREADS_AUTHORIZE_URL", "GOOGLE_CLOUD_PROJECT", "SECRET_MANAGER_EMULATOR_HOST",
                 "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS"):  # fmt: skip
        with monkeypatch.context() as changed:
            changed.setenv(name, f"{MARK} é /")
            witness.reply(name, oauth.get("/login"))
            witness.reply(name, refresh.post("/"))
    witness.said("settings", capsys)
    assert witness.leaks == []


def test_an_app_secret_in_the_place_of_the_app_id_gets_into_no_url(
    witness: Witness, oauth: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two are next to each other in Meta's dashboard, and the id becomes part of the sign-in's URL."""
    app_secret = "0123456789abcdef" * 2
    witness.secrets.add(app_secret)
    monkeypatch.setenv("THREADS_APP_ID", app_secret)
    monkeypatch.setenv("THREADS_APP_SECRET", "1234567890123456")
    reply = oauth.get("/login")
    assert reply.status_code == 500
    witness.reply("/login", reply)
    witness.said("swapped", capsys)
    assert witness.leaks == []


def test_an_unreachable_threads_shows_no_secret(
    witness: Witness,
    oauth: FlaskClient,
    refresh: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manager.add("threads-token-bob", threads.tokens.issue_long_lived("bob"))
    for url in ("http://127.0.0.1:1", threads.url.replace("http:", "https:")):
        monkeypatch.setenv("THREADS_API_URL", url)
        try_to_sign_in(witness, oauth, threads, url)
        witness.reply(url, refresh.post("/"))
        witness.said(url, capsys)
    assert witness.leaks == []


HOSTILE: dict[str, bytes] = {
    "a header without a colon": b"HTTP/1.1 200 OK\r\nSENTINEL\r\nContent-Length: 2\r\n\r\n{}",
    "no HTTP": b"SENTINEL\r\n\r\n",
    "a reply of a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSENTINEL\r\n",
    "a bad encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nSENTINEL",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/SENTINEL\r\nContent-Length: 0\r\n\r\n",
    "a bad redirect": b"HTTP/1.1 302 Found\r\nLocation: http://[SENTINEL\r\nContent-Length: 0\r\n\r\n",
    "a cookie": b"HTTP/1.1 400 Bad\r\nSet-Cookie: SENTINEL=SENTINEL\r\nContent-Length: 2\r\n\r\n{}",
    "not UTF-8": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nSENTINEL\xff",
    "a token that is none": b'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{"access_token":"SENTINEL \\n"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_not_http_shows_no_secret(
    witness: Witness,
    oauth: FlaskClient,
    refresh: FlaskClient,
    threads: LocalThreads,
    manager: SecretManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    manager.add("threads-token-bob", threads.tokens.issue_long_lived("bob"))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(HOSTILE[name])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        monkeypatch.setenv("THREADS_API_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        try_to_sign_in(witness, oauth, threads, name)
        witness.reply(name, refresh.post("/"))
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    witness.said(name, capsys)
    assert witness.leaks == []


# Tracebacks


def test_no_traceback_of_a_failing_call_shows_a_secret(
    witness: Witness, threads: LocalThreads, capsys: pytest.CaptureFixture[str]
) -> None:
    client = client_of(threads.url, read_timeout=0.2, attempts=2)
    closed = client_of("http://127.0.0.1:1", attempts=2)
    calls: dict[str, Callable[[ThreadsClient], Any]] = {
        "exchange_code": lambda one: one.exchange_code(APP_ID, SECRET, f"{PUBLIC_URL}/callback", CODE),
        "exchange_token": lambda one: one.exchange_token(SECRET, TOKEN),
        "refresh": lambda one: one.refresh_token(TOKEN),
        "me": lambda one: one.me(TOKEN),
    }
    for name, call in calls.items():
        for fault in ("lost_reply", "hang", "html", "expired", "redirect", "truncated"):
            threads.control.fail(name, fault, None)
            with pytest.raises(KeeperError) as raised:
                call(client)
            threads.control.clear_faults()
            witness.check(f"{name}, {fault}", "".join(traceback.format_exception(raised.value)))
    with pytest.raises(KeeperError) as raised:
        closed.exchange_token(SECRET, TOKEN)
    witness.check("closed", "".join(traceback.format_exception(raised.value)))
    witness.said("traceback", capsys)
    assert witness.leaks == []


CALLS_OF_GOOGLE = """
import sys
from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from token_keeper.clients import Clients
from tests.support.app import ACCOUNT_LABELS
with SecretManager(Clock()) as manager:
    manager.create("threads-token-alice", labels=ACCOUNT_LABELS)
    store = Clients().store("demo", manager.address)
    (account,) = store.accounts()
    store.add(account, "SENTINELtoken")
    print(store.access(account, store.versions(account)[0]).is_bare)
"""


@pytest.mark.parametrize("scope", ["google", "google.cloud.secretmanager_v1", "google.api_core", "google.auth"])
def test_googles_own_switch_for_logging_shows_no_token(scope: str) -> None:
    environ = {**os.environ, "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": scope}
    done = subprocess.run(
        [sys.executable, "-c", CALLS_OF_GOOGLE], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True\n", done.stderr
    witness = Witness()
    witness.check("stderr", done.stderr)
    assert witness.leaks == []


@pytest.mark.parametrize("at", range(4))
def test_a_bug_is_logged_by_its_type_and_place_and_nothing_of_its_text(
    witness: Witness,
    oauth: FlaskClient,
    threads: LocalThreads,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at: int,
) -> None:
    """The clock, which a test may replace, fails at the first, second, third … time that the function reads it."""
    asked = iter(range(100))

    def breaks() -> datetime:
        if next(asked) >= at:
            raise RuntimeError(f"{MARK}: a bug and its text")
        return clock.now()

    location = oauth.get("/login", base_url=PUBLIC_URL).headers["Location"]
    back = consent(threads, location)
    monkeypatch.setattr(keeper_clock, "now", breaks)
    reply = oauth.get(back, base_url=PUBLIC_URL)
    assert reply.status_code == 500
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    logged = capsys.readouterr().out  # the sign-in may have been logged already
    (line,) = [line for line in map(json.loads, logged.splitlines()) if line["event"] == "bug"]
    assert line["severity"] == "ERROR"
    assert "RuntimeError in test_no_secret_leaks.py, line " in line["message"]
    witness.check("the log", logged)
    witness.reply("bug", reply)
    witness.said("bug", capsys)
    assert witness.leaks == []


def test_no_object_that_holds_a_secret_shows_it(witness: Witness) -> None:
    settings = OAuthSettings("p", "1", Secret(SECRET), PUBLIC_URL, (), "", "", None)
    token = LongLivedToken(TOKEN, None)
    for thing in (settings, settings.app_secret, token, [settings], {"token": token}, vars(settings)):
        for text in (repr(thing), str(thing), f"{thing}"):
            witness.check(type(thing).__name__, text)
    assert witness.leaks == []
    assert not hasattr(settings.app_secret, "__dict__")
