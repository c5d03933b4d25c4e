"""Who may do what after a deploy, computed from the policies that were made, our roles and Google's own."""

import copy
import json
import re

import pytest

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS, Cloud, account

OAUTH, REFRESH = account("threads-oauth"), account("threads-refresh")
SCHEDULER, BUILD = account("threads-scheduler"), account("threads-build")
TOKENS = ("secrets/threads-token-alice", "secrets/threads-token-bob-b")
PROJECT = "projects/demo"
GOOGLE = json.loads((ROOT / "tests" / "deploy" / "google-iam.json").read_text())
IMPERSONATION = {
    "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation", "iam.serviceAccounts.signBlob", "iam.serviceAccounts.signJwt",
}  # fmt: skip
STORE = {f"secretmanager.{p}" for p in (
    "secrets.get", "secrets.update", "versions.add", "versions.destroy", "versions.get", "versions.list")}  # fmt: skip
ACCESS, LIST = "secretmanager.versions.access", "secretmanager.secrets.list"


def permissions(state, role):
    if role.startswith("projects/"):
        return set(state["roles"][role.rsplit("/", 1)[1]]["includedPermissions"])
    return set(GOOGLE["roles"][role])


def rights(state, member):
    """Return {resource: permissions} of one member."""
    found = {}
    for resource, policy in state["policies"].items():
        for role, who, *_ in policy:
            if who == member:
                found.setdefault(resource, set()).update(permissions(state, role))
    return found


def members(state):
    return {who for policy in state["policies"].values() for _, who, *_ in policy}


def who_may(state, wanted, resource):
    """Return who has one of these permissions on a resource, there or on the project."""
    return {
        m
        for m in members(state)
        for place in (resource, PROJECT)
        if rights(state, m).get(place, set()) & ({wanted} if isinstance(wanted, str) else wanted)
    }


def readers_of_a_token(state):
    """Return who reads a token: by a right on it, or as somebody who has one."""
    readers = {m for token in TOKENS for m in who_may(state, ACCESS, token)}
    while True:
        emails = {r.removeprefix("serviceAccount:") for r in readers}
        more = {m for email in emails for m in who_may(state, IMPERSONATION, f"accounts/{email}")}
        if more <= readers:
            return readers
        readers |= more


def readers_of_the_app_secret(state):
    return who_may(state, ACCESS, "secrets/threads-app-secret")


def deployers(state):
    """Return {account: who may make something run as it}."""
    return {
        email.split("@")[0]: who_may(state, "iam.serviceAccounts.actAs", f"accounts/{email}")
        for email in state["accounts"]
    }


def policy_changers(state):
    return {
        (m, resource)
        for m in members(state)
        for resource, mine in rights(state, m).items()
        if any(p.endswith(".setIamPolicy") or p.startswith("iam.roles.") for p in mine)
    }


def callers(state):
    """Return {service: who may call it}."""
    found = {}
    for name, service in state["services"].items():
        off = service["metadata"]["annotations"].get("run.googleapis.com/invoker-iam-disabled") == "True"
        found[name] = {"everybody"} if off else who_may(state, "run.routes.invoke", f"services/{name}")
    return found


EXPECTED = {
    readers_of_a_token: {REFRESH},
    readers_of_the_app_secret: {OAUTH},
    deployers: {name: {BUILD} for name in ("threads-oauth", "threads-refresh", "threads-scheduler", "threads-build")},
    policy_changers: {(BUILD, "services/threads-oauth"), (BUILD, "services/threads-refresh")},
    callers: {"threads-oauth": {"everybody"}, "threads-refresh": {SCHEDULER}},
}


@pytest.fixture(scope="module")
def state(first):
    return first[0].state


@pytest.mark.parametrize("question", EXPECTED, ids=lambda q: q.__name__)
def test_nobody_may_more_than_is_meant(state, question):
    assert question(state) == EXPECTED[question]


TOKEN_CREATOR, USER = "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser"
EMAIL = "accounts/{}@demo.iam.gserviceaccount.com".format
WIDENED = [
    (readers_of_a_token, TOKENS[0], "roles/secretmanager.secretAccessor", OAUTH),
    (readers_of_a_token, TOKENS[1], "roles/secretmanager.admin", SCHEDULER),
    (readers_of_a_token, PROJECT, "roles/secretmanager.secretAccessor", BUILD),
    (readers_of_a_token, EMAIL("threads-refresh"), TOKEN_CREATOR, OAUTH),
    (readers_of_a_token, PROJECT, TOKEN_CREATOR, "user:mallory@example.com"),
    (readers_of_the_app_secret, "secrets/threads-app-secret", "roles/secretmanager.secretAccessor", REFRESH),
    (deployers, EMAIL("threads-refresh"), USER, OAUTH),
    (deployers, PROJECT, USER, BUILD[:-1]),
    (policy_changers, PROJECT, "roles/resourcemanager.projectIamAdmin", BUILD),
    (policy_changers, EMAIL("threads-refresh"), "roles/iam.serviceAccountAdmin", BUILD),
    (callers, "services/threads-refresh", "roles/run.invoker", "allUsers"),
    (callers, PROJECT, "roles/run.sourceDeveloper", BUILD),
]


