"""While the environment is made, a person at a terminal sees how far it is, and what stops it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import environment
from tests.make_run.local_run import ROOT

PIP = [
    "Collecting flask==3.1.3 (from -r requirements.txt (line 1))\n",
    "  Downloading flask-3.1.3-py3-none-any.whl (103 kB)\n",
    "Processing /cache/proto_plus-1.29.0-py3-none-any.whl (from -r requirements.txt (line 9))\n",
    "Requirement already satisfied: grpcio in .venv/lib\n",
    "Installing collected packages: flask, proto-plus\n",
]


class ColourTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_each_package_in_one_line() -> None:
    out = ColourTerminal()
    environment.show(PIP, 3, out)
    steps = [step.removeprefix("\033[K") for step in out.getvalue().split("\r")]
    assert steps == ["", "  1 of 3: flask", "  2 of 3: proto_plus", "  3 of 3: grpcio", "  unpacking 2 packages…", ""]


def test_a_file_gets_no_such_line() -> None:
    out = io.StringIO()
    environment.show(PIP, 3, out)
    assert out.getvalue() == ""


def test_every_pinned_package_is_counted() -> None:
    assert environment.number_of_packages([str(ROOT / "requirements.txt")]) >= 30


def test_what_cannot_be_installed_is_a_failure_with_pips_reason(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("./nothing-is-here\n")
    command = [sys.executable, "-m", "sandbox.environment", "requirements.txt"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "nothing-is-here" in done.stderr
    assert "requirements.txt could not be installed" in done.stderr


# make


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make there, as a user that may not write everywhere."""
    user = 65534 if os.geteuid() == 0 else None
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, user=user, timeout=60, check=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        for file in ("Makefile", "requirements.txt"):
            shutil.copy(ROOT / file, folder)
        yield folder


def test_a_folder_that_cannot_be_written_to_is_called_that(folder: Path) -> None:
    folder.chmod(0o555)
    done = make(folder, "run", "PYTHON=/usr/bin/env python3")
    folder.chmod(0o777)
    assert done.returncode == 2
    assert done.stdout.strip().splitlines()[0].startswith(f"This folder cannot be written to: {folder}.")
    assert "venv is missing" not in done.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [("ensurepip", "Python's venv is missing"), ("(3, 11)", "Python 3.11 or newer is needed")],
)
def test_what_the_machine_lacks_is_named(folder: Path, asked: str, said: str) -> None:
    python = folder / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *"{asked}"*) echo "$*" >&2; exit 1;; esac\n')
    python.chmod(0o755)
    done = make(folder, "run", f"PYTHON={python}")
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Making the environment" not in done.stdout
