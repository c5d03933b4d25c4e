"""The lock files: complete, with hashes, and equal to what is installed."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEPLOYED, DEVELOPMENT = "requirements.txt", "requirements/dev.txt"
# Each lock, and the file that names what it pins.
SOURCES = {DEPLOYED: "requirements/runtime.in"}
SOURCES |= {f"requirements/{name}.txt": f"requirements/{name}.in" for name in ("dev", "bench", "fuzz", "clients")}
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
PINNED = rf"({NAME})(?:\[[a-z,-]+\])?=="
PERMISSIVE = re.compile(r"MIT|BSD|Apache|PSF|Python Software|ISC|MPL|Mozilla|Unlicense|CNRI|Zlib", re.IGNORECASE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(lock: str) -> set[str]:
    """Return the packages that are named in the source of a lock."""
    lines = (ROOT / SOURCES[lock]).read_text().splitlines()
    return {normal(found[0]) for line in lines if (found := re.match(NAME, line.strip()))}


def pinned(lock: str) -> dict[str, str]:
    """Return each pinned package of a lock with its whole entry."""
    text = (ROOT / lock).read_text()
    entries = re.split(rf"^(?={PINNED})", text, flags=re.MULTILINE)
    return {normal(found[1]): entry for entry in entries if (found := re.match(PINNED, entry))}


@pytest.mark.parametrize("lock", SOURCES)
def test_every_pinned_package_has_its_hashes(lock: str) -> None:
    entries = pinned(lock)
    assert len(entries) >= 20
    for name, entry in entries.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


@pytest.mark.parametrize("lock", SOURCES)
def test_a_lock_pins_what_its_source_names_and_what_that_needs(lock: str) -> None:
    assert direct(lock) <= pinned(lock).keys()
    for name, entry in pinned(lock).items():
        assert "# via" in entry, name


# The clients of Threads are installed apart from the rest, since they pin what they need themselves.
@pytest.mark.parametrize("lock", sorted(SOURCES.keys() - {"requirements/clients.txt"}))
def test_every_lock_has_the_versions_that_are_deployed(lock: str) -> None:
    versions = {name: entry.split()[0] for name, entry in pinned(lock).items()}
    assert {name: entry.split()[0] for name, entry in pinned(DEPLOYED).items()}.items() <= versions.items()


@pytest.mark.parametrize("lock", [DEPLOYED, DEVELOPMENT])
def test_what_is_installed_is_what_is_pinned(lock: str) -> None:
    for name, entry in pinned(lock).items():
        if ";" not in entry.splitlines()[0]:
            assert metadata.version(name) == entry.split()[0].partition("==")[2]


def test_every_package_that_the_deployed_code_imports_is_asked_for_by_name() -> None:
    code = "".join(path.read_text() for path in [ROOT / "main.py", *(ROOT / "token_keeper").glob("*.py")])
    modules = set(re.findall(r"^(?:from|import) ([a-z0-9_.]+)", code, re.MULTILINE))
    brought = metadata.packages_distributions()
    for module in modules:
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in ("token_keeper", "google", "werkzeug"):
            continue
        assert direct(DEPLOYED) & {normal(package) for package in brought[top]}, module


def test_every_deployed_package_has_a_permissive_licence() -> None:
    for name, entry in pinned(DEPLOYED).items():
        if ";" in entry.splitlines()[0]:
            continue
        about = metadata.metadata(name)
        said = [about.get("License-Expression"), about.get("License"), *(about.get_all("Classifier") or [])]
        assert PERMISSIVE.search(" ".join(word for word in said if word)), name


def test_no_package_registry_is_named() -> None:
    files = [*SOURCES, *SOURCES.values(), "Makefile", "pyproject.toml", "cloudbuild.yaml", ".ci/run"]
    files += [str(path.relative_to(ROOT)) for path in (ROOT / ".github").rglob("*.yml")]
    for name in files:
        assert not re.search(r"--(extra-)?index-url|--find-links|index-url *=", (ROOT / name).read_text()), name


def test_every_folder_with_locked_packages_gets_updates() -> None:
    """Dependabot looks into the folders that its file names, and into no other."""
    listed = set(re.findall(r"[\[ ](/[\w/]*)", (ROOT / ".github/dependabot.yml").read_text()))
    locks = [ROOT / name for name in SOURCES]
    locks += [path for path in ROOT.glob("tests/**/package-lock.json") if "node_modules" not in path.parts]
    assert {f"/{lock.parent.relative_to(ROOT)}".removesuffix(".") for lock in locks} <= listed


def test_the_workflow_runs_the_checks_and_nothing_else() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow) == [".ci/run"]
    assert set(re.findall(r"uses: ([\w/-]+)@v\d+$", workflow, re.M)) == {"actions/checkout", "actions/setup-python"}
