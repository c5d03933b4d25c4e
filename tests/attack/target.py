"""The public function as it is deployed, gunicorn with 32 threads, to be attacked over real sockets.

Every attempt must fail without a 5xx, without a traceback and without a write to Secret Manager.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import ACCOUNT_LABELS, ROOT, settings_for
from tests.support.processes import answers, free_port, until
from tests.support.sign_in import consent
from token_keeper.account import secret_id_for

SOURCE = ROOT / "sandbox" / "functions.py"  # main.py, with the numbers that the environment names
COOKIE = "__Host-threads-state-"  # followed by a hash of the state
WRITES = {"CreateSecret", "AddSecretVersion", "UpdateSecret", "DestroySecretVersion", "DeleteSecret"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Reply:
    """A reply as it was received. `headers` keeps the order and the repetitions."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def cookie(self) -> str:
        return self["Set-Cookie"].partition(";")[0]


class Target:
    """The public function in its own process, and both local servers that it uses."""

    def __init__(self, threads: LocalThreads, manager: SecretManager, log: Path) -> None:
        self.threads, self.manager, self.log = threads, manager, log
        self.port = free_port()
        environ = {
            **os.environ,
            **settings_for(threads, manager),
            "THREADS": "32",
            "KEEPER_LIMITS": '{"quota": 600000}',  # so that no test waits for Google's quota
            "FORWARDED_ALLOW_IPS": "192.0.2.1",  # in the cloud too, the peer is not the loopback address
        }
        options = ["--target=oauth", f"--source={SOURCE}", "--host=127.0.0.1", f"--port={self.port}"]
        command = [sys.executable, "-m", "functions_framework", *options]
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environ, start_new_session=True, stdout=written, stderr=subprocess.STDOUT
            )
        until(lambda: self.process.poll() is not None or answers(self.port))
        assert self.process.poll() is None, self.log.read_text()

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
        """Send these bytes and no more, and return what is received until silence or the end."""
        with closing(self.connect(patience)) as connection, suppress(OSError):
            answer = bytearray()
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        return bytes(answer)

    def allow(self, username: str) -> str:
        """Add a person and their account, and return the id of the account's secret."""
        self.threads.people.add(username)
        secret_id = secret_id_for(username)
        assert secret_id
        self.manager.create(secret_id, labels=ACCOUNT_LABELS)
        return secret_id

    def begin(self, person: str) -> tuple[str, str]:
        """Start a sign-in and consent, and return the callback's path and query, and the browser's cookie."""
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
        """Return the resident memory of the function's processes, in KiB."""
        found = 0
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and os.getsid(int(entry.name)) == self.process.pid:
                    found += int(re.findall(r"VmRSS:\s+(\d+)", (entry / "status").read_text())[0])
        return found


_names = iter(range(10_000))


def somebody() -> str:
    return f"somebody{next(_names)}"
