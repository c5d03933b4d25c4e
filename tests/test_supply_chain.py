"""What is installed is what was pinned."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ["requirements", "requirements-dev"]
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
PERMISSIVE = re.compile(r"MIT|BSD|Apache|PSF|Python Software|ISC|MPL|Mozilla|Unlicense|CNRI|Zlib", re.IGNORECASE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(stem: str) -> set[str]:
    lines = (ROOT / f"{stem}.in").read_text().splitlines()
    return {normal(line.strip()) for line in lines if re.fullmatch(NAME, line.strip())}


def pinned(stem: str) -> dict[str, str]:
    """Each pinned package of a lock, with its whole entry."""
    text = (ROOT / f"{stem}.txt").read_text()
    entries = re.split(rf"^(?={NAME}==)", text, flags=re.MULTILINE)
    return {normal(entry.partition("==")[0]): entry for entry in entries if re.match(rf"{NAME}==", entry)}


@pytest.mark.parametrize("stem", LOCKS)
def test_every_pinned_package_has_its_hashes(stem: str) -> None:
    entries = pinned(stem)
    assert len(entries) > 20
    for name, entry in entries.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


@pytest.mark.parametrize("stem", LOCKS)
def test_the_lock_fits_what_is_asked_for(stem: str) -> None:
    assert direct(stem) <= pinned(stem).keys()
    for name, entry in pinned(stem).items():  # nothing is pinned that nobody asks for
        assert "# via" in entry or name in direct(stem), name


def test_tests_run_on_the_very_versions_that_are_deployed() -> None:
    versions = {stem: {name: entry.split()[0] for name, entry in pinned(stem).items()} for stem in LOCKS}
    assert versions["requirements"].items() <= versions["requirements-dev"].items()


def test_what_is_installed_is_what_is_pinned() -> None:
    for name, entry in pinned("requirements").items():
        if ";" not in entry.splitlines()[0]:
            assert metadata.version(name) == entry.split()[0].partition("==")[2]


def test_every_package_that_the_deployed_code_imports_is_asked_for_by_name() -> None:
    """Import names, as the source writes them, to the packages that bring them."""
    code = "".join(path.read_text() for path in [ROOT / "main.py", *(ROOT / "token_keeper").glob("*.py")])
    modules = set(re.findall(r"^(?:from|import) ([a-z0-9_.]+)", code, re.MULTILINE))
    brought = metadata.packages_distributions()
    for module in modules:
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in ("token_keeper", "google", "werkzeug"):
            continue
        assert direct("requirements") & {normal(package) for package in brought[top]}, module


def test_every_deployed_package_has_a_permissive_licence() -> None:
    for name, entry in pinned("requirements").items():
        if ";" in entry.splitlines()[0]:
            continue
        about = metadata.metadata(name)
        said = [about.get("License-Expression"), about.get("License"), *(about.get_all("Classifier") or [])]
        assert PERMISSIVE.search(" ".join(word for word in said if word)), name


def test_no_package_registry_is_named() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for path in listed or [str(path) for path in ROOT.glob("*.txt")]:
        if path.endswith((".txt", ".toml", ".in", ".yaml", "Makefile")):
            assert not re.search(r"--(extra-)?index-url|--find-links", (ROOT / path).read_text()), path
