"""Who may do what after a deploy, computed from the policies that deploy.sh made."""

import json
import re

import pytest

from tests.deployment import APP_SECRET, READS, ROOT, SETTINGS, Cloud, account

OAUTH, REFRESH = account("threads-oauth"), account("threads-refresh")
SCHEDULER, BUILD = account("threads-scheduler"), account("threads-build")
TOKENS = ("secrets/threads-token-alice", "secrets/threads-token-bob-b")
STORE = {f"secretmanager.{p}" for p in (
    "secrets.get", "secrets.update", "versions.add", "versions.destroy", "versions.get", "versions.list")}  # fmt: skip
ACCESS, LIST = {"secretmanager.versions.access"}, {"secretmanager.secrets.list"}
PREDEFINED = {
    "roles/secretmanager.secretAccessor": ACCESS,
    "roles/run.invoker": {"run.routes.invoke"},
    "roles/iam.serviceAccountUser": {"iam.serviceAccounts.actAs"},
}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp("rights"))
    cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    return cloud.state


def rights(state, member):
    """{resource: permissions} of one member; a role that is not taken apart here stands for itself."""
    found = {}
    for resource, policy in state["policies"].items():
        for role, who in policy:
            if who == member:
                custom = state["roles"].get(role.rsplit("/", 1)[1], {}).get("includedPermissions")
                found.setdefault(resource, set()).update(custom or PREDEFINED.get(role, {role}))
    return found


def test_oauth_reads_the_app_secret_and_stores_tokens_without_reading_any(state):
    assert rights(state, OAUTH) == {
        "projects/demo": LIST, "secrets/threads-app-secret": ACCESS, **dict.fromkeys(TOKENS, STORE),
    }  # fmt: skip


def test_refresh_reads_and_stores_tokens_and_does_not_see_the_app_secret(state):
    assert rights(state, REFRESH) == {"projects/demo": LIST, **dict.fromkeys(TOKENS, STORE | ACCESS)}


def test_the_scheduler_invokes_refresh_and_nothing_else(state):
    assert rights(state, SCHEDULER) == {"services/threads-refresh": {"run.routes.invoke"}}


def test_oauth_alone_is_public(state):
    assert rights(state, "allUsers") == {"services/threads-oauth": {"run.routes.invoke"}}
    assert rights(state, "allAuthenticatedUsers") == {}


def test_build_acts_as_the_four_accounts_on_them_and_not_on_the_project(state):
    mine = rights(state, BUILD)
    acts = {r for r, permissions in mine.items() if "iam.serviceAccounts.actAs" in permissions}
    assert acts == {f"accounts/{email}" for email in state["accounts"]}


def test_build_changes_who_may_invoke_on_the_two_services_alone(state):
    mine = rights(state, BUILD)
    setters = {r for r, permissions in mine.items() if any(p.endswith("setIamPolicy") for p in permissions)}
    assert setters == {"services/threads-oauth", "services/threads-refresh"}


def test_build_has_no_right_on_any_secret(state):
    assert not [r for r in rights(state, BUILD) if r.startswith("secrets/")]
    assert not [p for p in rights(state, BUILD)["projects/demo"] if "secretmanager" in p]


def test_build_has_no_predefined_role_beyond_those_google_asks_for_a_deploy_from_source(state):
    assert {p for p in rights(state, BUILD)["projects/demo"] if p.startswith("roles/")} == {
        "roles/run.sourceDeveloper", "roles/run.builder", "roles/logging.logWriter",
        "roles/serviceusage.serviceUsageConsumer",
    }  # fmt: skip


def test_no_member_is_anybody_but_the_four_accounts_and_the_public(state):
    members = {member for policy in state["policies"].values() for _, member in policy}
    assert members == {OAUTH, REFRESH, SCHEDULER, BUILD, "allUsers"}


# What each command of `functions` asks of whoever runs it. The service policy is asked for on the service itself;
# "run deploy" and what hangs on it is in the roles that Google names for a deploy from source.
NEEDS = {
    "projects describe": "resourcemanager.projects.get",
    "scheduler jobs create": "cloudscheduler.jobs.create",
    "scheduler jobs update": "cloudscheduler.jobs.update",
    "scheduler jobs describe": "cloudscheduler.jobs.get",
    "scheduler jobs run": "cloudscheduler.jobs.run",
    "logging metrics create": "logging.logMetrics.create",
    "logging metrics update": "logging.logMetrics.update",
    "logging metrics describe": "logging.logMetrics.get",
    "monitoring policies list": "monitoring.alertPolicies.list",
    "monitoring policies create": "monitoring.alertPolicies.create",
    "monitoring policies update": "monitoring.alertPolicies.update",
    "monitoring channels list": "monitoring.notificationChannels.list",
    "monitoring channels create": "monitoring.notificationChannels.create",
    "run deploy": "roles/run.sourceDeveloper",
    "run services get-iam-policy": "run.services.getIamPolicy",
    "run services add-iam-policy-binding": "run.services.setIamPolicy",
}
NO_RIGHT = ("version", "auth print-access-token", "config get-value", "--help")


def test_build_may_run_every_command_of_functions(state, tmp_path):
    cloud = Cloud(tmp_path, json.loads(json.dumps(state)) | {"jobs": {}, "metrics": {}, "alerts": {}, "channels": {}})
    assert cloud.run("functions", **SETTINGS).returncode == 0
    mine = rights(state, BUILD)
    for command in cloud.commands:
        if any(word in command for word in NO_RIGHT):
            continue
        words = command.removeprefix("alpha ")
        need = next(permission for start, permission in NEEDS.items() if words.startswith(start))
        service = re.search(r"run services \S+ (\S+)", words)
        assert need in mine[f"services/{service[1]}" if service else "projects/demo"], command


def test_build_has_no_custom_permission_that_no_command_of_functions_asks_for(state):
    custom = {p for permissions in rights(state, BUILD).values() for p in permissions if not p.startswith("roles/")}
    by_update = {"monitoring.alertPolicies.get", "monitoring.notificationChannels.get"}  # an update reads first
    assert custom - set(NEEDS.values()) - by_update == {"iam.serviceAccounts.actAs"}


def test_every_project_grant_says_that_it_has_no_condition(tmp_path):
    cloud = Cloud(tmp_path)
    cloud.run("setup", THREADS_APP_SECRET=APP_SECRET)
    grants = [c for c in cloud.commands if c.startswith("projects add-iam-policy-binding")]
    assert grants
    assert all("--condition=None" in c for c in grants)


def test_the_words_that_mark_a_read_are_in_no_write_of_the_script():
    writes = re.findall(r"run gcloud ([^\n]*)", (ROOT / "deploy.sh").read_text())
    assert writes
    assert not [w for w in writes if READS & set(w.split())]
