"""A mistake in `.env` is named before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox import env_file
from tests.make_run.local_run import begin, free_ports, run

REAL = "THREADS_APP_ID=1\nTHREADS_APP_SECRET=sentinel-app-secret\nPUBLIC_URL=https://keeper.example\n"
MISTAKES = {
    "misspelt": (f"{REAL}THREADS_USERNAME=alice", "line 4: THREADS_USERNAME is no setting. Did you mean THREADS_USERN"),
    "lower case": ("public_url=https://keeper.example", "public_url is no setting. Did you mean PUBLIC_URL?"),
    "unknown": ("COLOUR=blue", "COLOUR is no setting. The settings are THREADS_APP_ID, THREADS_APP_SECRET, PUBLIC_URL"),
    "no line": ("what is this", "line 1: write NAME=value."),
    "twice": (f"{REAL}PUBLIC_URL=https://other.example", "line 4: PUBLIC_URL is set a second time."),
    "half": ("THREADS_APP_ID=1\n", "must set THREADS_APP_SECRET, PUBLIC_URL too."),
    "blank": (REAL.replace("sentinel-app-secret", ""), "must set THREADS_APP_SECRET too."),
    "no URL": (REAL.replace("https://", ""), "PUBLIC_URL must be a URL"),
    "no number": (f"{REAL}REFRESH_AFTER_HOURS=soon", "REFRESH_AFTER_HOURS must be a whole number"),
    "no port": ("OAUTH_PORT=http", "OAUTH_PORT must be a port number."),
    "no username": (f"{REAL}THREADS_USERNAMES=alice smith", "THREADS_USERNAMES must be Threads usernames"),
    "not text": (b"\xff\xfe", "cannot be read: it is not text in UTF-8."),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_starts(tmp_path: Path, text: str | bytes, said: str) -> None:
    (tmp_path / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run(["sandbox"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "sentinel" not in done.stderr
    assert not (tmp_path / ".sandbox" / "secrets.json").exists()


def test_a_folder_of_that_name_is_named_too(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert ".env cannot be read" in run(["sandbox"], tmp_path).stderr


def test_what_people_write_in_such_files_is_understood(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b"\xef\xbb\xbf# the app\r\nexport A='1 # 2'\r\n\r\n B = \"x\"  # so\r\nC=\r\nD=a=b # that\r\nE=https://e.example/#f\n"
    )
    assert env_file.read(file, ["A", "B", "C", "D", "E"]) == {
        "A": "1 # 2",
        "B": "x",
        "D": "a=b",
        "E": "https://e.example/#f",
    }


def test_with_the_real_threads_the_person_is_told_who_can_read_the_tokens(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{REAL}THREADS_USERNAMES=Alice, bob.b\n")
    local = begin(tmp_path, free_ports())
    local.wait()
    local.end()
    assert "This is the real Threads." in local.said
    assert "any user of this machine" in local.said
    assert "May sign in: alice, bob.b." in local.said
    assert "https://keeper.example/" in local.said
    assert "sentinel" not in local.said
    assert "sandbox.clock" not in local.said
    assert os.listdir(tmp_path / ".sandbox" / "real") != []


def test_a_port_may_stand_there_and_one_before_the_command_wins(tmp_path: Path) -> None:
    ports, others = free_ports(), free_ports()
    (tmp_path / ".env").write_text("".join(f"{name}={port}\n" for name, port in ports.items()))
    local = begin(tmp_path, {"OAUTH_PORT": others["OAUTH_PORT"]})
    local.wait()
    local.end()
    assert f"Sign in        http://127.0.0.1:{others['OAUTH_PORT']}/\n" in local.said
    assert f"Status page    http://127.0.0.1:{ports['REFRESH_PORT']}/\n" in local.said


def test_local_people_are_allowed_at_the_first_start_only(tmp_path: Path) -> None:
    ports = free_ports()
    local = begin(tmp_path, ports)
    local.wait()
    local.accounts("forget", "bob", "--yes")
    local.end()
    local = begin(tmp_path, ports)
    local.wait()
    local.end()
    assert "May sign in: alice, carol, dotted.name." in local.said
