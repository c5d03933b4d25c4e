"""The first run: what it makes, in which order, with which limits, and where secrets travel."""

import json

import pytest

from tests.deploy.deployment import APP_SECRET, PUBLIC_URL, REFRESH_URL, SETTINGS, TOKEN, environment_of, position


def test_the_first_run_makes_everything_that_the_design_names(first):
    state = first[0].state
    assert set(state["services"]) == {"threads-oauth", "threads-refresh"}
    assert set(state["jobs"]) == {"threads-refresh"}
    assert set(state["secrets"]) == {"threads-app-secret", "threads-token-alice", "threads-token-bob-b"}
    assert {a.split("@")[0] for a in state["accounts"]} == {
        "threads-oauth", "threads-refresh", "threads-scheduler", "threads-build",
    }  # fmt: skip


def test_the_first_run_prints_the_three_addresses_for_the_dashboard(first):
    for path in ("callback", "uninstall", "delete"):
        assert f"{PUBLIC_URL}/{path}\n" in first[1].stdout


def test_account_secrets_carry_the_label_and_the_app_secret_does_not(first):
    secrets = first[0].state["secrets"]
    assert secrets["threads-token-bob-b"]["labels"] == {"managed-by": "threads-token-keeper"}
    assert secrets["threads-app-secret"]["labels"] == {}


def test_each_thing_is_made_before_what_needs_it(first):
    commands = first[0].commands
    order = [
        position(commands, "services enable"),
        position(commands, "service-accounts create threads-build"),
        position(commands, "roles create threadsTokenStore"),
        position(commands, "secrets create threads-app-secret"),
        position(commands, "secrets versions add threads-app-secret"),
        position(commands, "secrets set-iam-policy threads-app-secret"),
        position(commands, "logging metrics create"),
        position(commands, "run deploy"),
        position(commands, "run services set-iam-policy threads-refresh"),
        position(commands, "scheduler jobs create http threads-refresh"),
        position(commands, "monitoring policies create"),
        position(commands, "scheduler jobs run threads-refresh"),
        position(commands, "run services update threads-oauth", "--no-invoker-iam-check"),
    ]
    assert order == sorted(order)


def test_oauth_gets_the_app_secret_and_its_public_address_and_refresh_gets_neither(first):
    oauth, refresh = (environment_of(first[0], s) for s in ("threads-oauth", "threads-refresh"))
    assert oauth == {
        "GOOGLE_CLOUD_PROJECT": "demo", "PUBLIC_URL": PUBLIC_URL, "THREADS_APP_ID": "4242", "THREADS": "32",
        "THREADS_APP_SECRET": {"secretKeyRef": {"name": "threads-app-secret"}},
    }  # fmt: skip
    assert refresh == {"GOOGLE_CLOUD_PROJECT": "demo", "SIGN_IN_URL": PUBLIC_URL}


@pytest.mark.parametrize(
    ("service", "flags"),
    [
        ("threads-oauth", ["--function=oauth", "--timeout=100", "--max-instances=3", "--concurrency=32"]),
        ("threads-refresh", ["--function=refresh", "--timeout=1740", "--max-instances=1", "--concurrency=1"]),
    ],
)
def test_each_function_is_deployed_with_its_own_limits_and_account(first, service, flags):
    deploy = next(c["argv"] for c in first[0].calls if c["argv"][:3] == ["run", "deploy", service])
    common = ["--base-image=python313", "--memory=256Mi", "--cpu=1", "--cpu-boost", "--min-instances=0"]
    mine = f"--service-account={service}@demo.iam.gserviceaccount.com"
    build = "--build-service-account=projects/demo/serviceAccounts/threads-build@demo.iam.gserviceaccount.com"
    assert {*flags, *common, mine, build} <= set(deploy)


def test_the_schedule_calls_refresh_as_the_scheduler_with_retries_and_a_long_deadline(first):
    job = first[0].state["jobs"]["threads-refresh"]
    assert job["httpTarget"] == {"uri": f"{REFRESH_URL}/", "httpMethod": "POST", "oidcToken": {
        "serviceAccountEmail": "threads-scheduler@demo.iam.gserviceaccount.com", "audience": REFRESH_URL}}  # fmt: skip
    assert (job["attemptDeadline"], job["retryConfig"]["retryCount"]) == ("1800s", 5)


