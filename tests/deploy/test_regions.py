"""Another REGION than the one where the functions are: nothing is made twice, and what is there twice is found."""

import subprocess

import pytest

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS

BOTH = {kind: {"threads-refresh": "europe-west1"} for kind in ("services", "jobs")}
COMMANDS = [[], ["setup"], ["functions"], ["status"], ["check"], ["remove", "--yes"], ["--dry-run"]]


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_forgotten_region_is_said_before_anything_is_done(cloud, arguments):
    before = cloud.state
    done = cloud.run(*arguments, **SETTINGS, REGION="europe-west1")
    assert done.returncode == 1
    assert "are in us-central1, and REGION is europe-west1. Nothing was changed." in done.stdout
    assert "Run the same with REGION=us-central1." in done.stdout
    assert cloud.state == before
    assert cloud.writes == []


def test_the_accounts_have_no_region(cloud):
    assert cloud.run("account", "carol", REGION="europe-west1").returncode == 0
    assert cloud.run("forget", "carol", "--yes", REGION="europe-west1").returncode == 0


def test_functions_that_were_taken_down_are_made_in_another_region_with_the_tokens_that_stayed(first, cloud):
    assert "REGION=us-central1 ./deploy.sh remove" in cloud.run(**SETTINGS, REGION="europe-west1").stdout
    assert cloud.run("remove", "--yes", REGION="us-central1").returncode == 0
    done = cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET, REGION="europe-west1")
    assert done.returncode == 0, done.stdout
    assert "https://threads-oauth-1.europe-west1.run.app/callback" in done.stdout
    assert cloud.state["secrets"].keys() == first[0].state["secrets"].keys()


def test_what_is_in_two_regions_is_found_and_the_advice_leaves_one(cloud):
    cloud.change(lambda s: s.update(elsewhere=BOTH))
    done = cloud.run("check")
    assert "WRONG  there is another threads-refresh in europe-west1, with a schedule of its own" in done.stdout
    (advice,) = [line for line in done.stdout.splitlines() if "--region=europe-west1" in line]
    for command in advice.removeprefix("       → ").split("; then "):
        subprocess.run(["bash", "-c", command], cwd=ROOT, env=cloud.environment, check=True)
    assert cloud.state["elsewhere"] == {"services": {}, "jobs": {}}
    assert "europe-west1" not in cloud.run("check").stdout


def test_what_is_taken_down_names_what_stays_in_another_region(cloud):
    cloud.change(lambda s: s.update(elsewhere=BOTH))
    done = cloud.run("remove", "--yes")
    assert "(stays)       service threads-refresh in europe-west1: run this again with that REGION" in done.stdout
    assert cloud.state["elsewhere"] == BOTH
    assert "\n\n" not in cloud.run("remove").stdout
