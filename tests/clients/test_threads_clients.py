"""Clients of Threads that people use work with what `make run` starts, with no more than their addresses changed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.make_run.local_run import LocalRun, started
from tests.support.programs import CLIENTS_PYTHON

pytestmark = pytest.mark.clients
BOTS = Path(__file__).parent / "bots"
REDIRECT_URI = "http://127.0.0.1:1/of-the-bot"  # nobody listens there: the test is the browser


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with started(tmp_path_factory.mktemp("clients")) as local:
        assert local.post("THREADS_PORT", "/sandbox/redirect-uris", add=REDIRECT_URI).status_code == 200
        yield local


def state(local: LocalRun) -> dict:
    return requests.get(local.at("THREADS_PORT", "/sandbox/state"), timeout=20).json()


def use(local: LocalRun, client: str) -> dict:
    """Run the client, which does all that a bot does, in a process of its own, and return its report."""
    env = {
        "PATH": os.environ["PATH"],
        "CI": "1",  # pythreads wants a certificate otherwise, which the local Threads does not need
        "OAUTHLIB_INSECURE_TRANSPORT": "1",  # the local Threads is not https
        "LOCAL_THREADS": local.at("THREADS_PORT", ""),
        "LOCAL_APP_ID": state(local)["app_id"],
        "LOCAL_APP_SECRET": "sandbox-app-secret",
        "LOCAL_REDIRECT_URI": REDIRECT_URI,
        "LOCAL_PERSON": "alice",
    }
    command = [str(CLIENTS_PYTHON), str(BOTS / f"use_{client}.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("client", "switches"),
    [
        ("pythreads", {}),
        ("requests_oauthlib", {}),
        ("threadspipepy", {"lenient": True}),  # it sends its code exchange as JSON
    ],
)
def test_a_client_signs_in_refreshes_posts_and_lists(local: LocalRun, client: str, switches: dict) -> None:
    assert local.post("THREADS_PORT", "/sandbox/switches", **{"lenient": False} | switches).status_code == 200
    seen = use(local, client)
    first, refreshed = seen["tokens"]
    assert first != refreshed
    assert seen["username"] == "alice"
    text = f"Hello from {client.replace('_', '-')}"
    assert seen["texts"][seen["posted"]] == text
    newest = state(local)["posts"][0]
    assert (newest["id"], newest["text"], newest["token_ends_with"]) == (seen["posted"], text, refreshed[-4:])


def test_json_is_not_read_unless_the_switch_says_so(local: LocalRun) -> None:
    local.post("THREADS_PORT", "/sandbox/switches", lenient=False)
    with pytest.raises(AssertionError, match="KeyError"):
        use(local, "threadspipepy")
