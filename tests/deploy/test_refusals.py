"""What is refused before anything is written, and Google's refusals with what to do."""

import pytest

from tests.deploy.deployment import APP_SECRET, SETTINGS

# gcloud ends each 401, 403 and 404 with this.
AS_WHOM = "This command is authenticated as me@example.com which is the active account specified by [core/account]."


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
        ({"PROJECT_ID": "123456789012"}, "no number"),
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
        ("iam roles create", f"PERMISSION_DENIED: The caller does not have permission. {AS_WHOM}", "an owner"),
        ("run deploy threads-oauth", f"no permission to act as service account x. {AS_WHOM}", "An owner may"),
        ("services enable", "Callers must accept Terms of Service", "accept Google Cloud's terms"),
        ("secrets create", "Failed to impersonate [x@y]. Make sure it has access", "unset auth/impersonate"),
        ("iam roles create", "HTTPSConnectionPool(host='x'): Max retries exceeded", "see to the network"),
        ("secrets create", f"problem refreshing auth tokens for account x: Max retries exceeded. {AS_WHOM}", "network"),
        ("monitoring channels list", "requires the installation of components: [alpha]", "components install alpha"),
        ("run deploy threads-oauth", "due to quota restrictions, cannot run builds in this region.", "us-west2"),
        ("run deploy threads-oauth", "Revision 'x' is not ready and cannot serve traffic.", "its log says"),
        ("run deploy threads-oauth", "ABORTED: Conflict for resource 'threads-oauth'", "run it again"),
        ("iam roles create", "ALREADY_EXISTS: A role named x already exists", "run it again"),
        ("iam service-accounts list", "INTERNAL: Internal error encountered.", "in some minutes"),
    ],
)
def test_a_refusal_shows_googles_message_and_what_to_do(request, command, message, advice):
    in_setup = command.startswith(("services", "secrets", "iam"))
    cloud = request.getfixturevalue("empty" if in_setup else "set_up")
    cloud.refuse(command, message, times=99)
    done = cloud.run("setup" if in_setup else "functions", **SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert message in done.stdout
    assert advice in done.stdout.split("What to do:")[1]


@pytest.mark.parametrize("command", ["status", "check"])
def test_who_only_looks_is_told_which_roles_are_enough(cloud, command):
    cloud.refuse("secrets list", f"Permission 'secretmanager.secrets.list' denied for resource. {AS_WHOM}")
    done = cloud.run(command)
    assert done.returncode == 1
    assert "status needs roles/viewer on the project; check needs roles/iam.securityReviewer" in done.stdout


def test_a_read_that_is_refused_stops_the_run_and_is_not_taken_for_absence(cloud):
    cloud.refuse("secrets list", "PERMISSION_DENIED: no", times=9)
    assert cloud.run("account", "alice").returncode == 1
    assert cloud.writes == []


def test_a_mistyped_project_is_said_as_that(empty):
    done = empty.run("setup", PROJECT_ID="dmeo", THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert "There is no project dmeo that owner@example.com can see" in done.stdout
    assert "wants an owner" not in done.stdout
    assert empty.writes == []


def test_what_keeps_a_project_from_being_seen_is_not_taken_for_a_mistyped_one(empty):
    for message, advice in (
        (f"problem refreshing auth tokens: ('invalid_grant: account not found', {{}}). {AS_WHOM}", "gcloud auth login"),
        ("HTTPSConnectionPool: Max retries exceeded (Caused by ProxyError: 404 Not found)", "see to the network"),
        ("Request is prohibited by organization's policy. vpcServiceControls", "VPC Service Controls"),
    ):
        empty.refuse("projects describe", message)
        done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET)
        assert done.returncode == 1
        assert advice in done.stdout.split("What to do:")[1]


def test_names_may_have_blanks_between_them_and_a_comma_at_the_end(empty):
    done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET, THREADS_USERNAMES=" Alice, bob.b\tcarol\n,dave, ")
    assert done.returncode == 0, done.stdout
    names = {"alice", "bob-b", "carol", "dave"}
    assert empty.state["secrets"].keys() == {"threads-app-secret", *(f"threads-token-{n}" for n in names)}


def test_a_project_of_a_domain_has_its_accounts_at_the_turned_name(empty):
    empty.change(lambda s: s.update(domain="example.com."))
    done = empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    assert "threads-oauth@demo.example.com.iam.gserviceaccount.com" in empty.state["accounts"]
    deploy = next(c for c in empty.commands if c.startswith("run deploy threads-oauth"))
    assert "--image=us-central1-docker.pkg.dev/1/threads-token-keeper/threads-oauth" in deploy
    assert "--build-service-account=projects/example.com:demo/serviceAccounts/threads-build@demo.example.com." in deploy


@pytest.mark.parametrize("answer", [400, 403])
def test_a_region_without_cloud_scheduler_is_said_before_anything_is_built(empty, answer):
    empty.change(lambda s: s.update(no_scheduler={"us-central1": answer}))
    done = empty.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert "Cloud Scheduler is not in us-central1" in done.stdout
    assert "europe-west1" in done.stdout
    assert [c.split(" ")[0] for c in empty.writes] == ["services"]


# What organisations forbid


