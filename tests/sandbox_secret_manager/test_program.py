"""The local Secret Manager from Python and as a program."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from tests.sandbox_secret_manager.calls import add, create, version
from tests.support.processes import free_port
from tests.support.timing import allowed


def test_a_test_can_set_labels_and_annotations(manager):
    manager.create("alice", labels={"a": "1"})
    manager.set_labels("alice", {"b": "2"})
    manager.set_annotations("alice", {"c": "3"})
    assert (manager.labels("alice"), manager.annotations("alice")) == ({"b": "2"}, {"c": "3"})


def test_the_server_starts_and_stops_in_no_time(clock):
    started = time.monotonic()
    with SecretManager(clock):
        pass
    assert time.monotonic() - started < allowed(0.5)


def test_a_taken_port_is_an_error(clock, manager):
    with pytest.raises(OSError, match="in use"):
        SecretManager(clock, port=int(manager.address.rpartition(":")[2])).start()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes = []

    def start(port: int) -> subprocess.Popen[str]:
        options = [
            "--port",
            str(port),
            "--rest-port",
            "0",
            "--state",
            str(tmp_path / "secrets.json"),
            "--clock",
            str(tmp_path / "clock.json"),
        ]
        command = [sys.executable, "-m", "sandbox.secret_manager", "--project", "demo", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_nothing_that_was_answered_is_lost_by_a_kill_nor_by_a_stop(run, connect, tmp_path):
    port = free_port()
    program = run(port)
    assert f"127.0.0.1:{port}" in program.stdout.readline()
    client = connect(f"127.0.0.1:{port}")
    create(client, "alice")
    add(client, b"token-1")
    add(client, b"token-2")
    program.kill()
    program.wait()
    Clock(tmp_path / "clock.json").forward(timedelta(days=60))
    program = run(port)
    program.stdout.readline()
    client = connect(f"127.0.0.1:{port}")
    assert client.access_secret_version(name=version("latest")).payload.data == b"token-2"
    assert add(client, b"token-3").create_time - datetime.now(UTC) > timedelta(days=59)
    program.send_signal(signal.SIGTERM)
    assert program.wait(timeout=5) == 0
    assert program.stderr.read() == ""


def test_the_program_says_in_one_line_that_its_port_is_taken(run, manager):
    program = run(int(manager.address.rpartition(":")[2]))
    _, complaint = program.communicate(timeout=20)
    assert program.returncode == 1
    assert complaint.count("\n") == 1
    assert manager.address in complaint


def test_the_program_ends_cleanly_on_an_interrupt_while_somebody_is_connected(run):
    program = run(0)
    address = program.stdout.readline().split(" listens on ")[1].split(",")[0]
    with socket.create_connection(address.split(":")):
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=5) == 0