@pytest.mark.parametrize(("question", "resource", "role", "member"), WIDENED)
def test_a_grant_that_is_wider_is_seen(state, question, resource, role, member):
    wider = copy.deepcopy(state)
    wider["policies"].setdefault(resource, []).append([role, member])
    assert question(wider) != EXPECTED[question]


@pytest.mark.parametrize("role", ["threadsTokenList", "threadsTokenStore"])
def test_a_role_that_is_wider_is_seen(state, role):
    wider = copy.deepcopy(state)
    wider["roles"][role]["includedPermissions"].append(ACCESS)
    assert readers_of_a_token(wider) != EXPECTED[readers_of_a_token]


def test_oauth_stores_tokens_and_refresh_reads_them_too(state):
    projects = {"resourcemanager.projects.get", "resourcemanager.projects.list"}  # what Google's accessor role brings
    assert rights(state, OAUTH) == {
        PROJECT: {LIST}, "secrets/threads-app-secret": {ACCESS, *projects}, **dict.fromkeys(TOKENS, STORE),
    }  # fmt: skip
    assert rights(state, REFRESH) == {PROJECT: {LIST}, **dict.fromkeys(TOKENS, STORE | {ACCESS} | projects)}


def test_build_has_no_right_on_any_secret_and_deletes_invokes_and_logs_in_nowhere(state):
    mine = rights(state, BUILD)
    assert not [r for r in mine if r.startswith("secrets/")]
    everything = {p for ps in mine.values() for p in ps}
    assert not [p for p in everything if p.startswith("secretmanager.")]
    assert {p for p in everything if p.endswith((".delete", ".invoke", ".sshRoot", ".sshRead"))} == set()
    assert not {p for p in everything if p.startswith("run.jobs.")}


def test_no_member_is_anybody_but_the_four_accounts(state):
    assert members(state) == {OAUTH, REFRESH, SCHEDULER, BUILD}


