"""What Google does not know yet is waited for: in each wording, aloud, and not for ever."""

from tests.deploy.deployment import APP_SECRET, SETTINGS


def test_a_service_account_that_iam_does_not_know_yet_is_tried_again(empty):
    empty.change(lambda s: s["lag"].update({"threads-oauth@demo.iam.gserviceaccount.com": 2}))
    assert empty.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert empty.sleeps == ["sleep 5"] * 2


def test_the_retries_are_bounded_and_nothing_but_bindings_is_retried(empty):
    empty.change(lambda s: s["lag"].update({"threads-oauth@demo.iam.gserviceaccount.com": 999}))
    assert empty.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 1
    assert 5 <= len(empty.sleeps) <= 40
    assert len([c for c in empty.writes if "service-accounts create threads-oauth" in c]) == 1


def test_a_metric_that_monitoring_does_not_know_yet_is_waited_for(set_up):
    set_up.refuse("policies create.*silence", "NOT_FOUND: Cannot find metric(s) that match", times=3)
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set_up.sleeps == ["sleep 30"] * 3
