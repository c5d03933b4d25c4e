"""A port that is taken is named, with who has it and a command that works."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import ports
from sandbox.trouble import Trouble
from tests.make_run.local_run import PORTS, environ, free_ports, run, started


@pytest.mark.parametrize("name", PORTS)
def test_a_port_that_is_taken_is_named_and_the_command_keeps_what_was_given(tmp_path: Path, name: str) -> None:
    given = free_ports()
    with socket.create_server(("127.0.0.1", given[name])):
        done = run(["sandbox"], tmp_path, given)
    assert (done.returncode, done.stdout) == (1, "")
    said, advice = done.stderr.strip().splitlines()
    assert said == f"Port {given[name]} ({name}) is taken by another program."
    suggested = dict(re.findall(r"([A-Z_]+)=(\d+)", advice))
    assert suggested.pop(name) != str(given[name])
    assert suggested == {other: str(port) for other, port in given.items() if other != name}


def test_the_suggested_command_works_and_another_run_is_named_by_its_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "se cond"
    first.mkdir()
    second.mkdir()
    with started(first) as local:
        done = run(["sandbox"], second, local.ports)
        lines = done.stderr.strip().splitlines()
        assert lines[:-1] == [
            f"Port {port} ({name}) is taken by `make run` in {first}." for name, port in local.ports.items()
        ]
        assert lines[-1].endswith(" make run")
        words = shlex.split(lines[-1].partition("choose another: ")[2])
        chosen = {name: int(port) for name, port in (word.split("=") for word in words[:-2])}
        assert chosen.keys() == local.ports.keys()
        with started(second, chosen) as other:
            assert other.accounts("allow", "eve") == "eve may sign in now."


def test_ps_names_it_too_where_there_is_no_proc() -> None:
    wait = "print('up', flush=True); input()"
    command = [sys.executable, "-c", wait, "-m", "sandbox.child", "/a folder", "sandbox.threads", "--port", "4242"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        for lines in (ports.command_lines(), ports.listed_by_ps()):
            assert any("sandbox.child /a folder sandbox.threads" in line for line in lines)
        process.communicate("\n")


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "8080 ", "٨٠٨٠"])
def test_what_is_no_port_is_refused_by_the_name_of_its_setting(value: str) -> None:
    with pytest.raises(Trouble, match=r"REFRESH_PORT must be a port number"):
        ports.read({"REFRESH_PORT": value})


def test_two_servers_with_one_port_are_refused() -> None:
    with pytest.raises(Trouble, match="Two servers cannot have one port"):
        ports.read({"OAUTH_PORT": "8081"})


def test_a_blank_setting_means_the_default() -> None:
    assert ports.read({"OAUTH_PORT": ""})["OAUTH_PORT"] == 8080
    assert environ({})
