"""`python -m sandbox` as a process of its own, in a folder of its own, as a person at a terminal starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from tests.support.processes import free_port

ROOT = Path(__file__).parent.parent.parent
PORTS = ("OAUTH_PORT", "REFRESH_PORT", "THREADS_PORT", "SECRET_MANAGER_PORT", "SECRET_MANAGER_REST_PORT")
LAST_LINE = "Ctrl-C"
SANDBOX = [sys.executable, "-m", "sandbox"]


class LocalRun:
    """One run: what it said, where it listens, and what a person does with it."""

    def __init__(self, process: subprocess.Popen[str], ports: dict[str, int], directory: Path) -> None:
        self.process, self.ports, self.directory = process, ports, directory
        self.said = ""

    def at(self, name: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def accounts(self, *arguments: str) -> str:
        done = run(["sandbox.accounts", *arguments, *self.where], self.directory, self.ports)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def where(self) -> list[str]:
        return ["--secret-manager", f"127.0.0.1:{self.ports['SECRET_MANAGER_PORT']}"]

    def wait(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if LAST_LINE in line:
                return
        raise AssertionError(f"The sandbox ended: {self.said}")

    def end(self, number: int = signal.SIGINT) -> None:
        """Send a signal, Ctrl-C unless told, and read what is said until the end."""
        self.process.send_signal(number)
        if number == signal.SIGKILL:  # its children still have standard output
            self.process.wait(timeout=30)
        else:
            self.said += self.process.communicate(timeout=30)[0]

    def children(self) -> list[int]:
        """Return the process ids of all that this run has started and that lives."""
        return [pid for pid in processes_in(self.directory) if not self.process or pid != self.process.pid]

    def sign_in(self, person: str) -> requests.Response:
        """Sign in over HTTP; return the page at the end."""
        with requests.Session() as browser:
            browser.trust_env = False
            consent = browser.get(self.at("OAUTH_PORT", "/login"), allow_redirects=False, timeout=20)
            form = {"person": person, "decision": "continue", "scope": ["threads_basic", "threads_content_publish"]}
            return browser.post(consent.headers["Location"], data=form, timeout=20)

    def post(self, port: str, path: str = "/", **json_body: Any) -> requests.Response:
        return requests.post(self.at(port, path), json=json_body or None, timeout=60)

    def versions(self, secret_id: str) -> list[str]:
        """Return the numbers of the versions that the state file holds."""
        return list(
            json.loads((self.directory / ".sandbox/secrets.json").read_text())["secrets"][secret_id]["versions"]
        )


def processes_in(directory: Path) -> list[int]:
    """Return the process ids of all that lives and works in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is a zombie
            if Path(os.readlink(process / "cwd")) == directory:
                found.append(int(process.name))
    return found


def environ(ports: dict[str, int]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **{name: str(port) for name, port in ports.items()}}


def free_ports() -> dict[str, int]:
    return {name: free_port() for name in PORTS}


def run(
    module: list[str], directory: Path, ports: dict[str, int] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a module of the sandbox to its end."""
    command = [sys.executable, "-m", *module]
    env = environ(ports or {})
    return subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False, **more
    )


def begin(directory: Path, ports: dict[str, int], **more: Any) -> LocalRun:
    """Start a run without waiting for it."""
    process = subprocess.Popen(
        SANDBOX,
        cwd=directory,
        env=environ(ports) | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return LocalRun(process, ports, directory)


@contextmanager
def started(directory: Path, ports: dict[str, int] | None = None) -> Iterator[LocalRun]:
    """A run that has said all it says at its start; it is ended afterwards where it has not ended yet."""
    local = begin(directory, ports or free_ports())
    try:
        local.wait()
        yield local
    finally:
        if local.process.poll() is None:
            local.end()
        if local.process.stdout:
            local.process.stdout.close()