def test_two_lost_calls_in_a_row_are_shorter_than_the_silence_that_alerts(first):
    hours = first[0].state["jobs"]["threads-refresh"]["schedule"].split()[1]
    assert hours == "*/6"
    silence = next(a for a in first[0].state["alerts"].values() if a["userLabels"]["part"] == "silence")
    assert 3 * 6 * 3600 < int(silence["conditions"][0]["conditionAbsent"]["duration"].rstrip("s")) <= 84600


def test_the_alerts_are_on_what_the_keeper_writes_and_reach_the_address(first):
    alerts = sorted(first[0].state["alerts"].values(), key=lambda a: a["userLabels"]["part"])
    errors, sign_in, silence = alerts
    for alert, service, other in (
        (errors, "threads-refresh", "threads-oauth"),
        (sign_in, "threads-oauth", "threads-refresh"),
    ):
        match = alert["conditions"][0]["conditionMatchedLog"]["filter"]
        assert all(w in match for w in ("severity>=ERROR", service, "jsonPayload.event:*"))
        assert other not in match
        assert "notificationRateLimit" in alert["alertStrategy"]
    absent = silence["conditions"][0]["conditionAbsent"]
    assert "metric.type=" in absent["filter"]
    assert "resource.type=" in absent["filter"]
    assert absent["aggregations"][0]["crossSeriesReducer"] == "REDUCE_SUM"
    assert [a["notificationChannels"] for a in alerts] == [list(first[0].state["channels"])] * 3
    assert 'jsonPayload.event="run_completed"' in first[0].state["metrics"]["threads_runs_completed"]["filter"]


def test_no_secret_is_ever_an_argument_or_in_the_output(first, cloud):
    token = {"state": "enabled", "payload": TOKEN}
    cloud.change(lambda s: s["secrets"]["threads-token-alice"]["versions"].append(token))
    text = json.dumps(first[0].calls) + first[1].stdout
    for arguments in (["check", "-v"], ["status"], ["setup"], ["--dry-run"]):
        done = cloud.run(*arguments, **SETTINGS, THREADS_APP_SECRET=APP_SECRET, THREADS_API_URL="http://127.0.0.1:9")
        text += done.stdout + json.dumps(cloud.calls)
    assert APP_SECRET not in text
    assert TOKEN not in text


def test_the_app_secret_goes_in_on_standard_input(first):
    assert [c["stdin"] for c in first[0].calls if "versions add" in " ".join(c["argv"])] == [True]
    assert first[0].state["secrets"]["threads-app-secret"]["versions"] == [{"state": "enabled", "payload": APP_SECRET}]


def test_another_app_secret_is_added_and_the_same_one_is_not(cloud):
    cloud.run("setup", THREADS_APP_SECRET=APP_SECRET)
    assert len(cloud.state["secrets"]["threads-app-secret"]["versions"]) == 1
    cloud.run("setup", THREADS_APP_SECRET="another")
    assert [v["payload"] for v in cloud.state["secrets"]["threads-app-secret"]["versions"]] == [APP_SECRET, "another"]


def test_the_first_run_says_at_once_what_it_looks_at_and_as_whom(first):
    assert first[1].stdout.startswith("Looking at project demo, region us-central1, as owner@example.com.\n")


def test_what_a_build_says_is_let_through_with_whose_it_is(first):
    for service in ("threads-oauth", "threads-refresh"):
        assert f"{service:15}  Building and deploying\n" in first[1].stdout


def test_only_the_sign_in_page_is_public_and_by_no_grant(first):
    state = first[0].state
    off = {
        n: s["metadata"]["annotations"].get("run.googleapis.com/invoker-iam-disabled")
        for n, s in state["services"].items()
    }
    assert off == {"threads-oauth": "True", "threads-refresh": "False"}
    assert not [g for policy in state["policies"].values() for g in policy if g[1].startswith("all")]


def test_a_first_and_a_second_run_take_no_more_calls_than_they_may(first, cloud):
    assert len(first[0].calls) <= 65
    cloud.run(**SETTINGS)
    assert len(cloud.calls) <= 32
