"""The children of `make run`: started together, and ended in order by two pipes, whatever ends this process.

Each child reads a pipe to its end (`sandbox.child`). The functions' ends with this process. The stores' ends when
the functions are gone too, so what a function has in hand is stored even after a `kill -9` of this process.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from sandbox.plan import Server, command
from sandbox.trouble import Trouble

START_PATIENCE = 60.0  # seconds, until the servers must answer
STOP_PATIENCE = 9.5  # seconds, after which what is left is killed; a child kills itself before that


@dataclass
class Pipe:
    """A pipe that nothing is written to; its end is the message."""

    reading: int
    writing: int

    @classmethod
    def make(cls) -> Pipe:
        return cls(*os.pipe())

    def end(self) -> None:
        """Close the writing end. It may be closed already."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1


@dataclass
class Processes:
    """The children, and what they inherit: the pipes, and `kept_open`, which is locked until the last has ended."""

    kept_open: int
    _started: list[tuple[Server, subprocess.Popen[bytes]]] = field(default_factory=list)
    _of_functions: Pipe = field(default_factory=Pipe.make)
    _of_stores: Pipe = field(default_factory=Pipe.make)

    def start(self, servers: Iterable[Server]) -> None:
        for server in servers:
            pipe = self._of_stores if server.keeps_state else self._of_functions
            handed_on = () if server.keeps_state else (self._of_stores.writing,)
            process = subprocess.Popen(
                command(server),
                env=dict(server.environ),
                stdin=pipe.reading,
                pass_fds=(self.kept_open, *handed_on),
                # In a session of its own, so that Ctrl-C reaches this process alone, which then ends them in order.
                start_new_session=True,
            )
            self._started.append((server, process))

    def wait_until_ready(self) -> None:
        """Return once every port answers; raise Trouble if a process ends first or none answers in time."""
        until = time.monotonic() + START_PATIENCE
        for server, process in self._started:
            while not _answers(server.port):
                if process.poll() is not None:
                    raise Trouble(f"The {server.name} ended while it was starting; its message is above.")
                if time.monotonic() > until:
                    raise Trouble(f"The {server.name} did not answer within {START_PATIENCE:.0f} seconds.")
                time.sleep(0.02)

    def check(self) -> None:
        """Raise Trouble where one has ended."""
        for server, process in self._started:
            if process.poll() is not None:
                raise Trouble(f"The {server.name} ended by itself; its message is above.")

    def stop(self) -> None:
        """End all of them; return when they are gone."""
        until = time.monotonic() + STOP_PATIENCE
        self._of_functions.end()
        self._of_stores.end()
        for _, process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for _, process in self._started:
            with suppress(ProcessLookupError, PermissionError):  # macOS: the group has only what has just ended
                os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
