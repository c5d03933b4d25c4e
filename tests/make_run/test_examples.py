"""examples/post.py and examples/post.mjs post with the newest token, and read it once more where it is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.make_run.local_run import ROOT, started
from tests.support.programs import NODE_MODULES

EXAMPLES = ROOT / "examples"
DEAD = "THdead-sentinel"


@pytest.fixture(params=["post.py", pytest.param("post.mjs", marks=pytest.mark.npm)])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The command of the example, in a folder where its packages are found."""
    if request.param == "post.py":
        return [sys.executable, str(EXAMPLES / "post.py")]
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    shutil.copy(EXAMPLES / "post.mjs", tmp_path)
    return ["node", str(tmp_path / "post.mjs")]


def post(
    command: list[str], manager: SecretManager, threads: LocalThreads, username: str = "alice"
) -> subprocess.CompletedProcess[str]:
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "GOOGLE_CLOUD_PROJECT": "demo",
        "SECRET_MANAGER_EMULATOR_HOST": manager.address,
        "THREADS_API_URL": threads.url,
    }
    return subprocess.run(
        [*command, username, "Hello & good-bye"], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def texts(threads: LocalThreads, token: str) -> list[str]:
    query = {"fields": "text", "access_token": token}
    return [one["text"] for one in requests.get(f"{threads.url}/me/threads", query, timeout=20).json()["data"]]


def test_it_posts_with_the_newest_version(command: list[str], manager: SecretManager, threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("dotted.name")
    manager.add("threads-token-dotted-name", DEAD)
    manager.add("threads-token-dotted-name", f"{token}\n")  # as somebody pastes it
    done = post(command, manager, threads, "Dotted.Name")
    assert re.fullmatch(r"Posted as Dotted\.Name: \d+\n", done.stdout), done.stderr
    assert done.stderr == ""
    assert texts(threads, token) == ["Hello & good-bye"]


def test_a_token_that_is_refused_is_read_once_more(
    command: list[str], manager: SecretManager, threads: LocalThreads
) -> None:
    token = threads.tokens.issue_long_lived("alice")
    manager.add("threads-token-alice", DEAD)
    reads: list[str] = []

    def refresh_after_the_first_read(method: str, resource: str, when: str) -> None:
        if (method, when) == ("AccessSecretVersion", "after"):
            reads.append(resource)
            if len(reads) == 1:
                manager.add("threads-token-alice", token)

    manager.on_call = refresh_after_the_first_read
    done = post(command, manager, threads)
    assert done.returncode == 0, done.stderr
    assert texts(threads, token) == ["Hello & good-bye"]
    assert len(reads) == 2


def test_a_token_that_stays_refused_ends_it_after_two_reads_without_showing_it(
    command: list[str], manager: SecretManager, threads: LocalThreads
) -> None:
    manager.add("threads-token-alice", DEAD)
    done = post(command, manager, threads)
    assert done.returncode != 0
    assert DEAD not in done.stdout + done.stderr
    assert [name for name, _ in threads.control.calls] == ["make_post"] * 2


def test_another_refusal_is_told_by_its_code_and_not_tried_again(
    command: list[str], manager: SecretManager, threads: LocalThreads
) -> None:
    token = threads.tokens.issue_long_lived("alice", scopes=["threads_basic"])
    manager.add("threads-token-alice", token)
    done = post(command, manager, threads)
    assert done.returncode != 0
    assert re.search(r"Threads refused this: HTTP status 4\d\d, error code \d+\.", done.stderr)
    assert token not in done.stdout + done.stderr
    assert [name for name, _ in threads.control.calls] == ["make_post"]


def test_the_command_that_make_run_prints_posts_as_it_stands(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        assert local.sign_in("alice").status_code == 200
        (printed,) = re.findall(r"Post           (.*\\\n.*)", local.said)
        done = subprocess.run(
            printed, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout.startswith("Posted as alice: "), done.stderr
        state = json.loads(requests.get(local.at("THREADS_PORT", "/sandbox/state"), timeout=20).text)
        (found,) = state["posts"]
        assert (found["username"], found["text"]) == ("alice", "Hello")
        assert found["token_ends_with"] == local.accounts("token", "alice")[-4:]
