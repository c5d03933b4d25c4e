"""A test whose program is missing is skipped, but where the program is required it fails: `.ci/run` skips nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.layout.sources import ROOT


@pytest.mark.parametrize(("required", "outcome"), [({}, "1 skipped"), ({"REQUIRE_GCLOUD": "1"}, "1 error")])
def test_a_missing_program_skips_a_test_unless_it_is_required(required: dict[str, str], outcome: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "gcloud",
        "tests/test_bot_guide.py",
    ]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": "", **required}, capture_output=True, text=True, check=False)
    assert outcome in done.stdout.splitlines()[-1]


def test_the_checks_require_the_program_of_every_marker() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = [text.partition(":")[0] for text in settings["markers"]]
    required = set(re.findall(r"REQUIRE_(\w+)=1", (ROOT / ".ci/run").read_text()))
    assert required == {marker.upper() for marker in markers}
