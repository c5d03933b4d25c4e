"""The ports of `make run`: their settings, and what is said where one is taken."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.trouble import Trouble

DEFAULTS = {
    "OAUTH_PORT": 8080,
    "REFRESH_PORT": 8081,
    "THREADS_PORT": 8082,
    "SECRET_MANAGER_PORT": 8083,
    "SECRET_MANAGER_REST_PORT": 8084,
}
_OURS = re.compile(r" -m sandbox\.child (.+?) sandbox\.\w+ (.*)")


def read(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the port of each setting; raise Trouble where one is no port, or two are the same."""
    ports = {name: _port(name, environ.get(name) or str(default)) for name, default in DEFAULTS.items()}
    if len(set(ports.values())) < len(ports):
        raise Trouble(f"Two servers cannot have one port: set {', '.join(DEFAULTS)} to different values.")
    return ports


def _port(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
        raise Trouble(f"{name} must be a port number.")
    return int(value)


def check_free(ports: Mapping[str, int], environ: Mapping[str, str]) -> None:
    """Raise Trouble where ports are taken: it says by whom, and which command would work."""
    taken = {name: port for name, port in ports.items() if not _is_free(port)}
    if not taken:
        return
    said = "".join(f"Port {port} ({name}) is taken by {_user_of(port)}.\n" for name, port in taken.items())
    raise Trouble(f"{said}Stop what uses it, or choose another: {_command(ports, taken, environ)}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _command(ports: Mapping[str, int], taken: Mapping[str, int], environ: Mapping[str, str]) -> str:
    """Return a command with a free port for each that is taken, and every other port setting as it was given."""
    used = set(ports.values())
    chosen = {}
    for name, port in ports.items():
        if name in taken:
            chosen[name] = next(one for one in _candidates(port) if one not in used and _is_free(one))
            used.add(chosen[name])
        elif environ.get(name):
            chosen[name] = port
    return " ".join([*(f"{name}={port}" for name, port in chosen.items()), "make run"])


def _candidates(port: int) -> Iterator[int]:
    yield from range(port + 100, 65536)
    yield from range(1024, port)


def _user_of(port: int) -> str:
    for line in command_lines():
        ours = _OURS.search(line)
        if ours and re.search(rf"port {port}(?: |$)", ours[2]):
            return f"`make run` in {ours[1]}"
    return "another program"


def command_lines() -> Iterator[str]:
    """Return the command line of every process that may be seen."""
    if Path("/proc/self/cmdline").exists():
        yield from map(_command_line, Path("/proc").glob("[0-9]*/cmdline"))
    else:
        yield from listed_by_ps()


def listed_by_ps() -> list[str]:
    """Return the same as `ps` lists it, which macOS has."""
    try:
        done = subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.splitlines()


def _command_line(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes()).replace("\0", " ")
    except OSError:  # the process has just ended
        return ""
