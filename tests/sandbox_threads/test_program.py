"""The local Threads as a program: its state survives a restart, and it logs nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import APP, CALLBACK, DAY, call_all, error, exchange_code, fresh_code, get, me, refresh

# What version 1.0 wrote for a token, a code, a fault and a switch.
_MOMENT = "2027-01-01T00:00:00+00:00"
_SCOPES = ["threads_basic"]
VERSION_1_0: dict[str, Any] = {
    "people": [
        {
            "username": "alice",
            "id": "17841405793187001",
            "private": False,
            "accepted": True,
            "note": "",
            "grant": {"scopes": _SCOPES, "expires_at": _MOMENT},
        },
        {
            "username": "bob",
            "id": "17841405793187003",
            "private": True,
            "accepted": True,
            "note": "",
            "grant": None,
        },
    ],
    "tokens": [
        {
            "value": "THalice-1",
            "person": "17841405793187001",
            "long_lived": True,
            "issued_at": _MOMENT,
            "expires_at": _MOMENT,
            "scopes": _SCOPES,
            "dead": None,
        }
    ],
    "codes": [
        {
            "value": "c",
            "person": "17841405793187001",
            "client_id": APP,
            "redirect_uri": CALLBACK,
            "scopes": _SCOPES,
            "expires_at": _MOMENT,
        }
    ],
    "minted": {"THalice-": 1},
    "switches": {
        "same_string": True,
        "old_token_dies": False,
        "state_on_cancel": True,
        "debug_works": True,
        "debug_user_id_matches": True,
        "signed_user_id_matches": True,
        "code_user_id_is_string": False,
        "wrapped": False,
        "trailing_slash": False,
        "expires_in": 5184000,
        "too_young_shape": 2,
        "too_young_code": 100,
        "too_young_subcode": 0,
        "too_young_status": 400,
    },
    "faults": [
        {
            "call": "me",
            "name": "expired",
            "times": None,
            "username": "alice",
            "shape": None,
            "status": None,
            "seconds": 0.5,
        }
    ],
}


def test_a_restart_loses_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "kept" / "threads.json"
    with LocalThreads(clock, path=path) as threads:
        token = threads.tokens.issue_long_lived("bob", age=DAY)
        removed = threads.tokens.issue_long_lived("mallory")
        threads.people.remove_app("mallory")
        threads.people.rename("alice", "alicia")
        threads.control.turn({"same_string": True})
        threads.control.fail("me", "expired", times=None, username="alicia", shape=4)
        threads.api.add_redirect_uri("https://bot.example/callback")
        form = {"media_type": "TEXT", "text": "kept", "access_token": token}
        requests.post(f"{threads.url}/me/threads", data=form | {"auto_publish_text": "true"}, timeout=5)
        container = requests.post(f"{threads.url}/me/threads", data=form, timeout=5).json()["id"]
        code, before = fresh_code(threads, "dotted.name"), threads_state(threads)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["threads.json"]
    with LocalThreads(clock, path=path) as threads:
        after = threads_state(threads)
        assert before == after
        assert refresh(threads, token).json()["access_token"] == token
        assert error(me(threads, removed)) == (190, 458)
        assert exchange_code(threads, code).status_code == 200
        assert get(threads, f"/{container}", fields="status", access_token=token).json() == {"status": "FINISHED"}
        form = {"creation_id": container, "access_token": token}
        post = requests.post(f"{threads.url}/me/threads_publish", data=form, timeout=5).json()["id"]
        assert next(threads.media.listed()).id == post
        assert len({one.id for one in threads.media.posts.values()}) == 2
        threads.people.add("newcomer")
        assert len({person.id for person in threads.people}) == 6


def test_a_state_file_of_version_1_0_still_loads(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "threads.json"
    path.write_text(json.dumps(VERSION_1_0))
    with LocalThreads(clock, path=path) as threads:
        assert threads.tokens.get("THalice-1") is not None
        assert threads.people["bob"].private
        assert threads.people["alice"].grant is not None
        assert [(fault.call, fault.name, fault.username) for fault in threads.control.faults] == [
            ("me", "expired", "alice")
        ]
        assert threads.control.switches.same_string
        threads.people.add("newcomer")
    with LocalThreads(clock, path=path) as threads:
        assert "newcomer" in {person.username for person in threads.people}


def threads_state(threads: LocalThreads) -> dict[str, Any]:
    state: dict[str, Any] = get(threads, "/sandbox/state").json()
    state.pop("now")
    return state


def test_the_command_says_when_it_is_ready_and_ends_in_good_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.threads", "--clock", str(tmp_path / "clock.json")]
    settings = ["--app-secret-env", "APP_SECRET", "--state", str(tmp_path / "state.json"), "--redirect-uri", CALLBACK]
    with subprocess.Popen(
        command + settings,
        env=os.environ | {"APP_SECRET": "from-the-environment"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        ready = running.stdout.readline()
        url = re.findall(r"http://127\.0\.0\.1:\d+", ready)[0]
        query = {"client_id": APP, "client_secret": "from-the-environment", "grant_type": "client_credentials"}
        assert requests.get(url + "/oauth/access_token", params=query, timeout=5).status_code == 200
        port = url.rsplit(":", 1)[1]
        taken = subprocess.run([*command, "--port", port], capture_output=True, text=True, timeout=20)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, out, err) == (0, "", "")
    assert (taken.returncode, taken.stdout, len(taken.stderr.splitlines())) == (1, "", 1)
    assert port in taken.stderr


def test_nothing_is_logged(
    threads: LocalThreads, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call_all(threads)
    get(threads, "/nowhere", access_token="a-sentinel")
    with socket.create_connection(("127.0.0.1", int(threads.url.rsplit(":", 1)[1]))) as raw:
        raw.sendall(b"NONSENSE /?access_token=a-sentinel HTTP/9.9\r\n\r\n")
        raw.recv(1000)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
