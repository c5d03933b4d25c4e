"""Kill a function's process with SIGKILL at each of its remote calls, before and after the call's effect.

The functions run as in the cloud: under gunicorn with one worker, which is killed, and which its master replaces.
Afterwards a normal run, or the person's second attempt, must find or restore a whole account.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from sandbox.clock import Clock
from sandbox.secret_manager.refusal import Refusal
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.support.app import ACCOUNT_LABELS, APP_ID, APP_SECRET, settings_for
from tests.support.processes import answers, free_port, until

DAY = timedelta(days=1)
NUMBERS = itertools.count(1)
# Loads the large modules before gunicorn forks, so that a new worker starts at once.
LAUNCH = "import token_keeper.store, token_keeper.threads; from sandbox.functions import serve; serve()"

# In the order in which a run and a sign-in make these calls.
REFRESH_CALLS = (
    "ListSecrets",
    "ListSecretVersions",
    "AccessSecretVersion",
    "refresh",
    "debug",
    "ListSecretVersions again",
    "AddSecretVersion",
    "UpdateSecret",
    "DestroySecretVersion",
)
SIGN_IN_CALLS = (
    "exchange_code",
    "exchange_token",
    "me",
    "debug",
    "GetSecret",
    "ListSecrets",
    "UpdateSecret",
    "AddSecretVersion",
    "UpdateSecret again",
)
THREADS_CALLS = ("exchange_code", "exchange_token", "me", "debug", "refresh")


@dataclass
class Keeper:
    """Both functions in processes of their own, and the two sandboxes in this one."""

    clock: Clock
    threads: LocalThreads
    manager: SecretManager
    masters: dict[str, subprocess.Popen[bytes]]
    urls: dict[str, str]

    def kill(self, target: str) -> None:
        """Kill the worker and wait until it is gone."""
        pid = self.worker(target)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not _runs(pid))

    def worker(self, target: str) -> int:
        master = self.masters[target].pid
        children = Path(f"/proc/{master}/task/{master}/children")
        until(lambda: children.read_text().split())
        return int(children.read_text().split()[0])

    def kill_at(self, target: str, call: str, when: str) -> None:
        """Kill the worker before or after the effect of its next call of this name."""
        if call in THREADS_CALLS:
            # The call is never answered, or only long after its effect. Meanwhile the worker is killed.
            self.threads.control.fail(call, "hang" if when == "before" else "delay", seconds=3600)
            return
        name, _, again = call.partition(" ")
        left = itertools.count(1 if again else 0, -1)

        def hook(method: str, resource: str, moment: str) -> None:
            if (method, moment) == (name, when) and next(left) == 0:
                self.kill(target)
                if when == "before":
                    raise Refusal(grpc.StatusCode.UNAVAILABLE, "It died before it could ask.")

        self.manager.on_call = hook

    def request(self, target: str, call: str | None, method: str, url: str, **what: Any) -> requests.Response | None:
        """Make a request; return None if the worker died.

        Where `call` is one of Threads, it dies once that has arrived.
        """
        killer = threading.Thread(target=self._kill_on_arrival, args=(target, call, len(self.threads.control.calls)))
        killer.start()
        try:
            return requests.request(method, url, timeout=30, allow_redirects=False, **what)
        except requests.ConnectionError:
            return None
        finally:
            killer.join()

    def _kill_on_arrival(self, target: str, call: str | None, seen: int) -> None:
        if call in THREADS_CALLS:
            until(lambda: call in (name for name, _ in self.threads.control.calls[seen:]))
            time.sleep(0.02)  # until the call has had its effect
            self.kill(target)

    def post(self, call: str | None = None) -> requests.Response | None:
        return self.request("refresh", call, "POST", self.urls["refresh"])

    def sign_in(self, username: str, call: str | None = None) -> requests.Response | None:
        login = requests.get(f"{self.urls['oauth']}/login", timeout=30, allow_redirects=False)
        ((cookie, state),) = login.cookies.items()
        code = self.threads.tokens.issue_code(username, f"{self.urls['oauth']}/callback")
        return self.request(
            "oauth",
            call,
            "GET",
            f"{self.urls['oauth']}/callback",
            params={"state": state, "code": code},
            cookies={cookie: state},
        )

    def heal(self) -> None:
        self.manager.on_call = None
        self.threads.control.clear_faults()


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    file = tmp_path_factory.mktemp("kill") / "clock.json"
    clock, ports = Clock(file), {target: free_port() for target in ("oauth", "refresh")}
    urls = {target: f"http://127.0.0.1:{port}" for target, port in ports.items()}
    with (
        LocalThreads(clock, app_id=APP_ID, app_secret=APP_SECRET, readable_tokens=True) as threads,
        SecretManager(clock) as manager,
        ExitStack() as stack,
    ):
        environ = {**os.environ, **settings_for(threads, manager, urls["oauth"])}
        masters = {}
        for target, port in ports.items():
            command = [sys.executable, "-c", LAUNCH, target, "--port", str(port), "--clock", str(file)]
            master = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            masters[target] = stack.enter_context(master)
            stack.callback(master.terminate)
        for port in ports.values():
            until(partial(answers, port))
        yield Keeper(clock, threads, manager, masters, urls)


@pytest.fixture
def account(keeper: Keeper) -> Iterator[str]:
    """The username of the only allowed account, a new one for each test."""
    username = f"k{next(NUMBERS)}"
    keeper.threads.people.add(username)
    keeper.manager.create(f"threads-token-{username}", labels=ACCOUNT_LABELS)
    yield username
    keeper.heal()
    keeper.threads.control.turn({"old_token_dies": False})
    # An account that is known and has lost its label would be misconfigured in the next test.
    keeper.manager.set_labels(f"threads-token-{username}", {})
    keeper.manager.set_annotations(f"threads-token-{username}", {})


def is_whole(keeper: Keeper, username: str) -> bool:
    """Return whether the newest of two versions at most is alive, long-lived, the person's own and described."""
    secret = f"threads-token-{username}"
    payloads = keeper.manager.payloads(secret)
    newest = keeper.manager.newest(secret)
    return (
        keeper.threads.tokens.alive(newest)
        and keeper.threads.tokens.owner(newest) == username
        and "-short-" not in newest
        and keeper.manager.annotations(secret)["version"] == str(max(payloads))
        and len(payloads) <= 2
    )


