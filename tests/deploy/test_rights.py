"""Who may do what after a deploy, computed from the policies that were made, our roles and Google's own."""

import copy
import json
import re
import subprocess

import pytest
import yaml

from tests.deploy.deployment import APP_SECRET, ROOT, SETTINGS, Cloud, account

OAUTH, REFRESH = account("threads-oauth"), account("threads-refresh")
SCHEDULER, BUILD = account("threads-scheduler"), account("threads-build")
TOKENS = ("secrets/threads-token-alice", "secrets/threads-token-bob-b")
PROJECT = "projects/demo"
GOOGLE = json.loads((ROOT / "tests" / "deploy" / "google-iam.json").read_text())
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
# What is as good as being a service account: a token of it, a key of it, or a right that gives itself these.
BECOMES = {f"iam.{p}" for p in (
    "serviceAccounts.getAccessToken", "serviceAccounts.getOpenIdToken", "serviceAccounts.implicitDelegation",
    "serviceAccounts.signBlob", "serviceAccounts.signJwt", "serviceAccounts.setIamPolicy", "serviceAccountKeys.create",
    "serviceAccountApiKeyBindings.create")}  # fmt: skip
# And so is acting as it with one of these, which make something run or call as it.
RUNS = {
    "run.services.create", "run.services.update", "run.jobs.create", "run.jobs.update", "run.workerpools.create",
    "run.workerpools.update", "run.instances.create", "run.instances.update", "cloudbuild.builds.create",
    "cloudscheduler.jobs.create", "cloudscheduler.jobs.update",
}  # fmt: skip
# Who has one of these on the project gives themselves any right there.
ADMINISTERS = {"resourcemanager.projects.setIamPolicy", "iam.roles.create", "iam.roles.update"}
STORE = {f"secretmanager.{p}" for p in (
    "secrets.get", "secrets.update", "versions.add", "versions.destroy", "versions.get", "versions.list")}  # fmt: skip
ACCESS, LIST = "secretmanager.versions.access", "secretmanager.secrets.list"
OPENS = {ACCESS, "secretmanager.secrets.setIamPolicy"}


def permissions(state, role):
    """Return what a role holds. One of Google's that the file does not have (owner, editor) counts as all there is."""
    if role.startswith("projects/"):
        return set(state["roles"][role.rsplit("/", 1)[1]]["includedPermissions"])
    return set(GOOGLE["roles"].get(role, GOOGLE["permissions"]))


def rights(state, member):
    """Return {resource: permissions} of one member. A condition is taken as fulfilled."""
    found = {}
    for resource, policy in state["policies"].items():
        for role, who, *_ in policy:
            if who == member:
                found.setdefault(resource, set()).update(permissions(state, role))
    return found


def members(state):
    return {who for policy in state["policies"].values() for _, who, *_ in policy}


def may(state, member, resource):
    """Return the permissions of a member on a resource: there, on the project, and what everybody has."""
    mine = [rights(state, who) for who in (member, *EVERYBODY)]
    return set().union(*(r.get(place, set()) for r in mine for place in (resource, PROJECT)))


def becomes(state, member):
    """Return the accounts that a member is or can be, by any chain."""
    being, new = {member}, {member}
    while new:
        reached = {email for who in new for email in state["accounts"] if is_in_reach(state, who, email)}
        new = {account(email.split("@")[0]) for email in reached} - being
        being |= new
    return being


def is_in_reach(state, member, email):
    mine = may(state, member, f"accounts/{email}")
    anywhere = set().union(*rights(state, member).values())
    return bool(mine & BECOMES) or ("iam.serviceAccounts.actAs" in mine and bool(anywhere & RUNS))


def who_reaches(state, wanted, *resources):
    """Return who has one of these permissions on one of these, can give it to themselves, or can be one who has."""
    wanted = wanted | ADMINISTERS
    have = {who: any(may(state, who, place) & wanted for place in resources) for who in members(state)}
    return {who for who in have if any(have.get(one) for one in becomes(state, who))}


def openers(state):
    """Return {(who, where)} for each right that itself opens a secret."""
    return {(who, where) for who in members(state) for where, mine in rights(state, who).items() if mine & OPENS}


def readers_of_a_token(state):
    return who_reaches(state, OPENS, *TOKENS)


def readers_of_the_app_secret(state):
    return who_reaches(state, OPENS, "secrets/threads-app-secret")


def writers_of_a_token(state):
    """Return who stores a token, or takes one away: `update` can give a secret a date on which it deletes itself."""
    named = ("versions.add", "versions.destroy", "versions.disable", "secrets.update", "secrets.delete")
    return who_reaches(state, {f"secretmanager.{p}" for p in named} | OPENS, *TOKENS)


def deployers(state):
    """Return {account: who may act as it}, whatever they may run."""
    return {
        email.split("@")[0]: {
            who for who in members(state) if "iam.serviceAccounts.actAs" in may(state, who, f"accounts/{email}")
        }
        for email in state["accounts"]
    }


