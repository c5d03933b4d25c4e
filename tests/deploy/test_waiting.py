"""What Google does not know yet is waited for: in each wording, aloud, and not for ever."""

import pytest

from tests.deploy.deployment import APP_SECRET, SETTINGS

MAY_NOT_EXIST = (
    "PERMISSION_DENIED: Permission 'iam.serviceAccounts.{}IamPolicy' denied on resource (or it may not exist)."
)
CONCURRENT = "ABORTED: There were concurrent policy changes. Please retry the whole read-modify-write."
NO_ACCESS = "PERMISSION_DENIED: threads-build@x does not have storage.objects.get access to the object."
NO_SOURCE = "INVALID_ARGUMENT: Invalid build request. could not resolve source: (or it may not exist)., forbidden"
NO_ACT_AS = "PERMISSION_DENIED: Permission 'iam.serviceaccounts.actAs' denied on service account threads-oauth@x"
NO_SECRET = "Permission denied on secret: projects/1/secrets/threads-app-secret/versions/latest for Revision"
NO_PERMISSIONS = "PERMISSION_DENIED: Build failed because the service account is missing required IAM permissions."
NOT_AS = "PERMISSION_DENIED: caller does not have permission to act as service account projects/demo/serviceAccounts/1"
NO_AGENT = "Google Cloud Run Service Agent does not have permission to get access tokens for the service account x@y."
NO_IMAGE = "Google Cloud Run Service Agent x@y must have permission to read the image, us-central1-docker.pkg.dev/x."
NO_METRIC = "NOT_FOUND: The metric referenced by the provided filter is unknown. Check the metric name and labels."
FAULT = "NOT_FOUND: Build failed. The service has encountered an internal error. Please try again later."
OFF = "PERMISSION_DENIED: x.googleapis.com has not been used in project 1 before or it is disabled. SERVICE_DISABLED"


def same_as(first, cloud, *kinds):
    return {kind: cloud.state[kind] for kind in kinds} == {kind: first[0].state[kind] for kind in kinds}


