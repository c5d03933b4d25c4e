"""`make run`: a local Threads, a local Secret Manager and both functions, until Ctrl-C.

With THREADS_APP_ID, THREADS_APP_SECRET and PUBLIC_URL in the file `.env`, the functions talk to the real Threads, by
the system's clock, and only Secret Manager stays local.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from token_keeper.account import secret_id_for
from token_keeper.errors import SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings

STATE = Path(".sandbox")
PROJECT = "demo"
PORTS = {
    "OAUTH_PORT": 8080,
    "REFRESH_PORT": 8081,
    "THREADS_PORT": 8082,
    "SECRET_MANAGER_PORT": 8083,
    "SECRET_MANAGER_REST_PORT": 8084,
}
ALLOWED = "alice,bob,carol,dotted.name"
SETTINGS = ("THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL")
PASSED_ON = ("THREADS_SCOPES", "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS")
PATIENCE = 60.0  # seconds, until the servers must answer


@dataclass(frozen=True)
class Server:
    """One process of the sandbox: how it is started, and the port where it answers."""

    name: str
    port: int
    command: list[str]
    environ: Mapping[str, str]


class Trouble(Exception):
    """Something the person at the terminal must change. The text says what."""


def read_env(path: Path) -> dict[str, str]:
    """Read NAME=value lines; comments, blank lines, `export` and quotes around a value are understood."""
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        match = re.fullmatch(r"""([A-Z_]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))(?:\s+#.*)?""", text)
        if not match:
            raise Trouble(f"{path}, line {number}: write NAME=value.")
        found[match[1]] = match[2] or match[3] or match[4] or ""
    return found


def plan(env: Mapping[str, str]) -> tuple[list[Server], dict[str, str]]:
    """Say which servers to start and where they will be, by the settings of `.env`."""
    ports = {name: _port(name, default) for name, default in PORTS.items()}
    at = {name.removesuffix("_PORT").lower(): f"http://127.0.0.1:{port}" for name, port in ports.items()}
    unknown = env.keys() - {*SETTINGS, *PASSED_ON, "THREADS_USERNAMES"}
    if unknown:
        raise Trouble(f".env sets {', '.join(sorted(unknown))}, which means nothing here.")
    given = [name for name in SETTINGS if env.get(name)]
    if given and len(given) < len(SETTINGS):
        missing = ", ".join(name for name in SETTINGS if name not in given)
        raise Trouble(f".env sets {', '.join(given)}; for the real Threads it must set {missing} too.")
    state = STATE / ("real" if given else "")
    emulator = f"127.0.0.1:{ports['SECRET_MANAGER_PORT']}"
    base = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("THREADS_", "PUBLIC_URL"))},
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "NONE",  # else a library speaks up when Secret Manager stops first
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "SECRET_MANAGER_EMULATOR_HOST": emulator,
        **{name: env[name] for name in PASSED_ON if env.get(name)},
    }
    python = [sys.executable, "-m"]
    # By the real Threads' side the system's clock rules, whatever the sandbox's clock was moved to.
    clock_file = state / "clock.json"
    clock = [] if given else ["--clock", str(clock_file)]
    manager = [*python, "sandbox.secret_manager", "--port", str(ports["SECRET_MANAGER_PORT"]), "--project", PROJECT]
    manager += ["--rest-port", str(ports["SECRET_MANAGER_REST_PORT"])]
    servers = [
        Server(
            "Secret Manager",
            ports["SECRET_MANAGER_PORT"],
            [*manager, "--state", str(state / "secrets.json"), "--clock", str(clock_file)],
            base,
        )
    ]
    if given:
        sign_in = {**base, **{name: env[name] for name in SETTINGS}}
        refreshing = base
        at["oauth"] = env["PUBLIC_URL"]
    else:
        secret = "sandbox-app-secret"
        sign_in = {
            **base,
            "THREADS_APP_ID": "1234567890",
            "THREADS_APP_SECRET": secret,
            "PUBLIC_URL": at["oauth"],
            "THREADS_AUTHORIZE_URL": f"{at['threads']}/oauth/authorize",
            "THREADS_API_URL": at["threads"],
        }
        refreshing = {**base, "THREADS_API_URL": at["threads"]}
        local = [*python, "sandbox.threads", "--port", str(ports["THREADS_PORT"]), *clock]
        local += ["--state", str(state / "threads.json"), "--app-id", "1234567890"]
        local += ["--app-secret-env", "THREADS_APP_SECRET", "--redirect-uri", f"{at['oauth']}/callback"]
        local += ["--uninstall-url", f"{at['oauth']}/uninstall", "--delete-url", f"{at['oauth']}/delete"]
        servers.append(Server("Threads", ports["THREADS_PORT"], local, {**base, "THREADS_APP_SECRET": secret}))
    for target, environ in (("oauth", sign_in), ("refresh", refreshing)):
        port = ports[f"{target.upper()}_PORT"]
        _check_settings(target, environ)
        command = [*python, "sandbox.functions", target, "--port", str(port), *clock]
        servers.append(Server(f"function {target}", port, command, environ))
    return servers, at