def impostors(state):
    """Return {member: the accounts that it can be beside itself}."""
    found = {who: becomes(state, who) - {who} for who in members(state)}
    return {who: accounts for who, accounts in found.items() if accounts}


def policy_changers(state):
    return {
        (m, resource)
        for m in members(state)
        for resource, mine in rights(state, m).items()
        if any(p.endswith(".setIamPolicy") for p in mine) or mine & ADMINISTERS
    }


def callers(state):
    """Return {service: who may call it, as it is}."""
    found = {}
    for name, service in state["services"].items():
        off = service["metadata"]["annotations"].get("run.googleapis.com/invoker-iam-disabled") == "True"
        called_by = {who for who in members(state) if "run.routes.invoke" in may(state, who, f"services/{name}")}
        found[name] = {"everybody"} if off else called_by
    return found


NAMES = ("threads-oauth", "threads-refresh", "threads-scheduler", "threads-build")
# Whoever deploys code can have that code read tokens: docs/permissions.md and SECURITY.md say so.
EXPECTED = {
    readers_of_a_token: {REFRESH, BUILD},
    readers_of_the_app_secret: {OAUTH, BUILD},
    writers_of_a_token: {OAUTH, REFRESH, BUILD},
    openers: {*((REFRESH, token) for token in TOKENS), (OAUTH, "secrets/threads-app-secret")},
    deployers: {name: {BUILD} for name in NAMES},
    impostors: {BUILD: {OAUTH, REFRESH, SCHEDULER}},
    policy_changers: {(BUILD, "services/threads-oauth"), (BUILD, "services/threads-refresh")},
    callers: {"threads-oauth": {"everybody"}, "threads-refresh": {SCHEDULER}},
}


@pytest.fixture(scope="module")
def state(first):
    return first[0].state


@pytest.mark.parametrize("question", EXPECTED, ids=lambda q: q.__name__)
def test_nobody_may_more_than_is_meant(state, question):
    assert question(state) == EXPECTED[question]


def test_without_the_account_that_deploys_only_refresh_reaches_a_token(state):
    """What is left to the chains that BUILD hides: each of the others is in reach of itself alone."""
    smaller = copy.deepcopy(state)
    for policy in smaller["policies"].values():
        policy[:] = [g for g in policy if g[1] != BUILD]
    assert readers_of_a_token(smaller) == {REFRESH}
    assert readers_of_the_app_secret(smaller) == {OAUTH}
    assert impostors(smaller) == {}
    assert policy_changers(smaller) == set()


TOKEN_CREATOR, USER = "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser"
EMAIL = "accounts/{}@demo.iam.gserviceaccount.com".format
MALLORY = "user:mallory@example.com"
SECRETS, APP = "roles/secretmanager.{}".format, "secrets/threads-app-secret"
# (where, role, who, condition)
WIDENED = [
    # a role on a secret
    (TOKENS[0], SECRETS("secretAccessor"), OAUTH),
    (TOKENS[1], SECRETS("admin"), SCHEDULER),
    (TOKENS[0], SECRETS("secretAccessor"), "allUsers"),
    (TOKENS[0], SECRETS("secretAccessor"), "allAuthenticatedUsers"),
    (TOKENS[0], SECRETS("secretAccessor"), "domain:example.com"),
    (TOKENS[1], SECRETS("secretVersionAdder"), "group:all@example.com"),
    (TOKENS[1], SECRETS("secretAccessor"), MALLORY, "request.time < timestamp('2030-01-01T00:00:00Z')"),
    (APP, SECRETS("secretAccessor"), REFRESH),
    (APP, SECRETS("admin"), "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"),
    # a role on the project
    (PROJECT, SECRETS("secretAccessor"), account("1-compute")),
    (PROJECT, SECRETS("secretVersionManager"), SCHEDULER),
    (PROJECT, "roles/owner", SCHEDULER),
    (PROJECT, "roles/editor", account("1-compute")),
    (PROJECT, "roles/resourcemanager.projectIamAdmin", BUILD),
    (PROJECT, "roles/iam.roleAdmin", SCHEDULER),
    (PROJECT, "roles/run.sourceDeveloper", BUILD),
    (PROJECT, SECRETS("secretAccessor"), BUILD),
    (PROJECT, USER, REFRESH),
    (PROJECT, "roles/iam.serviceAccountTokenCreator", MALLORY),
    # a role on a service account
    (EMAIL("threads-refresh"), TOKEN_CREATOR, OAUTH),
    (EMAIL("threads-refresh"), USER, OAUTH),
    (EMAIL("threads-refresh"), "roles/iam.serviceAccountAdmin", SCHEDULER),
    (EMAIL("threads-build"), TOKEN_CREATOR, SCHEDULER),  # and as threads-build one deploys as threads-refresh
    (EMAIL("threads-build"), "roles/iam.serviceAccountKeyAdmin", OAUTH),
    # on a service
    ("services/threads-refresh", "roles/run.invoker", "allUsers"),
    ("services/threads-refresh", "roles/run.invoker", OAUTH),
    ("services/threads-oauth", "roles/run.admin", OAUTH),
]