@pytest.mark.parametrize(
    ("command", "message", "sleep"),
    [
        ("service-accounts [sg]et-iam-policy threads-build", "NOT_FOUND: Unknown service account", "sleep 5"),
        ("service-accounts get-iam-policy threads-build", MAY_NOT_EXIST.format("get"), "sleep 5"),
        ("service-accounts set-iam-policy threads-oauth", MAY_NOT_EXIST.format("set"), "sleep 5"),
        ("projects set-iam-policy", "INVALID_ARGUMENT: Service account threads-oauth@x does not exist.", "sleep 5"),
        ("projects set-iam-policy", "INVALID_ARGUMENT: Role projects/demo/roles/x does not exist in the", "sleep 5"),
        ("secrets set-iam-policy", CONCURRENT, "sleep 2"),
        ("secrets (list|create)", OFF, "sleep 10"),
        ("artifacts repositories describe", OFF, "sleep 10"),
    ],
)
def test_setup_waits_for_what_it_has_just_made(first, empty, command, message, sleep):
    empty.change(lambda s: s.update(absent_accounts=403))
    empty.refuse(command, message, times=2)
    done = empty.run("setup", **SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    assert empty.sleeps == [sleep] * 2
    assert done.stdout.count("waiting  ") == 2
    assert "(try 2 of " in done.stdout
    assert same_as(first, empty, "accounts", "roles", "secrets", "apis", "repositories")


@pytest.mark.parametrize(
    ("command", "message", "sleep"),
    [
        ("run deploy threads-oauth", NO_ACCESS, "sleep 20"),
        ("run deploy threads-refresh", NO_SOURCE, "sleep 20"),
        ("run deploy threads-oauth", NO_ACT_AS, "sleep 20"),
        ("run deploy threads-oauth", NO_SECRET, "sleep 20"),
        ("run deploy threads-oauth", NO_PERMISSIONS, "sleep 20"),
        ("run deploy threads-refresh", NOT_AS, "sleep 20"),
        ("run deploy threads-refresh", NO_AGENT, "sleep 20"),
        ("run deploy threads-oauth", NO_IMAGE, "sleep 20"),
        ("run deploy threads-refresh", FAULT, "sleep 15"),
        ("scheduler jobs create", "UNAVAILABLE: The service is currently unavailable.", "sleep 15"),
        ("policies create.*silence", "NOT_FOUND: Cannot find metric(s) that match", "sleep 30"),
        ("policies create.*silence", NO_METRIC, "sleep 30"),
        ("run services update threads-oauth", CONCURRENT, "sleep 2"),
    ],
)
def test_functions_waits_for_what_setup_has_just_given(first, set_up, command, message, sleep):
    set_up.refuse(command, message, times=2)
    done = set_up.run("functions", **SETTINGS)
    assert done.returncode == 0, done.stdout
    assert set_up.sleeps == [sleep] * 2
    assert same_as(first, set_up, "services", "jobs", "metrics", "alerts")


def test_an_api_that_has_not_heard_of_being_on_is_waited_for_wherever_it_is_asked_next(first, empty):
    late = ("secretmanager", "cloudscheduler", "artifactregistry", "run", "logging", "monitoring")
    empty.change(lambda s: s.update(api_lag=dict.fromkeys(late, 2) | {"run": 3}))  # one is asked first of all
    done = empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    assert empty.sleeps == ["sleep 10"] * 12
    assert same_as(first, empty, "policies", "services", "jobs", "secrets", "alerts")


def test_a_build_refused_for_want_of_a_new_right_does_not_stop_the_other(set_up):
    set_up.change(lambda s: s.update(source_lag=3))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set(set_up.state["services"]) == {"threads-oauth", "threads-refresh"}
    assert set_up.sleeps == ["sleep 20"] * 3


def test_waiting_ends_and_says_what_to_do(empty):
    empty.change(lambda s: s["lag"].update({"threads-oauth@demo.iam.gserviceaccount.com": 999}))
    done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert 20 <= len(empty.sleeps) <= 40
    assert "IAM needs some minutes" in done.stdout
    assert len([c for c in empty.writes if "service-accounts create threads-oauth" in c]) == 1


def test_nobody_waits_for_a_right_that_the_caller_lacks(cloud):
    cloud.refuse("iam service-accounts get-iam-policy", MAY_NOT_EXIST.format("get"), times=99)
    done = cloud.run("setup")
    assert done.returncode == 1
    assert cloud.sleeps == []
    assert "owner@example.com may not do" in done.stdout


def test_a_person_who_may_not_act_as_an_account_waits_for_minutes_and_build_for_the_full_time(set_up):
    set_up.refuse("run deploy threads-oauth", NO_ACT_AS, times=99)
    done = set_up.run("functions", **SETTINGS)
    assert done.returncode == 1
    assert set_up.sleeps == ["sleep 20"] * 5
    assert "owner@example.com may not act as the account that the message names" in done.stdout
    set_up.change(lambda s: s.update(account="threads-build@demo.iam.gserviceaccount.com"))
    done = set_up.run("functions", **SETTINGS)
    assert set_up.sleeps == ["sleep 20"] * 29
    assert "./deploy.sh setup" in done.stdout.split("What to do:")[1]


def test_a_schedule_whose_account_is_not_known_yet_is_made_in_the_run_that_made_the_account(empty):
    empty.refuse("scheduler jobs create", "NOT_FOUND: Requested entity was not found.", times=2)
    assert empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert empty.sleeps == ["sleep 5"] * 2


def test_a_fault_that_does_not_pass_is_said_after_a_minute(cloud):
    cloud.refuse("iam service-accounts list", "INTERNAL: Internal error encountered.", times=99)
    done = cloud.run("setup")
    assert done.returncode == 1
    assert cloud.sleeps == ["sleep 15"] * 4


def test_nor_after_something_was_made_although_gcloud_says_that_it_may_not_exist(empty):
    refusal = "[me@example.com] does not have permission to access projects instance [demo] (or it may not exist): no."
    empty.refuse("iam roles create", refusal, times=99)
    done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert empty.sleeps == []
    assert "owner@example.com may not do" in done.stdout


def test_an_api_that_is_off_is_not_waited_for_where_nothing_turns_it_on(set_up):
    set_up.change(lambda s: s["apis"].remove("logging.googleapis.com"))
    done = set_up.run("functions", **SETTINGS)
    assert done.returncode == 1
    assert set_up.sleeps == []
    assert "./deploy.sh setup turns it on" in done.stdout


def test_where_resource_manager_is_off_setup_turns_it_on_and_nothing_else_does(first, empty):
    empty.change(lambda s: s.update(resource_manager_off=True, api_lag={"cloudresourcemanager": 2}))
    done = empty.run("functions", **SETTINGS)
    assert "./deploy.sh setup turns it on" in done.stdout
    assert empty.writes == []
    assert empty.run("--dry-run", **SETTINGS).returncode == 0
    empty.change(lambda s: s.update(api_lag={"cloudresourcemanager": 2}))
    assert empty.run("setup", **SETTINGS, THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert same_as(first, empty, "accounts", "secrets")