def test_where_secrets_must_have_a_place_they_are_made_in_the_region(empty):
    empty.change(lambda s: s.update(automatic_refused="locations"))
    done = empty.run("setup", **SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    made = [c for c in empty.commands if c.startswith("secrets create") and "user-managed" in c]
    assert len(made) == 3
    assert all("--locations=us-central1" in c for c in made)
    assert empty.state["secrets"]["threads-token-alice"]["labels"] == {"managed-by": "threads-token-keeper"}


def test_where_secrets_must_have_a_key_the_advice_makes_the_next_run_succeed(empty):
    empty.change(lambda s: s.update(automatic_refused="cmek"))
    done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert "gcloud secrets create threads-app-secret --project=demo" in done.stdout
    assert "--kms-key-name=" in done.stdout
    made = {"name": "projects/1/secrets/threads-app-secret", "versions": [], "labels": {}, "annotations": {}}
    empty.change(lambda s: s["secrets"].update({"threads-app-secret": made}))
    assert empty.run("setup", THREADS_APP_SECRET=APP_SECRET).returncode == 0


@pytest.mark.parametrize(
    ("command", "message", "advice"),
    [
        (
            "iam service-accounts create",
            "FAILED_PRECONDITION: Service account creation is not allowed on this project.",
            "threads-oauth threads-refresh threads-scheduler threads-build",
        ),
        (
            "projects set-iam-policy",
            "users named in the policy do not belong to a permitted customer",
            "accounts allowed",
        ),
        ("projects set-iam-policy", "constraints/iam.managed.allowedPolicyMembers", "allowed by it"),
        ("artifacts repositories create", "constraints/gcp.resourceLocations violated", "REGION that it allows"),
        (
            "artifacts repositories create",
            "Request is disallowed by organization's constraints/gcp.restrictServiceUsage constraint.",
            "(constraints/gcp.restrictServiceUsage) forbids this. Have project demo excepted",
        ),
        (
            "iam roles create",
            'Operation denied by org policy on resource "x": ["customConstraints/custom.noRoles": "No roles."].',
            "(customConstraints/custom.noRoles) forbids this",
        ),
        (
            "artifacts repositories create",
            "constraints/gcp.restrictNonCmekServices violated",
            "gcloud artifacts repositories create threads-token-keeper --project=demo --location=us-central1",
        ),
        ("iam roles create", "constraints/gcp.restrictNonCmekServices violated", "Have project demo excepted"),
        (
            "secrets list",
            "PERMISSION_DENIED: Request is prohibited by organization's policy. vpcServiceControlsUnique",
            "VPC Service Controls",
        ),
    ],
)
def test_each_organisation_policy_has_its_own_advice(empty, command, message, advice):
    empty.refuse(command, message, times=9)
    done = empty.run("setup", THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 1
    assert advice in done.stdout.split("What to do:")[1]
    assert empty.sleeps == []


ALL_USERS = ["roles/run.invoker", "allUsers"]


@pytest.mark.parametrize("public_refused", [True, "managed"])
def test_where_all_users_is_forbidden_the_page_is_public_all_the_same(first, set_up, public_refused):
    set_up.change(lambda s: s.update(public_refused=public_refused))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set_up.state["services"] == first[0].state["services"]


def test_where_the_invoker_check_must_stay_on_all_users_is_granted_once(set_up):
    set_up.change(lambda s: s.update(invoker_required=True))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert ALL_USERS in set_up.state["policies"]["services/threads-oauth"]
    assert ALL_USERS not in set_up.state["policies"]["services/threads-refresh"]
    before = set_up.state["policies"]
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set_up.state["policies"] == before


def test_where_both_ways_are_forbidden_all_else_is_made_and_the_advice_names_both(first, set_up):
    set_up.change(lambda s: s.update(invoker_required=True, public_refused="managed"))
    done = set_up.run("functions", **SETTINGS)
    assert done.returncode == 1
    for constraint in ("run.managed.requireInvokerIam", "iam.managed.allowedPolicyMembers"):
        assert constraint in done.stdout.split("What to do:")[1]
    assert set_up.state["alerts"] == first[0].state["alerts"]
    assert set_up.state["jobs"] == first[0].state["jobs"]
    set_up.change(lambda s: s.update(invoker_required=False))
    assert set_up.run("functions", **SETTINGS).returncode == 0
    assert set_up.state["services"] == first[0].state["services"]


def test_an_old_grant_to_all_users_goes_once_the_check_is_off(cloud):
    cloud.change(lambda s: s["policies"]["services/threads-oauth"].append(ALL_USERS))
    cloud.change(lambda s: s["services"]["threads-oauth"]["metadata"].update(annotations={}))
    assert cloud.run("functions", **SETTINGS).returncode == 0
    assert ALL_USERS not in cloud.state["policies"]["services/threads-oauth"]


def test_an_invoker_check_that_the_console_switched_off_counts_as_off(cloud):
    off = {"run.googleapis.com/invoker-iam-disabled": "true"}
    cloud.change(lambda s: s["services"]["threads-oauth"]["metadata"].update(annotations=off))
    assert cloud.run("functions", **SETTINGS).returncode == 0
    assert not [c for c in cloud.commands if c.startswith("run services update threads-oauth")]


# Roles that somebody deleted


def test_a_deleted_role_is_brought_back_while_google_allows_it(first, cloud):
    cloud.change(lambda s: s["roles"]["threadsTokenList"].update(deleted=True))
    assert cloud.run("setup", **SETTINGS).returncode == 0
    assert not cloud.state["roles"]["threadsTokenList"]["deleted"]
    cloud.change(lambda s: s["roles"]["threadsTokenList"].update(deleted=True))
    cloud.change(lambda s: s.update(role_ids_taken=True))
    done = cloud.run("setup", **SETTINGS)
    assert done.returncode == 1
    assert "keeps its id for 37" in done.stdout
