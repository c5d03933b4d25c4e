"""The documents name what exists: files, headings, tests, commands, settings, outcomes and packages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.__main__ import SELECTIONS
from main import OAuth
from sandbox import ports
from sandbox.plan import PEOPLE, Plan
from sandbox.welcome import welcome
from token_keeper.clients import Clients
from token_keeper.outcomes import Outcome
from token_keeper.settings import OAuthSettings, RefreshSettings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
VALUES = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1",
    "THREADS_APP_SECRET": "s",
    "PUBLIC_URL": "https://a.example",
}


def text(name: str) -> str:
    return (ROOT / name).read_text()


def cells(table: str, column: int) -> list[str]:
    """Return one column of the table's rows, without its header."""
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [row[column].strip() for row in rows[2:]]


def section(document: str, heading: str) -> str:
    return text(document).split(f"## {heading}\n")[1].split("\n## ")[0]


def anchors(path: Path) -> set[str]:
    """Return the anchor of each heading, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", path.read_text())
    for target in (one or other for one, other in links):
        name, _, anchor = target.partition("#")
        found = (path.parent / name) if name else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) <= 250


def test_every_document_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)", text("README.md")))
    assert {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {"README.md"} <= linked


def test_every_make_target_that_a_document_names_exists() -> None:
    makefile = text("Makefile")
    named = {name for path in DOCUMENTS for name in re.findall(r"`make ([a-z]+)", path.read_text())}
    assert {"run", "test", "lint", "soak", "fuzz", "bench", "lock"} <= named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.M)} == set()


# The README in other languages

TRANSLATIONS = ["README.ja.md", "README.zh-TW.md"]


def code_lines(name: str) -> set[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", text(name), re.S | re.M)
    return {line for block in blocks for line in block.splitlines()}


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_has_no_command_that_the_readme_has_not(name: str) -> None:
    assert code_lines(name) - code_lines("README.md") == set()
    inline = set(re.findall(r"`((?:make|gcloud|\./deploy\.sh|[A-Z_]+=\S+) [^`]*)`", text(name)))
    assert len(inline) >= 4
    assert {command for command in inline if command not in text("README.md")} == set()


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_has_each_outcome_and_error_code_of_the_readme(name: str) -> None:
    rows = re.findall(r"^\| (`\w+`|[\d, ]+) \|", section("README.md", "When something is wrong"), re.M)
    assert len(rows) >= len(Outcome) + 3
    assert [row for row in rows if f"\n| {row} |" not in text(name)] == []


@pytest.mark.parametrize("name", ["README.md", *TRANSLATIONS])
def test_the_readmes_lead_to_each_other(name: str) -> None:
    others = {"README.md", *TRANSLATIONS} - {name}
    assert {other for other in others if f"]({other})" not in "".join(text(name).splitlines()[:5])} == set()


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def test_the_translations_follow_one_commit_of_the_readme() -> None:
    commits = {commit for name in TRANSLATIONS for commit in re.findall(r"`([0-9a-f]{7})`", text(name))}
    assert len(commits) == 1
    if git("rev-parse", "--is-shallow-repository") == "false":  # an archive and a shallow clone do not know old commits
        assert commits <= set(git("log", "--format=%h", "--abbrev=7", "--", "README.md").split())


# SECURITY.md


def test_every_threat_names_its_tests() -> None:
    threats = section("SECURITY.md", "Threats and mitigations").split("\n### ")[1:]
    assert len(threats) >= 13
    assert [threat.splitlines()[0] for threat in threats if not re.search(r"^Tests: .*`", threat, re.M)] == []


def test_every_test_that_a_document_names_exists() -> None:
    for path in DOCUMENTS:
        named = set(re.findall(r"`(test_\w+)`", path.read_text()))
        files = set(re.findall(r"`?(tests/[\w/]+\.py)`?", path.read_text()))
        tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
        assert {name for name in named if f"def {name}(" not in tests} == set(), path.name
        assert {file for file in files if not (ROOT / file).exists()} == set(), path.name


# The tables


def test_the_table_of_outcomes_names_each_of_them() -> None:
    tables = section("README.md", "When something is wrong").split("| outcome |")[1].split("\n\n")[0]
    assert set(cells("| outcome |" + tables, 0)) == {f"`{outcome}`" for outcome in Outcome}


class Asked(Mapping[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_there = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_there[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_there)

    def __len__(self) -> int:
        return len(self.values_there)


def read_by(settings: type[OAuthSettings] | type[RefreshSettings]) -> set[str]:
    asked = Asked(VALUES)
    settings.from_environ(asked)
    return asked.names


def described() -> Iterator[tuple[str, str]]:
    table = section("docs/settings.md", "Settings of the functions")
    return zip(cells(table, 0), cells(table, 1), strict=True)


def test_the_table_of_settings_names_each_that_the_functions_read() -> None:
    oauth, refresh = read_by(OAuthSettings), read_by(RefreshSettings)
    who = {
        name: "both" if name in oauth & refresh else "oauth" if name in oauth else "refresh" for name in oauth | refresh
    }
    assert {name.strip("`"): reader for name, reader in described()} == who


def test_the_table_of_routes_names_each_of_them() -> None:
    paths = OAuth(Clients()).routes(OAuthSettings.from_environ(VALUES))
    answered = {(method, path.strip("/")) for path, methods in paths.items() for method in methods}
    routes = {f"{method} /{path}" for method, path in answered if method != "HEAD"}
    table = section("docs/settings.md", "Routes").split("| `refresh`, private |")[0]
    assert {cell.strip("`") for cell in cells(table, 0)} == routes


def test_the_licences_of_all_that_is_deployed_are_listed() -> None:
    rows = re.findall(r"^\| (?!licence|-)[^|]+ \| ([^|]+) \|$", text("docs/licences.md"), re.M)
    listed = {name.strip().lower() for row in rows for name in row.split(",")}
    pinned = {name.lower() for name in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", text("requirements.txt"), re.M)}
    assert listed == pinned


def test_the_changelog_begins_with_what_is_not_released_and_knows_the_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", text("CHANGELOG.md"), re.M)
    assert headings[0] in ("Unreleased", version)
    assert version in headings


def test_the_readme_shows_what_make_run_prints() -> None:
    printed = welcome(Plan({}, ports.read({})), PEOPLE)
    assert re.sub(r"\S*python -m", ".venv/bin/python -m", printed).strip("\n") in text("README.md")


def test_the_document_on_permissions_names_every_role_that_is_granted() -> None:
    lines = [line.split() for line in text("deploy/grants.txt").splitlines() if line and not line.startswith("#")]
    roles = {role for _, role, _ in lines} - {"roles/secretmanager.secretAccessor"}  # said as "read"
    named = set(re.findall(r"`((?:roles/|threadsToken)[\w.]+)`", text("docs/permissions.md")))
    assert roles <= named
    looks = {"roles/viewer", "roles/iam.securityReviewer"}  # of a person who looks
    assert named - roles == {"roles/run.sourceDeveloper", *looks}  # the first is compared with ours


def test_every_path_that_a_document_names_exists() -> None:
    for path in DOCUMENTS:
        named = re.findall(
            r"`((?:token_keeper|sandbox|deploy|docs|examples|requirements|bench)/[\w./-]*)`", path.read_text()
        )
        assert [name for name in named if not (ROOT / name).exists()] == [], path.name


@pytest.mark.parametrize(
    ("name", "catalogue"),
    [("README.md", "ja"), ("README.ja.md", "ja"), ("README.zh-TW.md", "zh_TW")],
)
def test_the_words_of_the_status_page_are_those_that_it_shows(name: str, catalogue: str) -> None:
    rows = re.findall(r"^\| `\w+` \| \*(.+?)\* \|", text(name), re.M)
    kind = "msgid" if name == "README.md" else "msgstr"
    shown = re.findall(rf'^{kind} "(.+)"$', text(f"token_keeper/locale/{catalogue}/LC_MESSAGES/messages.po"), re.M)
    assert len(rows) == 5
    assert set(rows) <= set(shown)


def test_the_document_on_performance_names_the_groups_that_are_measured() -> None:
    table = text("docs/performance.md")
    groups = set(re.findall(r"^## (.+)$", text("bench/RESULTS.md"), re.M))
    assert set(cells(table, 1)) == groups
    assert set(cells(table, 2)) == {f"`make bench-{name}`" for name in SELECTIONS}
