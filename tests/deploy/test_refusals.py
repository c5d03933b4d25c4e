"""What is refused before anything is written, and Google's refusals with what to do."""

import pytest

from tests.deploy.deployment import APP_SECRET, SETTINGS


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"THREADS_APP_ID": ""}, "THREADS_APP_ID"),
        ({"THREADS_APP_ID": "12x"}, "THREADS_APP_ID"),
        ({"THREADS_USERNAMES": "alice,b-b"}, "'b-b'"),
        ({"THREADS_USERNAMES": "@alice"}, "'@alice'"),
        ({"THREADS_USERNAMES": "a" * 31}, "not a Threads username"),
        ({"THREADS_APP_SECRET": ""}, "THREADS_APP_SECRET"),
        ({"THREADS_APP_SECRET": "two words"}, "THREADS_APP_SECRET"),
        ({"REGION": "mars"}, "REGION"),
        ({"PROJECT_ID": "No Project"}, "PROJECT_ID"),
        ({"ALERT_EMAIL": "me"}, "ALERT_EMAIL"),
        ({"THREADS_SCOPES": "threads_delete"}, "THREADS_SCOPES"),
        ({"THREADS_SCOPES": "threads_basic;threads_delete"}, "THREADS_SCOPES"),
        ({"THREADS_API_URL": "http://graph.threads.com"}, "THREADS_API_URL"),
        ({"REFRESH_AFTER_HOURS": "23"}, "REFRESH_AFTER_HOURS"),
        ({"REFRESH_BUDGET_SECONDS": "1701"}, "REFRESH_BUDGET_SECONDS"),
    ],
)
def test_a_bad_setting_is_named_before_anything_is_written(empty, settings, named):
    done = empty.run(**SETTINGS | {"THREADS_APP_SECRET": APP_SECRET} | settings)
    assert done.returncode == 1
    assert named in done.stdout
    assert "two words" not in done.stdout
    assert empty.writes == []


def test_a_gcloud_that_is_too_old_or_not_signed_in_is_said_before_anything_is_written(empty):
    empty.change(lambda s: s.update(version="527.9.0"))
    assert "gcloud components update" in empty.run("setup", THREADS_APP_SECRET=APP_SECRET).stdout
    empty.change(lambda s: s.update(version="600.0.0", account=""))
    assert "gcloud auth login" in empty.run("setup", THREADS_APP_SECRET=APP_SECRET).stdout
    assert empty.writes == []


@pytest.mark.parametrize(
    ("command", "message", "advice"),
    [
        ("services enable", "FAILED_PRECONDITION: Billing account for project '1' is not found.", "billing account"),
        ("secrets create", "PERMISSION_DENIED: The API has not been used in project 1", "./deploy.sh setup"),
        ("scheduler jobs create", "PERMISSION_DENIED: The principal lacks IAM permission", "owner"),
        ("run deploy threads-oauth", "Build failed; check build logs for details", "build's log"),
        ("run deploy threads-oauth", "Permission denied on secret: projects/1/secrets/x", "a right takes minutes"),
    ],
)
def test_a_refusal_shows_googles_message_and_what_to_do(request, command, message, advice):
    in_setup = command.startswith(("services", "secrets"))
    cloud = request.getfixturevalue("empty" if in_setup else "set_up")
    cloud.refuse(command, message, times=99)
    done = cloud.run("setup" if in_setup else "functions", **SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert message in done.stdout
    assert advice in done.stdout.split("What to do:")[1]


def test_a_read_that_is_refused_stops_the_run_and_is_not_taken_for_absence(cloud):
    cloud.refuse("secrets list", "PERMISSION_DENIED: no", times=9)
    assert cloud.run("account", "alice").returncode == 1
    assert cloud.writes == []