def outcome(reply: requests.Response | None) -> str:
    assert reply is not None
    return str(reply.json()["accounts"][0]["outcome"])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", REFRESH_CALLS)
def test_a_refresh_killed_anywhere_loses_nothing(keeper: Keeper, account: str, call: str, when: str) -> None:
    prepare_three_versions(keeper, account)
    keeper.kill_at("refresh", call, when)
    assert keeper.post(call) is None
    keeper.heal()
    assert any(map(keeper.threads.tokens.alive, tokens(keeper, account)))
    first = outcome(keeper.post())
    keeper.clock.forward(DAY)
    second = outcome(keeper.post())
    print(f"refresh killed {when} {call}: then {first}, a day later {second}")
    stored = (when == "after" and call == "AddSecretVersion") or call in ("UpdateSecret", "DestroySecretVersion")
    assert (first, second) == ("too_young" if stored else "refreshed", "refreshed")
    assert is_whole(keeper, account)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", REFRESH_CALLS)
def test_a_kill_loses_a_token_only_between_the_end_of_the_old_one_and_the_storing_of_the_new_one(
    keeper: Keeper, account: str, call: str, when: str
) -> None:
    keeper.threads.control.turn({"old_token_dies": True})
    prepare_three_versions(keeper, account)
    keeper.kill_at("refresh", call, when)
    assert keeper.post(call) is None
    keeper.heal()
    first = outcome(keeper.post())
    torn = (call, when) in (("refresh", "after"), ("AddSecretVersion", "before"))
    torn = torn or call in ("debug", "ListSecretVersions again")
    if torn:
        assert first == "sign_in_again"
        assert keeper.sign_in(account).status_code == 303  # type: ignore[union-attr]
    keeper.clock.forward(DAY)
    second = outcome(keeper.post())
    print(f"refresh killed {when} {call}, the old token dead: then {first}, a day later {second}")
    assert second == "refreshed"
    keeper.clock.forward(DAY)
    assert outcome(keeper.post()) == "refreshed"
    assert is_whole(keeper, account)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", SIGN_IN_CALLS)
def test_a_sign_in_killed_anywhere_can_be_done_again(keeper: Keeper, account: str, call: str, when: str) -> None:
    keeper.kill_at("oauth", call, when)
    assert keeper.sign_in(account, call) is None
    keeper.heal()
    stored = len(tokens(keeper, account))
    assert stored == (call == "UpdateSecret again" or (call, when) == ("AddSecretVersion", "after"))
    assert all(map(keeper.threads.tokens.alive, tokens(keeper, account)))
    first = outcome(keeper.post())
    print(f"sign-in killed {when} {call}: {stored} stored, then {first}")
    assert first == ("too_young" if stored else "not_signed_in")
    assert keeper.sign_in(account).status_code == 303  # type: ignore[union-attr]
    assert is_whole(keeper, account)


def tokens(keeper: Keeper, username: str) -> list[str]:
    return [payload.decode() for payload in keeper.manager.payloads(f"threads-token-{username}").values()]


def prepare_three_versions(keeper: Keeper, username: str) -> None:
    """Store and refresh a token so that the next refresh, which is due, has a version to destroy."""
    assert keeper.sign_in(username).status_code == 303  # type: ignore[union-attr]
    keeper.clock.forward(DAY)
    assert outcome(keeper.post()) == "refreshed"
    keeper.clock.forward(DAY)
