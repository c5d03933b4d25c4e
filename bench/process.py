"""Measure a server in its own process from outside: when it answers, its memory, its CPU."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent
PATIENCE = 30.0  # seconds, until a server listens


@dataclass(frozen=True)
class Request:
    """A request, and the status that a useful answer has."""

    path: str
    status: int = 200
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


def function(target: str, source: str = "main.py") -> list[str]:
    """Return the command that serves a function as the cloud does. `Server` adds the port."""
    framework = Path(sys.executable).parent / "functions-framework"
    return [str(framework), f"--target={target}", f"--source={source}", "--host=127.0.0.1"]


def uvicorn(app: str) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "--log-level=error", app]


class Server:
    """A server that runs until its `with` block ends. All processes of its session count as its container."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        port = [f"--port={self._port}"]
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command + port, cwd=ROOT, env=dict(environ), start_new_session=True, stdout=subprocess.DEVNULL
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has already ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ask(self, request: Request) -> bytes:
        """Return the body of the answer, waiting for the server to listen. Raise RuntimeError on another status."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=3600)
        self._connect(connection)
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != request.status:
            raise RuntimeError(f"{request.path}: {response.status} instead of {request.status}: {body[:500]!r}")
        return body

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return connection.connect()
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("The server did not start; its message is above.") from None
                time.sleep(0.001)

    def timed(self, request: Request) -> float:
        """Return the seconds that an answer takes."""
        begun = time.perf_counter()
        self.ask(request)
        return time.perf_counter() - begun

    def memory(self) -> float:
        """Return the proportional set size of all processes, in MiB."""
        lines = [line for pid in self._pids() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def cpu(self) -> float:
        """Return the seconds of CPU that all processes have used."""
        ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in self._pids()]
        return sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")

    def _pids(self) -> list[int]:
        found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return [pid for pid in found if _session(pid) == self._process.pid]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def cold(command: list[str], environ: Mapping[str, str], request: Request) -> float:
    """Return the seconds from the start of a process to its first useful answer."""
    with Server(command, environ) as server:
        server.ask(request)
        return time.perf_counter() - server.started