def test_every_grant_that_is_made_stands_in_the_document_and_the_other_way_round(state):
    lines = (ROOT / "deploy" / "grants.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    kinds = {"projects": "project", "secrets": "secret", "services": "service", "accounts": "account"}
    made = set()
    for resource, policy in state["policies"].items():
        kind, name = resource.split("/", 1)
        place = {"project": "*", "secret": re.sub("^threads-token-.*", "threads-token-*", name)}.get(kinds[kind], name)
        for role, member in policy:
            made.add((f"{kinds[kind]}/{place.split('@')[0]}", role.removeprefix(f"{PROJECT}/roles/"),
                      member.removeprefix("serviceAccount:").split("@")[0]))  # fmt: skip
    assert made == {tuple(row) for row in rows}


def test_every_permission_of_our_roles_is_one_of_googles():
    for path in (ROOT / "deploy" / "roles").glob("*.yaml"):
        for permission in re.findall(r"^- (\S+)", path.read_text(), re.M):
            assert permission in GOOGLE["permissions"], path.name


# What Google asks of whoever runs each command: its own page on each method's permission. A deploy from source calls
# the methods that its log shows: upload, build, operation, service. A log-match alert also writes a rule of Logging's.
DEPLOY = (
    "serviceusage.services.get", "run.services.get", "run.services.create", "run.services.update",
    "artifactregistry.repositories.get", "iam.serviceAccounts.get", "storage.buckets.get", "storage.buckets.create",
    "storage.objects.create", "cloudbuild.builds.create", "cloudbuild.builds.get", "cloudbuild.operations.get",
    "run.services.getIamPolicy", "run.services.setIamPolicy", "iam.serviceAccounts.actAs",
)  # fmt: skip
NEEDS = {
    "projects describe": ("resourcemanager.projects.get",),
    "scheduler jobs create": ("cloudscheduler.jobs.create",),
    "scheduler jobs update": ("cloudscheduler.jobs.update", "cloudscheduler.jobs.get"),
    "scheduler jobs describe": ("cloudscheduler.jobs.get",),
    "scheduler jobs run": ("cloudscheduler.jobs.run",),
    "scheduler locations list": ("cloudscheduler.locations.list",),
    "logging metrics create": ("logging.logMetrics.create",),
    "logging metrics update": ("logging.logMetrics.update", "logging.logMetrics.get"),
    "logging metrics describe": ("logging.logMetrics.get",),
    "monitoring policies list": ("monitoring.alertPolicies.list",),
    "monitoring policies create": ("monitoring.alertPolicies.create", "logging.notificationRules.create"),
    "monitoring policies update": (
        "monitoring.alertPolicies.update", "monitoring.alertPolicies.get", "logging.notificationRules.create",
        "logging.notificationRules.update",
    ),
    "monitoring channels list": ("monitoring.notificationChannels.list",),
    "monitoring channels create": ("monitoring.notificationChannels.create",),
    "run deploy": DEPLOY,
    "run services list": ("run.services.list",),
    "run services get-iam-policy": ("run.services.getIamPolicy",),
    "run services set-iam-policy": ("run.services.setIamPolicy",),
    "run services add-iam-policy-binding": ("run.services.getIamPolicy", "run.services.setIamPolicy"),
    "run services update": ("run.services.get", "run.services.update", "run.services.setIamPolicy"),
}  # fmt: skip


@pytest.mark.parametrize("run", ["creates", "updates", "by allUsers", "region"])
def test_build_may_run_every_command_of_functions(state, tmp_path, run):
    cloud = Cloud(tmp_path, copy.deepcopy(state))
    if run == "creates":
        cloud.change(lambda s: s.update(jobs={}, metrics={}, alerts={}, channels={}))
    elif run == "updates":
        cloud.change(lambda s: s["jobs"]["threads-refresh"].update(schedule="x"))
        cloud.change(lambda s: s["metrics"]["threads_runs_completed"].update(filter="x"))
        cloud.change(lambda s: [a["userLabels"].update(document="x") for a in s["alerts"].values()])
    elif run == "by allUsers":
        cloud.change(lambda s: s.update(invoker_required=True))
        cloud.change(lambda s: s["services"]["threads-oauth"]["metadata"].update(annotations={}))
    else:
        cloud.change(lambda s: s.update(no_scheduler={"us-central1": 403}))
    cloud.run("functions", **SETTINGS)
    mine = rights(state, BUILD)
    for command in cloud.commands:
        words = command.removeprefix("alpha ")
        if words.startswith("info"):
            continue
        needed = next(needs for start, needs in NEEDS.items() if words.startswith(start))
        service = re.search(r"threads-(?:oauth|refresh)", words)
        held = set(mine[PROJECT])
        if service:
            held |= mine[f"services/{service[0]}"] | mine[EMAIL(service[0])] & mine[EMAIL("threads-build")]
        assert set(needed) <= held, command


def test_build_has_no_permission_of_ours_that_nothing_asks_for(state):
    named = {p for needs in NEEDS.values() for p in needs}
    read_beside = re.compile(
        r"(run\.(configurations|locations|operations|revisions|routes)|cloudbuild\.(builds|operations)|"
        r"storage\.(buckets|objects)|artifactregistry\.repositories)\.(get|list|downloadArtifacts)"
    )
    custom = {
        p for r in ("threadsTokenDeploy", "threadsTokenInvokers") for p in permissions(state, f"{PROJECT}/roles/{r}")
    }
    assert {p for p in custom - named if not read_beside.fullmatch(p)} == {"monitoring.notificationChannels.get"}


def test_a_change_to_the_projects_policy_says_that_it_has_no_condition(first, tmp_path):
    cloud = Cloud(tmp_path, first[0].state)
    cloud.run("remove", "--yes")
    changes = [c for c in cloud.commands if c.startswith("projects remove-iam-policy-binding")]
    assert changes
    assert all("--condition=None" in c for c in changes)


def test_a_policy_is_written_once_with_the_etag_that_was_read(tmp_path):
    cloud = Cloud(tmp_path)
    theirs = [["roles/owner", "user:me@example.com"], ["roles/viewer", "user:you@example.com", "request.time<x"]]
    cloud.change(lambda s: s["policies"].update({PROJECT: theirs}))
    cloud.refuse("projects set-iam-policy", "ABORTED: There were concurrent policy changes. Please retry.")
    assert cloud.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 0
    assert [g for g in cloud.state["policies"][PROJECT] if g in theirs] == theirs
    assert len([c for c in cloud.commands if c.startswith("projects set-iam-policy")]) == 2
    assert len([c for c in cloud.commands if c.startswith("projects get-iam-policy")]) == 2
    assert cloud.state["etags"][PROJECT] == 1
