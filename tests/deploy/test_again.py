"""A second run, an interrupted one, changed settings, and a run that only prints."""

import subprocess

import pytest

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS, environment_of


def test_the_second_run_creates_nothing_and_loses_nothing(cloud):
    before = cloud.state
    done = cloud.run(**SETTINGS)
    assert done.returncode == 0, done.stdout
    assert cloud.state == before
    assert [c for c in cloud.writes if not c.startswith("run deploy")] == []
    assert done.stdout.count("unchanged: ") == 1
    assert "there " not in done.stdout


def test_asked_for_more_a_second_run_names_each_thing_that_is_unchanged(cloud):
    done = cloud.run("setup", "-v")
    for thing in ("APIs", "service account threads-build", "role threadsTokenStore", "rights on threads-build"):
        assert f"there    {thing}\n" in done.stdout


@pytest.mark.parametrize("at", ["roles create threadsTokenStore", "run deploy threads-refresh", "policies create"])
def test_an_interrupted_run_is_completed_by_the_next(first, empty, at):
    empty.refuse(at, "PERMISSION_DENIED: not now")
    broken = empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert broken.returncode != 0
    assert "not now" in broken.stdout
    assert empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET).returncode == 0
    state = empty.state
    for kind in ("policies", "services", "secrets", "roles", "jobs", "apis", "metrics"):
        assert state[kind] == first[0].state[kind]
    assert len(state["alerts"]) == 3


def test_a_setting_that_is_no_longer_given_does_not_linger(cloud):
    given = {"THREADS_SCOPES": "threads_basic,threads_delete", "REFRESH_AFTER_HOURS": "48"}
    cloud.run("functions", THREADS_APP_ID="4242", **given)
    assert environment_of(cloud, "threads-oauth")["THREADS_SCOPES"] == "threads_basic,threads_delete"
    assert environment_of(cloud, "threads-refresh")["REFRESH_AFTER_HOURS"] == "48"
    cloud.run("functions", THREADS_APP_ID="4242")
    assert "THREADS_SCOPES" not in environment_of(cloud, "threads-oauth")
    assert "REFRESH_AFTER_HOURS" not in environment_of(cloud, "threads-refresh")


def test_what_differs_is_updated_and_the_channels_that_are_there_stay(cloud):
    def edit(state):
        state["jobs"]["threads-refresh"]["schedule"] = "0 0 1 1 *"
        state["roles"]["threadsTokenList"]["includedPermissions"].append("secretmanager.versions.access")
        for alert in state["alerts"].values():
            alert["userLabels"]["document"] = "old"
            alert["notificationChannels"].append("projects/demo/notificationChannels/mine")

    cloud.change(edit)
    done = cloud.run(THREADS_APP_ID="4242")
    assert done.stdout.count("updated  alert") == 3
    assert cloud.state["jobs"]["threads-refresh"]["schedule"] == "17 */6 * * *"
    assert cloud.state["roles"]["threadsTokenList"]["includedPermissions"] == ["secretmanager.secrets.list"]
    for alert in cloud.state["alerts"].values():
        assert len(alert["notificationChannels"]) == 2


def test_a_run_without_an_address_keeps_the_channels(cloud):
    before = cloud.state["alerts"]
    assert cloud.run("functions", THREADS_APP_ID="4242").returncode == 0
    assert cloud.state["alerts"] == before


@pytest.mark.parametrize("track", ["alpha", "ga"])
def test_the_alerts_are_made_by_older_and_newer_gclouds(set_up, track):
    set_up.change(lambda s: s.update(monitoring=track))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert len(set_up.state["alerts"]) == 3


@pytest.mark.parametrize("arguments", [[], ["functions"], ["account", "carol"], ["remove", "--with-secrets"]])
def test_a_dry_run_prints_the_commands_and_changes_nothing(cloud, arguments):
    cloud.change(lambda s: s.update(jobs={}, metrics={}, policies={}))
    before = cloud.state
    done = cloud.run("--dry-run", *arguments, **SETTINGS)
    assert done.returncode == 0, done.stdout
    assert "\n+ gcloud " in done.stdout
    assert cloud.state == before
    assert cloud.writes == []


def test_a_dry_run_of_an_empty_project_prints_every_write_of_the_first_run(first, empty):
    done = empty.run("--dry-run", **SETTINGS)
    assert done.returncode == 0, done.stdout
    planned = [line for line in done.stdout.splitlines() if line.startswith("+ gcloud")]
    assert len(planned) == len(first[0].writes)
    assert empty.writes == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["account"], ["check", "--yes"], ["setup", "now"], ["status", "alice"], ["forget", "--yes"],
        [""], ["", "setup"], ["account", ""], ["helpme"], ["setup", "--with-secrets"],
    ],
)  # fmt: skip
def test_a_call_that_makes_no_sense_shows_the_usage(empty, arguments):
    done = empty.run(*arguments)
    assert done.returncode == 2
    assert "Usage" in done.stdout
    assert empty.calls == []


def test_a_dry_run_says_that_the_next_step_is_a_real_one(empty):
    done = empty.run("--dry-run", **SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.stdout.endswith("Nothing was changed. Next: the same without --dry-run.\n")
    assert "and sign in" not in done.stdout


def test_a_run_that_deploys_says_nothing_of_another_that_must(empty):
    both = empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert "makes threads-oauth take it up" not in both.stdout
    alone = empty.run("setup", THREADS_APP_SECRET="another")
    assert "./deploy.sh functions makes threads-oauth take it up" in alone.stdout


def test_an_alert_of_an_earlier_release_is_taken_over_and_not_doubled(cloud):
    def earlier(state):
        (errors,) = [a for a in state["alerts"].values() if a["userLabels"]["part"] == "errors"]
        errors["userLabels"] = {"managed-by": "threads-token-keeper", "part": "errors", "spec": "1"}
        state["alerts"] = {errors["name"]: errors}

    cloud.change(earlier)
    (name,) = cloud.state["alerts"]
    assert cloud.run("functions", THREADS_APP_ID="4242").returncode == 0
    assert len(cloud.state["alerts"]) == 3
    assert cloud.state["alerts"][name]["userLabels"]["part"] == "errors"


@pytest.mark.parametrize("arguments", [["--help"], ["-h", "forget"], ["remove", "--help", "--yes"], ["help"]])
def test_help_is_help_whatever_stands_beside_it(empty, arguments):
    done = empty.run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage")
    assert empty.calls == []


def test_it_finds_its_files_from_another_folder_whatever_cdpath_says(cloud, tmp_path):
    (tmp_path / "elsewhere" / ROOT.name).mkdir(parents=True)
    command = f'cd "{ROOT.parent}"; CDPATH="{tmp_path / "elsewhere"}" bash {ROOT.name}/deploy.sh --help'
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == 0