def seen(state):
    """Return the questions that have another answer than they should."""
    return {question.__name__ for question, answer in EXPECTED.items() if question(state) != answer}


@pytest.mark.parametrize("grant", WIDENED, ids=lambda g: " ".join(g[:3]))
def test_a_grant_that_is_wider_is_seen(state, grant):
    wider = copy.deepcopy(state)
    wider["policies"].setdefault(grant[0], []).append(list(grant[1:]))
    assert seen(wider)


WIDER_ROLES = [
    ("threadsTokenList", ACCESS), ("threadsTokenStore", ACCESS),
    ("threadsTokenStore", "secretmanager.secrets.setIamPolicy"), ("threadsTokenList", "run.routes.invoke"),
    ("threadsTokenList", "iam.serviceAccounts.getAccessToken"), ("threadsTokenList", "iam.serviceAccountKeys.create"),
    ("threadsTokenList", "iam.roles.update"), ("threadsTokenList", "resourcemanager.projects.setIamPolicy"),
    ("threadsTokenDeploy", "run.services.setIamPolicy"), ("threadsTokenDeploy", "run.routes.invoke"),
    ("threadsTokenDeploy", "storage.buckets.setIamPolicy"),
]  # fmt: skip


@pytest.mark.parametrize(("role", "permission"), WIDER_ROLES)
def test_a_role_that_is_wider_is_seen(state, role, permission):
    wider = copy.deepcopy(state)
    wider["roles"][role]["includedPermissions"].append(permission)
    assert seen(wider)


@pytest.mark.parametrize(
    "runs", ["roles/run.sourceDeveloper", "roles/cloudbuild.builds.editor", "roles/cloudscheduler.admin"]
)
def test_who_acts_as_an_account_and_runs_something_is_that_account(state, runs):
    wider = copy.deepcopy(state)
    wider["policies"][EMAIL("threads-refresh")].append([USER, MALLORY])
    assert MALLORY not in readers_of_a_token(wider)
    wider["policies"][PROJECT].append([runs, MALLORY])
    assert MALLORY in readers_of_a_token(wider)


def test_what_the_account_that_deploys_is_granted_is_this_and_no_more(state):
    granted = {
        (role.rsplit("/", 1)[1], where)
        for where, policy in state["policies"].items()
        for role, who in policy
        if who == BUILD
    }
    assert granted == {
        ("threadsTokenDeploy", PROJECT), ("run.builder", PROJECT), ("logging.logWriter", PROJECT),
        ("serviceusage.serviceUsageConsumer", PROJECT),
        *(("threadsTokenInvokers", f"services/{name}") for name in ("threads-oauth", "threads-refresh")),
        *(("iam.serviceAccountUser", EMAIL(name)) for name in NAMES),
    }  # fmt: skip


def test_the_scheduler_may_call_refresh_and_nothing_else(state):
    assert rights(state, SCHEDULER) == {"services/threads-refresh": set(GOOGLE["roles"]["roles/run.invoker"])}


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


def test_a_change_to_a_policy_says_that_it_has_no_condition(first, tmp_path):
    cloud = Cloud(tmp_path, first[0].state)
    cloud.run("remove", "--yes")
    changes = [c for c in cloud.commands if "remove-iam-policy-binding" in c]
    assert {c.split()[0] for c in changes} == {"projects", "secrets"}
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


AUDIT = """auditConfigs:
- auditLogConfigs:
  - logType: DATA_READ
  service: allServices
"""
THEIRS = """bindings:
- condition:
    expression: request.time < timestamp('2030-01-01T00:00:00Z')
    title: bindings
  members:
  - user:me@example.com
  role: roles/owner
"""


@pytest.mark.parametrize("before", [AUDIT + THEIRS, THEIRS, AUDIT, ""])
def test_a_policy_that_is_written_keeps_all_that_was_there_audit_logs_too(before):
    policy = before + "etag: BwX=\nversion: 3"
    words = f'set -euo pipefail; HERE="{ROOT}"; source "$HERE/deploy/access.sh"; policy_with "$@"'
    added = ["roles/a=serviceAccount:one@demo", "projects/demo/roles/b=serviceAccount:two@demo"]
    done = subprocess.run(["bash", "-c", words, "_", policy, *added], capture_output=True, text=True, check=True)
    was, now = yaml.safe_load(policy), yaml.safe_load(done.stdout)
    ours = [{"members": [who], "role": role} for role, who in (grant.split("=") for grant in added)]
    assert now == {**was, "bindings": ours + was.get("bindings", [])}
