"""The programs that some tests need. A marker names what a test needs; pyproject.toml lists the markers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / "tests/pages/node_modules/axe-core/axe.min.js"
NODE_MODULES = ROOT / "tests/clients/node_modules"
CLIENTS_PYTHON = ROOT / ".venv/clients/bin/python"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# What is found of each marker's program, and what it is called where it is missing.
_NEEDED = {
    "browser": (CHROMIUM, "Chromium"),
    "gcloud": (shutil.which("gcloud"), "gcloud"),
    "npm": (shutil.which("npm") and NODE_MODULES.exists(), "npm, or what `make test` installs with it"),
    "axe": (AXE.exists(), "axe-core, which `make test` installs with npm"),
    "clients": (CLIENTS_PYTHON.exists(), "what `make test` installs in .venv/clients"),
}


def skip_without_program(item: pytest.Item) -> None:
    """Skip a test whose program is missing, or fail it where REQUIRE_<MARKER> is 1."""
    for marker, (found, name) in _NEEDED.items():
        if item.get_closest_marker(marker) and not found:
            missing = f"This machine has not got {name}."
            if os.environ.get(f"REQUIRE_{marker.upper()}") == "1":
                pytest.fail(missing)
            pytest.skip(missing)
