"""The programs that the tests of this folder need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def need(program: str, installed: Path | None = None) -> None:
    """Skip the test where a program, or what it installs, is missing; fail it where REQUIRE_<PROGRAM> is 1."""
    if not shutil.which(program):
        _miss(program, f"there is no {program} on this machine")
    if installed and not installed.exists():
        _miss(program, f"{installed.name} is missing: `make test` installs it")


def need_environment(python: Path) -> None:
    """Skip the test where the environment of the clients of Threads is missing; fail it where REQUIRE_CLIENTS is 1."""
    if not python.exists():
        _miss("clients", f"{python.parent.parent} is missing: `make test` installs it")


def _miss(program: str, what: str) -> None:
    if os.environ.get(f"REQUIRE_{program.upper()}") == "1":
        pytest.fail(what)
    pytest.skip(what)