def _check_settings(target: str, environ: Mapping[str, str]) -> None:
    """Say now what the functions would say at the first request."""
    try:
        (OAuthSettings if target == "oauth" else RefreshSettings).from_environ(environ)
    except SettingError as error:
        raise Trouble(f".env: {error}") from error


def only_once(state: Path) -> TextIO:
    """Hold the state folder for this process; raise Trouble where another `make run` holds it."""
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Trouble("`make run` is running in this folder already. Stop that one first.") from None
    return lock


def _port(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise Trouble(f"{name} must be a port number.")
    return int(value)


def check_ports(servers: list[Server]) -> None:
    """Raise Trouble, naming the port, where one is taken, or given twice."""
    if len({server.port for server in servers}) < len(servers):
        raise Trouble(f"Two servers cannot have one port: give {', '.join(PORTS)} different values.")
    for server in servers:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", server.port))
            except OSError:
                setting = next(name for name, port in PORTS.items() if _port(name, port) == server.port)
                raise Trouble(
                    f"Port {server.port}, for the {server.name}, is taken. Stop what uses it, or choose another: "
                    f"{setting}={server.port + 100} make run"
                ) from None


def wait_until_ready(servers: list[Server], processes: list[subprocess.Popen[bytes]]) -> None:
    """Return once every port answers; raise Trouble if a process ends first or none answers in time."""
    until = time.monotonic() + PATIENCE
    for server, process in zip(servers, processes, strict=True):
        while not _answers(server.port):
            if process.poll() is not None:
                raise Trouble(f"The {server.name} ended while it was starting; its message is above.")
            if time.monotonic() > until:
                raise Trouble(f"The {server.name} did not answer within {PATIENCE:.0f} seconds.")
            time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def allow(env: Mapping[str, str], port: int) -> str:
    """Allow the accounts that `.env` names, or the local Threads' own people."""
    wanted = env.get("THREADS_USERNAMES") or ("" if env.get("PUBLIC_URL") else ALLOWED)
    usernames = [name.strip() for name in wanted.split(",") if name.strip()]
    if not all(map(secret_id_for, usernames)):
        raise Trouble(".env: THREADS_USERNAMES must be Threads usernames with commas between them.")
    if usernames:
        command = [sys.executable, "-m", "sandbox.accounts", "allow", *usernames]
        command += ["--secret-manager", f"127.0.0.1:{port}", "--project", PROJECT]
        if subprocess.run(command, stdout=subprocess.DEVNULL, start_new_session=True).returncode:
            raise Trouble("The accounts could not be allowed.")
    return ", ".join(usernames)


def welcome(at: Mapping[str, str], allowed: str, real: bool) -> str:
    """Say where everything is and what to do next."""
    port = at["secret_manager"].rpartition(":")[2]
    options = "" if port == str(PORTS["SECRET_MANAGER_PORT"]) else f" --secret-manager 127.0.0.1:{port}"
    accounts = f".venv/bin/python -m sandbox.accounts{options}"
    name = allowed.split(",")[0] or "NAME"
    steps = [
        f"Sign in        {at['oauth']}/",
        f"See it kept    {accounts} token {name}",
        *([] if real else ["Move the time  .venv/bin/python -m sandbox.clock 30d"]),
        f"Refresh        curl -X POST {at['refresh']}/",
        f"Status page    {at['refresh']}/",
        *([] if real else [f"Make trouble   {at['threads']}/sandbox"]),
    ]
    lines = ["", *(f"  {number}. {step}" for number, step in enumerate(steps, start=1))]
    if real:
        lines += ["", "  This is the real Threads. Secret Manager is local: what it keeps is in .sandbox/real/."]
    if not allowed:
        lines += ["", "  No account is allowed yet: THREADS_USERNAMES=your.name in .env, then start again."]
    else:
        lines += ["", f"  May sign in: {allowed}. Another: {accounts} allow NAME"]
    return "\n".join([*lines, "  Ctrl-C stops everything; nothing is lost.", ""])


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End every process, politely first; another Ctrl-C changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for process in reversed(processes):
        process.terminate()
    for process in reversed(processes):
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> int:
    processes: list[subprocess.Popen[bytes]] = []
    lock: TextIO | None = None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        lock = only_once(STATE)
        env = read_env(Path(".env"))
        servers, at = plan(env)
        check_ports(servers)
        for server in servers:
            # In a session of its own, so that Ctrl-C reaches this process alone, which then stops them in order.
            process = subprocess.Popen(server.command, env=dict(server.environ), start_new_session=True)
            processes.append(process)
        wait_until_ready(servers, processes)
        allowed = allow(env, servers[0].port)
        print(welcome(at, allowed, real=bool(env.get("PUBLIC_URL"))), flush=True)
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
        ended = next(s for s, p in zip(servers, processes, strict=True) if p.poll() is not None)
        raise Trouble(f"The {ended.name} ended by itself; its message is above.")
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    finally:
        stop(processes)
        if lock:
            lock.close()


if __name__ == "__main__":
    sys.exit(main())
