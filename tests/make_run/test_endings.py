"""However `make run` ends, its children end too, nothing that was stored is lost, and the next run works."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.make_run.local_run import SANDBOX, LocalRun, begin, environ, free_ports, processes_in, started
from tests.support.processes import until


@pytest.fixture(autouse=True)
def nothing_is_left_by_a_test_that_fails(tmp_path: Path) -> Iterator[None]:
    yield
    for pid in processes_in(tmp_path):
        os.kill(pid, signal.SIGKILL)


ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_whatever_ends_it_no_process_is_left_and_the_next_run_has_all_that_was_stored(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path) as local:
        assert local.sign_in("alice").status_code == 200
        token = local.accounts("token", "alice")
        assert len(local.children()) >= 6  # four, and each function's worker
        local.end(number)
        assert local.process.returncode == (-9 if number == signal.SIGKILL else 0)
        until(lambda: not local.children())
        assert "Traceback" not in local.said
    for port in local.ports.values():
        socket.create_server(("127.0.0.1", port)).close()
    with started(tmp_path, local.ports) as local:
        assert local.accounts("token", "alice") == token


def test_a_run_right_after_a_kill_waits_for_the_children_and_then_works(tmp_path: Path) -> None:
    with started(tmp_path) as killed:
        # A store that is stopped for a moment cannot end yet, so it still has its port and its state.
        (store,) = [pid for pid in killed.children() if b"sandbox.secret_manager" in command_line(pid)]
        os.kill(store, signal.SIGSTOP)
        killed.end(signal.SIGKILL)
    threading.Timer(1.0, os.kill, (store, signal.SIGCONT)).start()
    with started(tmp_path, killed.ports) as local:
        assert local.accounts("token", "alice") if local.sign_in("alice").ok else False


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_refresh_that_is_under_way_still_stores_its_token(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as local:
        local.sign_in("alice")
        local.post("THREADS_PORT", "/sandbox/clock", by="2d")
        fault = {"call": "refresh", "fault": "delay", "seconds": 1.5}
        assert local.post("THREADS_PORT", "/sandbox/faults", **fault).status_code == 200
        before = number_of_tokens(local)
        refreshing = threading.Thread(target=try_to_refresh, args=(local,), daemon=True)
        refreshing.start()
        until(lambda: number_of_tokens(local) > before)
        local.end(number)
        until(lambda: not local.children())
        refreshing.join(10)
        assert local.versions("threads-token-alice") == ["1", "2"]


def test_a_request_that_never_ends_keeps_nothing_alive(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        local.sign_in("alice")
        local.post("THREADS_PORT", "/sandbox/clock", by="2d")
        fault = {"call": "refresh", "fault": "hang", "seconds": 3600}
        assert local.post("THREADS_PORT", "/sandbox/faults", **fault).status_code == 200
        threading.Thread(target=try_to_refresh, args=(local,), daemon=True).start()
        time.sleep(1.5)  # until it is under way
        local.end(signal.SIGKILL)
        until(lambda: not local.children())


def number_of_tokens(local: LocalRun) -> int:
    """Return how many tokens the local Threads has issued to alice."""
    state = requests.get(local.at("THREADS_PORT", "/sandbox/state"), timeout=20).json()
    return len(next(person["tokens"] for person in state["people"] if person["username"] == "alice"))


def try_to_refresh(local: LocalRun) -> None:
    with suppress(requests.RequestException):  # it is cut off
        local.post("REFRESH_PORT")


def test_closing_the_terminal_ends_everything(tmp_path: Path) -> None:
    ports = free_ports()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(SANDBOX[0], SANDBOX, environ(ports))
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(terminal, 4096)
    local = LocalRun(None, ports, tmp_path)  # type: ignore[arg-type]
    assert len(local.children()) >= 6
    os.close(terminal)
    until(lambda: not local.children())
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_run_that_make_started_ends_with_make(tmp_path: Path) -> None:
    ports = free_ports()
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {' '.join(SANDBOX)}\n")
    make = subprocess.Popen(
        [shutil.which("make") or "make", "run"], cwd=tmp_path, env=environ(ports), stdout=subprocess.PIPE, text=True
    )
    local = LocalRun(make, ports, tmp_path)
    local.wait()
    make.kill()
    until(lambda: not local.children())
    make.communicate(timeout=10)


def test_a_hang_up_that_nohup_ignores_ends_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["nohup", *SANDBOX], cwd=tmp_path, env=environ(free_ports()), stdout=subprocess.PIPE, text=True
    )
    local = LocalRun(process, {}, tmp_path)
    local.wait()
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    local.end(signal.SIGTERM)


def test_an_interrupt_ends_what_a_script_has_started_in_the_background(tmp_path: Path) -> None:
    """A shell without job control starts such a command with SIGINT ignored."""
    (tmp_path / "script").write_text(f"{' '.join(SANDBOX)} & echo $!; wait")
    process = subprocess.Popen(
        ["sh", "script"], cwd=tmp_path, env=environ(free_ports()), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    pid = int(process.stdout.readline())
    local = LocalRun(process, {}, tmp_path)
    local.wait()
    os.kill(pid, signal.SIGINT)
    until(lambda: not local.children())
    process.communicate(timeout=10)


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.8])
def test_a_signal_during_the_start_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    local = begin(tmp_path, free_ports())
    time.sleep(seconds)
    local.end(signal.SIGTERM)
    until(lambda: not local.children())
    assert "Traceback" not in local.said


def test_a_child_that_ends_by_itself_ends_the_run_with_its_name(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        (threads,) = [pid for pid in local.children() if b"sandbox.threads" in command_line(pid)]
        os.kill(threads, signal.SIGKILL)
        out, _ = local.process.communicate(timeout=20)
        assert "The Threads ended by itself" in out
        assert local.process.returncode == 1
        assert local.children() == []


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        second = begin(tmp_path, free_ports())
        out, _ = second.process.communicate(timeout=20)
        assert second.process.returncode == 1
        assert f"running in this folder already (process {local.process.pid})" in out
        assert local.accounts("allow", "eve") == "eve may sign in now."
