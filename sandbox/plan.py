"""Which servers `make run` starts: their commands, environments and addresses, by the settings of `.env`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import env_file
from sandbox.trouble import Trouble
from token_keeper.account import secret_id_for
from token_keeper.errors import SettingError
from token_keeper.settings import OAuthSettings, RefreshSettings

STATE = Path(".sandbox")
PROJECT = "demo"
APP_ID, APP_SECRET = "1234567890", "sandbox-app-secret"  # the local Threads' own: no secret
PEOPLE = ("alice", "bob", "carol", "dotted.name")
ENV_FILE = Path(".env")


@dataclass(frozen=True)
class Server:
    """One process of the sandbox: a module with its options, its environment, and the port where it answers."""

    name: str
    module: str
    port: int
    options: tuple[str, ...]
    environ: Mapping[str, str]
    keeps_state: bool = False  # stops after the functions, which still store what they have in hand


@dataclass(frozen=True)
class Plan:
    """All that a run needs to know before anything starts."""

    env: Mapping[str, str]
    ports: Mapping[str, int]

    @property
    def is_real(self) -> bool:
        """Whether the functions talk to the real Threads."""
        return "PUBLIC_URL" in self.env

    @property
    def state(self) -> Path:
        return STATE / "real" if self.is_real else STATE

    @property
    def usernames(self) -> tuple[str, ...]:
        """The accounts that `.env` names, or else the local Threads' own people."""
        named = tuple(name.strip() for name in self.env.get(env_file.USERNAMES, "").split(",") if name.strip())
        return named or (() if self.is_real else PEOPLE)

    def at(self, name: str) -> str:
        """Return the address of the server whose port setting begins with this name."""
        return f"http://127.0.0.1:{self.ports[f'{name}_PORT']}"

    @property
    def used_ports(self) -> dict[str, int]:
        return {name: port for name, port in self.ports.items() if name != "THREADS_PORT" or not self.is_real}

    @property
    def sign_in_url(self) -> str:
        return self.env.get("PUBLIC_URL") or self.at("OAUTH")

    @property
    def emulator(self) -> str:
        return f"127.0.0.1:{self.ports['SECRET_MANAGER_PORT']}"

    @property
    def servers(self) -> list[Server]:
        """The servers, in the order in which they start."""
        local = [] if self.is_real else [_threads(self)]
        return [_secret_manager(self), *local, _function(self, "oauth"), _function(self, "refresh")]

    def check(self) -> None:
        """Raise Trouble for what the functions would say at the first request only."""
        if not all(map(secret_id_for, self.usernames)):
            raise Trouble(f"{ENV_FILE}: {env_file.USERNAMES} must be Threads usernames with commas between them.")
        try:
            OAuthSettings.from_environ(_environ_of(self, "oauth"))
            RefreshSettings.from_environ(_environ_of(self, "refresh"))
        except SettingError as error:
            raise Trouble(f"{ENV_FILE}: {error}") from error


def _secret_manager(plan: Plan) -> Server:
    options = ("--project", PROJECT, "--state", str(plan.state / "secrets.json"), *_clock(plan, keeps_time=True))
    options += ("--rest-port", str(plan.ports["SECRET_MANAGER_REST_PORT"]))
    port = plan.ports["SECRET_MANAGER_PORT"]
    return Server("Secret Manager", "sandbox.secret_manager", port, options, _base(plan), keeps_state=True)


def _threads(plan: Plan) -> Server:
    oauth = plan.at("OAUTH")
    options = ("--state", str(plan.state / "threads.json"), *_clock(plan), "--app-id", APP_ID)
    options += ("--app-secret-env", "THREADS_APP_SECRET", "--redirect-uri", f"{oauth}/callback")
    options += ("--uninstall-url", f"{oauth}/uninstall", "--delete-url", f"{oauth}/delete")
    options += ("--keeper-url", oauth, "--refresh-url", plan.at("REFRESH"))
    environ = {**_base(plan), "THREADS_APP_SECRET": APP_SECRET}
    return Server("Threads", "sandbox.threads", plan.ports["THREADS_PORT"], options, environ, keeps_state=True)


def _function(plan: Plan, target: str) -> Server:
    options = (target, *_clock(plan))
    port = plan.ports[f"{target.upper()}_PORT"]
    return Server(f"function {target}", "sandbox.functions", port, options, _environ_of(plan, target))


def _clock(plan: Plan, keeps_time: bool = False) -> tuple[str, ...]:
    # By the real Threads' side the system's clock rules, whatever the sandbox's clock was moved to.
    return ("--clock", str(plan.state / "clock.json")) if keeps_time or not plan.is_real else ()


def _environ_of(plan: Plan, target: str) -> dict[str, str]:
    local = {} if plan.is_real else {"THREADS_API_URL": plan.at("THREADS")}
    return {**_base(plan), **local, **(_sign_in(plan) if target == "oauth" else {"SIGN_IN_URL": plan.sign_in_url})}


def _sign_in(plan: Plan) -> dict[str, str]:
    if plan.is_real:
        return {name: plan.env[name] for name in env_file.NEEDED}
    page = f"{plan.at('THREADS')}/oauth/authorize"
    app = {"THREADS_APP_ID": APP_ID, "THREADS_APP_SECRET": APP_SECRET}
    return {**app, "PUBLIC_URL": plan.at("OAUTH"), "THREADS_AUTHORIZE_URL": page}


def _base(plan: Plan) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("THREADS_", "PUBLIC_URL"))}
    return {
        **inherited,
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "NONE",  # else a library speaks up when Secret Manager stops first
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "SECRET_MANAGER_EMULATOR_HOST": plan.emulator,
        **{name: plan.env[name] for name in env_file.PASSED_ON if name in plan.env},
    }


def command(server: Server) -> list[str]:
    """Return the command that starts a server as a child of this process."""
    child = [sys.executable, "-m", "sandbox.child", str(Path.cwd())]
    return [*child, server.module, *server.options, "--port", str(server.port)]
