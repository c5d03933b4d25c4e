"""deploy.sh against a stand-in gcloud: order, idempotence, interruption, refusals, secrets, remove."""

import json

import pytest

from tests.deployment import APP_SECRET, PUBLIC_URL, REFRESH_URL, SETTINGS, TOKEN, Cloud, account


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The first run on an empty project: (cloud, finished process)."""
    cloud = Cloud(tmp_path_factory.mktemp("first"))
    done = cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    return cloud, done


@pytest.fixture
def cloud(first, tmp_path):
    """A project as the first run left it."""
    return Cloud(tmp_path, first[0].state)


@pytest.fixture
def empty(tmp_path):
    return Cloud(tmp_path)


@pytest.fixture
def set_up(cloud):
    """A project where setup has run, and functions has not."""
    kept = {k: v for k, v in cloud.state["policies"].items() if not k.startswith("services/")}
    nothing = {kind: {} for kind in ("services", "jobs", "alerts", "channels", "metrics")}
    cloud.change(lambda s: s.update(policies=kept, **nothing))
    return cloud


def position(commands, *words):
    return next(n for n, c in enumerate(commands) if all(w in c for w in words))


def environment_of(cloud, service):
    container = cloud.state["services"][service]["spec"]["template"]["spec"]["containers"][0]
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in container["env"]}


# ---- the first run


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
        position(commands, "secrets add-iam-policy-binding threads-app-secret"),
        position(commands, "run deploy threads-oauth"),
        position(commands, "run deploy threads-refresh"),
        position(commands, "run services add-iam-policy-binding threads-refresh", "threads-scheduler"),
        position(commands, "scheduler jobs create http threads-refresh"),
        position(commands, "monitoring policies create"),
        position(commands, "scheduler jobs run threads-refresh"),
    ]
    assert order == sorted(order)


def test_oauth_gets_the_app_secret_and_its_public_address_and_refresh_gets_neither(first):
    oauth, refresh = (environment_of(first[0], s) for s in ("threads-oauth", "threads-refresh"))
    assert oauth == {
        "GOOGLE_CLOUD_PROJECT": "demo", "PUBLIC_URL": PUBLIC_URL, "THREADS_APP_ID": "4242", "THREADS": "32",
        "THREADS_APP_SECRET": {"secretKeyRef": {"name": "threads-app-secret"}},
    }  # fmt: skip
    assert refresh == {"GOOGLE_CLOUD_PROJECT": "demo"}


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
    errors, silence = sorted(first[0].state["alerts"].values(), key=lambda a: a["userLabels"]["part"])
    match = errors["conditions"][0]["conditionMatchedLog"]["filter"]
    assert all(w in match for w in ("severity>=ERROR", "threads-oauth", "threads-refresh", "jsonPayload.event:*"))
    assert "notificationRateLimit" in errors["alertStrategy"]
    absent = silence["conditions"][0]["conditionAbsent"]
    assert "metric.type=" in absent["filter"]
    assert "resource.type=" in absent["filter"]
    assert absent["aggregations"][0]["crossSeriesReducer"] == "REDUCE_SUM"
    assert errors["notificationChannels"] == silence["notificationChannels"] == list(first[0].state["channels"])
    assert 'jsonPayload.event="run_completed"' in first[0].state["metrics"]["threads_runs_completed"]["filter"]


# ---- secrets


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


def test_status_shows_dates_and_reads_no_version(cloud):
    dates = {"version": "7", "refreshed-at": "2026-11-22T03:17:00Z", "expires-at": "2027-01-20T03:17:00Z"}
    cloud.change(lambda s: s["secrets"]["threads-token-bob-b"].update(annotations=dates))
    done = cloud.run("status")
    assert done.returncode == 0
    assert "bob.b" in done.stdout
    assert "2027-01-20T03:17:00Z" in done.stdout
    assert not [c for c in cloud.commands if "versions" in c]
    assert cloud.writes == []


# ---- again, and after an interruption


def test_the_second_run_creates_nothing_and_loses_nothing(cloud):
    before = cloud.state
    done = cloud.run(**SETTINGS)
    assert done.returncode == 0, done.stdout
    assert cloud.state == before
    # Granting again on a service account and deploying again are the two things that look the same afterwards.
    again = ("run deploy", "iam service-accounts add-iam-policy-binding")
    assert [c for c in cloud.writes if not c.startswith(again)] == []


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
    assert len(state["alerts"]) == 2


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
            alert["userLabels"]["spec"] = "old"
            alert["notificationChannels"].append("projects/demo/notificationChannels/mine")

    cloud.change(edit)
    done = cloud.run(THREADS_APP_ID="4242")
    assert done.stdout.count("updated  alert") == 2
    assert cloud.state["jobs"]["threads-refresh"]["schedule"] == "17 */6 * * *"
    assert cloud.state["roles"]["threadsTokenList"]["includedPermissions"] == ["secretmanager.secrets.list"]
    for alert in cloud.state["alerts"].values():
        assert len(alert["notificationChannels"]) == 2


def test_a_run_without_an_address_keeps_the_channels(cloud):
    before = cloud.state["alerts"]
    assert cloud.run("functions", THREADS_APP_ID="4242").returncode == 0
    assert cloud.state["alerts"] == before


def test_account_allows_without_a_deploy_and_labels_a_secret_that_was_made_by_hand(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={"team": "x"}))
    assert cloud.run("account", "ALICE", "carol_1").returncode == 0
    labels = cloud.state["secrets"]["threads-token-alice"]["labels"]
    assert labels == {"team": "x", "managed-by": "threads-token-keeper"}
    assert cloud.members("secrets/threads-token-carol_1", "/threadsTokenStore") == {
        account("threads-oauth"), account("threads-refresh"),
    }  # fmt: skip
    assert not [c for c in cloud.writes if "deploy" in c]


@pytest.mark.parametrize("track", ["alpha", "ga"])
def test_the_alerts_are_made_by_older_and_newer_gclouds(set_up, track):
    set_up.change(lambda s: s.update(monitoring=track))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert len(set_up.state["alerts"]) == 2


# ---- before the first write


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
    empty.change(lambda s: s.update(version="600.0.0"))
    empty.refuse("auth print-access-token", "You do not currently have an active account selected.")
    assert "gcloud auth login" in empty.run("setup", THREADS_APP_SECRET=APP_SECRET).stdout
    assert empty.writes == []


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


@pytest.mark.parametrize("arguments", [["nonsense"], ["account"], ["check", "--yes"], ["setup", "now"]])
def test_a_call_that_makes_no_sense_shows_the_usage(empty, arguments):
    done = empty.run(*arguments)
    assert done.returncode == 2
    assert "Usage" in done.stdout
    assert empty.calls == []


# ---- refusals


@pytest.mark.parametrize(
    ("command", "message", "advice"),
    [
        ("services enable", "FAILED_PRECONDITION: Billing account for project '1' is not found.", "billing account"),
        ("secrets create", "PERMISSION_DENIED: The API has not been used in project 1", "./deploy.sh setup"),
        ("add-iam-policy-binding.*allUsers", "do not belong to a permitted customer", "allowedPolicyMemberDomains"),
        ("scheduler jobs create", "PERMISSION_DENIED: The principal lacks IAM permission", "owner"),
        ("run deploy threads-oauth", "Build failed; check build logs for details", "build's log"),
        ("run deploy threads-oauth", "Permission denied on secret: projects/1/secrets/x", "a few minutes"),
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
    cloud.refuse("secrets describe threads-token-alice", "PERMISSION_DENIED: no", times=9)
    assert cloud.run("account", "alice").returncode == 1
    assert cloud.writes == []


def test_a_service_account_that_iam_does_not_know_yet_is_tried_again(empty):
    empty.change(lambda s: s["lag"].update({"threads-oauth@demo.iam.gserviceaccount.com": 2}))
    assert empty.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert (empty.folder / "sleeps").read_text().splitlines() == ["sleep 5"] * 2


def test_the_retries_are_bounded_and_nothing_but_bindings_is_retried(empty):
    empty.change(lambda s: s["lag"].update({"threads-oauth@demo.iam.gserviceaccount.com": 999}))
    assert empty.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 1
    assert 5 <= len((empty.folder / "sleeps").read_text().splitlines()) <= 20
    assert len([c for c in empty.writes if "service-accounts create threads-oauth" in c]) == 1


def test_a_metric_that_monitoring_does_not_know_yet_is_waited_for(set_up):
    set_up.refuse("(?s)policies create.*conditionAbsent", "NOT_FOUND: Cannot find metric(s) that match", times=3)
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert (set_up.folder / "sleeps").read_text().count("sleep 30") == 3


# ---- remove


def test_remove_without_a_terminal_and_without_yes_is_a_no(cloud):
    done = cloud.run("remove")
    assert done.returncode == 1
    assert "Nothing was removed" in done.stdout
    assert cloud.writes == []


def test_remove_takes_everything_down_and_leaves_the_tokens(cloud):
    done = cloud.run("remove", "--yes")
    assert done.returncode == 0, done.stdout
    state = cloud.state
    assert set(state["secrets"]) == {"threads-token-alice", "threads-token-bob-b"}
    for kind in ("services", "jobs", "alerts", "channels", "metrics", "accounts", "repositories"):
        assert state[kind] == {}
    assert all(role["deleted"] for role in state["roles"].values())
    assert [g for policy in state["policies"].values() for g in policy] == []


def test_remove_with_secrets_takes_the_tokens_too_and_no_secret_of_anybody_else(cloud):
    theirs = {"name": "projects/1/secrets/theirs", "labels": {}, "versions": []}
    cloud.change(lambda s: s["secrets"].update(theirs=theirs))
    assert cloud.run("remove", "--yes", "--with-secrets").returncode == 0
    assert set(cloud.state["secrets"]) == {"theirs"}


def test_after_remove_everything_can_be_made_again(first, cloud):
    cloud.run("remove", "--yes")
    assert cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert not any(role["deleted"] for role in cloud.state["roles"].values())
    for kind in ("policies", "services", "secrets", "jobs"):
        assert cloud.state[kind].keys() == first[0].state[kind].keys()


def test_a_channel_that_another_alert_uses_is_left(cloud):
    channel = next(iter(cloud.state["channels"]))
    cloud.change(lambda s: s["alerts"].update({"theirs": {"name": "theirs", "notificationChannels": [channel]}}))
    assert cloud.run("remove", "--yes").returncode == 0
    assert list(cloud.state["channels"]) == [channel]
