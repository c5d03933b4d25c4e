"""The commands beside `make run`: accounts, reset, and a second server on one state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.make_run.local_run import ROOT, LocalRun, free_ports, run, started


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with started(tmp_path_factory.mktemp("commands")) as local:
        yield local


# Accounts


def test_an_account_comes_on_the_list_and_off_it_with_its_tokens(local: LocalRun) -> None:
    local.sign_in("bob")
    assert local.accounts("allow", "Eve.Adams") == "Eve.Adams may sign in now."
    assert local.accounts("allow", "eve.adams") == "eve.adams may sign in already."
    listed = local.accounts().splitlines()
    assert "eve.adams: nothing kept yet" in listed
    assert any(line.startswith("bob: version 1, expires 20") for line in listed)
    assert "bob is off the list" in local.accounts("forget", "bob", "--yes")
    assert local.accounts("forget", "eve.adams", "--yes").startswith("eve.adams is off the list")
    assert [line.split(":")[0] for line in local.accounts().splitlines()] == ["alice", "carol", "dotted.name"]
    assert local.sign_in("bob").status_code == 403
    assert (
        "nobody is no account here"
        in run(["sandbox.accounts", "token", "nobody", *local.where], local.directory).stderr
    )


def test_without_a_yes_nobody_is_forgotten(local: LocalRun) -> None:
    done = run(["sandbox.accounts", "forget", "carol", *local.where], local.directory, input="y\n")
    assert done.returncode == 1
    assert "Nothing was changed." in done.stderr
    assert "carol: nothing kept yet" in local.accounts()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["token", "alice smith"], "Not a Threads username: 'alice smith'."),
        (["token", "dotted.name"], "dotted.name is no account here, or has no version yet."),
        (["forget", "--yes"], "forget: whose? Write a username behind it."),
    ],
)
def test_a_mistake_is_one_sentence(local: LocalRun, arguments: list[str], said: str) -> None:
    done = run(["sandbox.accounts", *arguments, *local.where], local.directory)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    where = f"127.0.0.1:{free_ports()['OAUTH_PORT']}"
    done = run(["sandbox.accounts", "--secret-manager", where], tmp_path)
    assert f"The local Secret Manager at {where} did not answer" in done.stderr


# State


def test_a_second_server_on_one_state_file_is_refused_in_words(local: LocalRun) -> None:
    for module, name in (("sandbox.secret_manager", "secrets.json"), ("sandbox.threads", "threads.json")):
        done = run([module, "--port", "0", "--state", f".sandbox/{name}"], local.directory)
        assert done.returncode == 1
        assert f"The state .sandbox/{name} is in use by process " in done.stderr
        assert "Traceback" not in done.stderr


def test_reset_is_refused_while_it_runs(local: LocalRun) -> None:
    before = (local.directory / ".sandbox/secrets.json").read_bytes()
    done = run(["sandbox.reset"], local.directory)
    assert done.returncode == 1
    assert f"`make run` is running in this folder (process {local.process.pid}). Stop it first." in done.stderr
    assert (local.directory / ".sandbox/secrets.json").read_bytes() == before


def test_reset_forgets_all_but_the_real_tokens(tmp_path: Path) -> None:
    for name in ("secrets.json", "threads.json", "clock.json", "lock", "real/secrets.json", "other/file"):
        file = tmp_path / ".sandbox" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("kept")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    (tmp_path / ".sandbox" / "link").symlink_to(elsewhere)
    assert "The tokens of the real Threads in .sandbox/real/ stay." in run(["sandbox.reset"], tmp_path).stdout
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == [".sandbox/lock", ".sandbox/real/secrets.json", "elsewhere/file"]
    assert (tmp_path / ".sandbox/real/secrets.json").read_text() == "kept"


def test_reset_where_nothing_ran_says_so(tmp_path: Path) -> None:
    assert run(["sandbox.reset"], tmp_path).stdout == "There is nothing to forget.\n"
    assert list(tmp_path.iterdir()) == []


def test_reset_needs_no_environment(tmp_path: Path) -> None:
    """`make reset` uses the machine's own Python, which has none of our packages."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import sandbox.reset"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
