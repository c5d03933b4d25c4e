# ruff: noqa: E501 (a fault a line)
"""deploy.sh check: quiet on a sound system, and each planted fault is found with how to mend it."""

import functools
import http.server
import itertools
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse

import pytest

from tests.deploy.deployment import APP_SECRET, PUBLIC_URL, ROOT, STUB, TOKEN, Cloud, account
from tests.deploy.gcloud_cli import lint


class Threads(http.server.BaseHTTPRequestHandler):
    """Answers the client_credentials question as Threads does."""

    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if asked.get("client_id") != "4242":
            status, body = 400, {"error": {"message": "Error validating application.", "code": 101}}
        elif asked.get("client_secret") != APP_SECRET or asked.get("grant_type") != "client_credentials":
            status, body = 400, {"error": {"message": "Error validating client secret.", "code": 1}}
        else:
            status, body = 200, {"access_token": f"TH|4242|{TOKEN}", "token_type": "bearer"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def threads():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Threads) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def at(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400 + 60))


@pytest.fixture(scope="module")
def sound(first, tmp_path_factory, threads):
    """Return the state of a project where all is well."""
    cloud = Cloud(tmp_path_factory.mktemp("sound"), first[0].state)

    def sign_in(state):
        for name in ("threads-token-alice", "threads-token-bob-b"):
            dates = {"version": "1", "refreshed-at": at(-1), "expires-at": at(59), "data-access-expires-at": at(80)}
            state["secrets"][name].update(annotations=dates, versions=[{"state": "enabled", "payload": TOKEN}])
        bot = ["roles/secretmanager.secretAccessor", "serviceAccount:bot@demo.iam.gserviceaccount.com", "x<y"]
        state["policies"]["secrets/threads-token-alice"].append(bot)
        state["log"] = state["after_run"] = [log("INFO", "run completed")]
        env("threads-oauth", "THREADS_API_URL", threads)(state)

    cloud.change(sign_in)
    return cloud.state


def log(severity, message, days=-0.1):
    return {"severity": severity, "timestamp": at(days), "jsonPayload": {"event": "x", "message": message}}


@pytest.fixture
def cloud(sound, tmp_path):
    return Cloud(tmp_path, sound)


def test_a_sound_system_is_one_quiet_line_and_nothing_is_changed(cloud):
    before = cloud.state
    done = cloud.run("check")
    assert done.stdout.splitlines()[1:] == [f"all well; people sign in at {PUBLIC_URL}/"]
    assert done.returncode == 0
    assert cloud.state == before
    assert cloud.writes == []


def test_asked_for_more_it_names_each_thing_that_is_good(cloud):
    done = cloud.run("check", "-v")
    assert done.returncode == 0
    for thing in (
        "APIs on",
        "sign-in page answers",
        "refresh is private",
        "Threads accepts",
        "schedule",
        "alice",
        "bob.b",
    ):
        assert f"good   {thing}" in done.stdout


def test_it_reads_no_token(cloud):
    cloud.run("check")
    assert [c for c in cloud.commands if "access" in c.split() and "threads-app-secret" not in c] == []


def grant(resource, role, member):
    return lambda s: s["policies"].setdefault(resource, []).append([role, member])


def take(resource, role):
    def edit(state):
        state["policies"][resource] = [g for g in state["policies"][resource] if not g[0].endswith(role)]

    return edit


def env(service, name, value):
    def edit(state):
        container = state["services"][service]["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [e for e in container["env"] if e["name"] != name] + [{"name": name, "value": value}]

    return edit


def put(value, *path):
    def edit(state):
        for part in path[:-1]:
            state = state[part]
        state[path[-1]] = value

    return edit


def each_alert(**values):
    return lambda s: [a.update(values) for a in s["alerts"].values()]


def annotate(service, name, value):
    return lambda s: s["services"][service]["metadata"]["annotations"].update({f"run.googleapis.com/{name}": value})


def deployed(service, value, *path):
    return put(value, "services", service, "spec", "template", *path)


def each_channel(**values):
    return lambda s: [c.update(values) for c in s["channels"].values()]


def custom_role(resource, permission):
    def edit(state):
        state["roles"]["theirs"] = {
            "name": "theirs",
            "includedPermissions": ["resourcemanager.projects.get", permission],
        }
        grant(resource, "projects/demo/roles/theirs", MALLORY)(state)

    return edit


JOB = ("jobs", "threads-refresh")
ALICE = ("secrets", "threads-token-alice")
OAUTH, REFRESH = account("threads-oauth"), account("threads-refresh")
MALLORY = "user:mallory@example.com"
SINCE = {"problem": "sign_in_again", "problem-since": "2026-11-20T00:17:00Z", "problem-detail": "alice must sign in."}
STORE_OF_OAUTH = ["projects/demo/roles/threadsTokenStore", OAUTH]
BUCKET = "gs://run-sources-demo-us-central1"
ACCOUNT = "accounts/{}@demo.iam.gserviceaccount.com".format
# The number says which faults are planted together: those that do not hide one another.
FAULTS = {
    "API off": (1, lambda s: s["apis"].remove("run.googleapis.com"), "off: run", "setup"),
    # rights
    "account missing": (3, lambda s: s["accounts"].pop("threads-scheduler@demo.iam.gserviceaccount.com"), "no service account threads-scheduler", "setup"),
    "role widened": (2, lambda s: s["roles"]["threadsTokenStore"]["includedPermissions"].append("secretmanager.versions.access"), "role threadsTokenStore is not as it should be", "setup"),
    "role deleted": (2, put(True, "roles", "threadsTokenList", "deleted"), "role threadsTokenList is not as it should be", "setup"),
    "token creator on refresh": (2, grant(ACCOUNT("threads-refresh"), "roles/iam.serviceAccountTokenCreator", MALLORY), "too wide on threads-refresh: roles/iam.serviceAccountTokenCreator", "service-accounts remove-iam-policy-binding"),
    "user on oauth": (2, grant(ACCOUNT("threads-oauth"), "roles/iam.serviceAccountUser", REFRESH), "too wide on threads-oauth: roles/iam.serviceAccountUser", "service-accounts remove-iam-policy-binding"),
    "grant on an account missing": (2, take(ACCOUNT("threads-build"), "serviceAccountUser"), "missing right on threads-build: roles/iam.serviceAccountUser", "setup"),
    "oauth lacks a right": (2, lambda s: s["policies"]["secrets/threads-token-alice"].remove(STORE_OF_OAUTH), "missing right on threads-token-alice: roles/threadsTokenStore", "account alice"),
    "refresh lacks a right": (3, take("secrets/threads-token-alice", "secretAccessor"), "missing right on threads-token-alice: roles/secretmanager.secretAccessor", "account alice"),
    "scheduler may not call": (2, take("services/threads-refresh", "run.invoker"), "missing right on threads-refresh: roles/run.invoker", "functions"),
    "oauth may read tokens": (2, grant("secrets/threads-token-alice", "roles/secretmanager.secretAccessor", OAUTH), "too wide on threads-token-alice", "remove-iam-policy-binding"),
    "refresh may read the app secret": (2, grant("secrets/threads-app-secret", "roles/secretmanager.secretAccessor", REFRESH), "too wide on threads-app-secret", "remove-iam"),
    "somebody may read the app secret": (3, grant("secrets/threads-app-secret", "roles/secretmanager.secretAccessor", MALLORY), "too wide on threads-app-secret", "remove-iam"),
    "editors read the app secret": (2, grant("secrets/threads-app-secret", "roles/secretmanager.secretAccessor", "projectEditor:demo"), "too wide on threads-app-secret: roles/secretmanager.secretAccessor=projectEditor:demo", "remove-iam"),
    "project-wide right": (3, grant("projects/demo", "roles/editor", REFRESH), "too wide on demo", "--condition=None"),
    "right under a condition": (3, lambda s: s["policies"]["projects/demo"].append(["roles/viewer", REFRESH, "x<y"]), "too wide on demo: roles/viewer", "--all"),
    "all users beside": (2, grant("services/threads-oauth", "roles/run.invoker", "allUsers"), "too wide on threads-oauth: roles/run.invoker=allUsers", "remove-iam-policy-binding"),
    "refresh granted to all": (2, grant("services/threads-refresh", "roles/run.invoker", "allUsers"), "too wide on threads-refresh", "--member='allUsers'"),
    "account disabled": (2, put(True, "accounts", "threads-oauth@demo.iam.gserviceaccount.com", "disabled"), "service account threads-oauth is disabled", "service-accounts enable threads-oauth@demo"),
    "key of an account": (2, put(["ab12", "cd34"], "accounts", "threads-refresh@demo.iam.gserviceaccount.com", "keys"), "threads-refresh has a key", "keys delete cd34 --iam-account=threads-refresh@demo"),
    "role changed where setup would ask": (5, lambda s: s["roles"]["threadsTokenList"]["includedPermissions"].append("x.y.z"), "role threadsTokenList is not as it should be", "setup"),
    "role disabled": (2, put("DISABLED", "roles", "threadsTokenInvokers", "stage"), "role threadsTokenInvokers is not as it should be", "setup"),
    "token creator on the project": (2, grant("projects/demo", "roles/iam.serviceAccountTokenCreator", MALLORY), "too wide on demo: roles/iam.serviceAccountTokenCreator=user:mallory", "projects remove-iam-policy-binding demo --condition=None"),
    "a group acts as any account": (2, grant("projects/demo", "roles/iam.serviceAccountUser", "group:all@example.com"), "too wide on demo: roles/iam.serviceAccountUser=group:all@", "--member='group:all@example.com'"),
    "the default account reads all secrets": (2, grant("projects/demo", "roles/secretmanager.secretAccessor", "serviceAccount:1-compute@developer.gserviceaccount.com"), "too wide on demo: roles/secretmanager.secretAccessor", "projects remove-iam"),
    "a custom role that acts as any account": (2, custom_role("projects/demo", "iam.serviceAccounts.getAccessToken"), "too wide on demo: roles/theirs=user:mallory", "--role='projects/demo/roles/theirs'"),
    "an owner of ours": (2, grant("projects/demo", "roles/owner", account("threads-scheduler")), "too wide on demo: roles/owner", "projects remove-iam"),
    "deleted account on an account": (2, grant(ACCOUNT("threads-oauth"), "roles/iam.serviceAccountUser", "deleted:serviceAccount:x@demo.iam.gserviceaccount.com?uid=12"), "too wide on threads-oauth", "--member='deleted:serviceAccount:x@demo.iam.gserviceaccount.com?uid=12'"),
    "a domain calls refresh": (2, grant("services/threads-refresh", "roles/run.invoker", "domain:example.com"), "too wide on threads-refresh: roles/run.invoker=domain:", "run services remove-iam"),
    "somebody changes oauth": (2, grant("services/threads-oauth", "roles/run.admin", MALLORY), "too wide on threads-oauth: roles/run.admin", "run services remove-iam"),
    "everybody reads a token": (2, grant("secrets/threads-token-bob-b", "roles/secretmanager.secretAccessor", "allAuthenticatedUsers"), "too wide on threads-token-bob-b", "--member='allAuthenticatedUsers'"),
    "somebody replaces a token": (2, grant("secrets/threads-token-bob-b", "roles/secretmanager.secretVersionAdder", MALLORY), "too wide on threads-token-bob-b: roles/secretmanager.secretVersionAdder", "secrets remove-iam"),
    "somebody under a condition": (2, lambda s: s["policies"]["secrets/threads-token-bob-b"].append(["roles/secretmanager.admin", MALLORY, "x<y"]), "too wide on threads-token-bob-b: roles/secretmanager.admin=user:mallory@example.com=conditional", "console: https://console.cloud.google.com/security/secret-manager/secret/threads-token-bob-b"),
    "somebody acts under a condition": (2, lambda s: s["policies"][ACCOUNT("threads-build")].append(["roles/iam.serviceAccountUser", MALLORY, "x<y"]), "too wide on threads-build: roles/iam.serviceAccountUser=user:mallory@example.com=conditional", "--all --member='user:mallory@example.com'"),
    "somebody replaces images": (2, grant("repositories/threads-token-keeper", "roles/artifactregistry.writer", MALLORY), "too wide on threads-token-keeper", "repositories remove-iam-policy-binding"),
    "somebody replaces sources": (2, grant(f"buckets/{BUCKET}", "roles/storage.objectAdmin", MALLORY), "too wide on run-sources-demo-us-central1", f"buckets remove-iam-policy-binding {BUCKET}"),
    # the functions
    "limits": (2, deployed("threads-refresh", 80, "spec", "containerConcurrency"), "threads-refresh has other limits (calls at once, seconds, instances): 80, 1740, 1", "functions"),
    "more instances": (3, deployed("threads-oauth", "100", "metadata", "annotations", "autoscaling.knative.dev/maxScale"), "threads-oauth has other limits", "functions"),
    "SIGN_IN_URL": (2, env("threads-refresh", "SIGN_IN_URL", "https://old.example.com"), "SIGN_IN_URL of threads-refresh is https://old", "functions"),
    "another secret for the app": (3, env("threads-oauth", "THREADS_APP_SECRET", "threads-app-secret"), "threads-oauth is not given the app secret", "functions"),
    "function missing": (4, lambda s: s["services"].pop("threads-refresh"), "threads-refresh is not there", "functions"),
    "function not ready": (2, put([{"status": "False"}], "services", "threads-oauth", "status", "conditions"), "not ready", "logs read"),
    "wrong identity": (3, deployed("threads-oauth", "x@y", "spec", "serviceAccountName"), "runs as x@y", "functions"),
    "stale source": (2, deployed("threads-refresh", {"source": "1"}, "metadata", "labels"), "threads-refresh was deployed from another source", "functions"),
    "another image": (3, lambda s: s["services"]["threads-oauth"]["spec"]["template"]["spec"]["containers"][0].update(image="gcr.io/x/y"), "threads-oauth runs another image: gcr.io/x/y", "functions"),
    "older revision serves": (3, put([{"revisionName": "x", "percent": 100}], "services", "threads-refresh", "spec", "traffic"), "an older revision of threads-refresh serves", "update-traffic threads-refresh --to-latest"),
    "not public": (3, annotate("threads-oauth", "invoker-iam-disabled", "False"), "not public (403)", "functions"),
    "ingress of oauth": (5, annotate("threads-oauth", "ingress", "internal"), 'threads-oauth lets in "internal"', "functions"),
    "ingress of refresh": (5, annotate("threads-refresh", "ingress", "internal"), 'threads-refresh lets in "internal"', "functions"),
    "page broken": (6, put("500", "web", "threads-oauth"), "answers 500", "logs read threads-oauth"),
    "refresh open": (3, annotate("threads-refresh", "invoker-iam-disabled", "true"), "threads-refresh has its invoker check off", "--invoker-iam-check"),
    "refresh answers all": (3, lambda s: None, "refresh answers everybody (200)", "--invoker-iam-check"),
    "PUBLIC_URL": (2, env("threads-oauth", "PUBLIC_URL", "https://old.example.com"), "PUBLIC_URL of threads-oauth is https://old", "functions"),
    "refresh has app secret": (2, env("threads-refresh", "THREADS_APP_SECRET", "x"), "given the app secret", "functions"),
    # what Threads says
    "Meta App ID": (2, env("threads-oauth", "THREADS_APP_ID", "99"), "THREADS_APP_ID 99", "further down than the Meta App ID: THREADS_APP_ID=… PROJECT_ID=demo"),
    "wrong app secret": (3, put("x", "secrets", "threads-app-secret", "versions", 0, "payload"), "refuses the app secret", "THREADS_APP_SECRET=ask"),
    "no app secret": (4, put([], "secrets", "threads-app-secret", "versions"), "no app secret", "THREADS_APP_SECRET=ask"),
    "app secret disabled": (5, put("disabled", "secrets", "threads-app-secret", "versions", 0, "state"), "app secret is disabled", "versions enable 1 --secret=threads-app-secret"),
    "Threads down": (6, env("threads-oauth", "THREADS_API_URL", "http://127.0.0.1:9"), "could not be asked", "later"),
    # the schedule
    "no schedule": (4, put({}, "jobs"), "there is no schedule", "functions"),
    "paused": (3, put("PAUSED", *JOB, "state"), "schedule is PAUSED", "jobs resume"),
    "not let in": (2, put({"code": 7}, *JOB, "status"), "not let in (code 7", "functions"),
    "failing": (3, put({"code": 13}, *JOB, "status"), "failed (code 13", "logging read"),
    "audience": (2, put("https://x", *JOB, "httpTarget", "oidcToken", "audience"), "audience is https://x", "functions"),
    "address": (2, put("https://x/", *JOB, "httpTarget", "uri"), "calls https://x/", "functions"),
    "caller": (2, put("me@x", *JOB, "httpTarget", "oidcToken", "serviceAccountEmail"), "calls as me@x", "functions"),
    "another time": (3, put("0 0 1 1 *", *JOB, "schedule"), "schedule is not as it should be: 0 0 1 1 *", "functions"),
    "no run": (2, put([], "log"), "no run has completed", "jobs run"),
    "old run": (3, put([log("INFO", "run completed", -1.5)], "log"), "older than a day", "jobs run"),
    "an ERROR": (3, lambda s: s["log"].append(log("ERROR", "alice: sign in again")), "ERROR at", "alice: sign in again"),
    # the alerts
    "no alerts": (4, put({}, "alerts"), "no alert on silence", "functions"),
    "no metric": (3, put({}, "metrics"), "metric threads_runs_completed is missing", "functions"),
    "another metric": (2, put("x", "metrics", "threads_runs_completed", "filter"), "metric threads_runs_completed is", "functions"),
    "alert off": (2, each_alert(enabled=False), "alert on sign-in-errors is off", "--enabled"),
    "an older alert": (3, lambda s: [a["userLabels"].update(document="1") for a in s["alerts"].values()], "alert on errors is an older one", "functions"),
    "an alert edited by hand": (2, lambda s: [c.update(duration="60s") for a in s["alerts"].values() for c in [a["conditions"][0].get("conditionAbsent")] if c], "alert on silence is an older one, or was edited", "functions"),
    "a filter edited by hand": (2, lambda s: [c.update(filter="severity=ALERT") for a in s["alerts"].values() for c in [a["conditions"][0].get("conditionMatchedLog")] if c], "alert on sign-in-errors is an older one, or was edited", "functions"),
    "an alert twice": (2, lambda s: s["alerts"].update({"projects/demo/alertPolicies/9": {**next(a for a in s["alerts"].values() if a["userLabels"]["part"] == "errors"), "name": "projects/demo/alertPolicies/9"}}), "another alert on errors, so each mail comes twice", "policies delete projects/demo/alertPolicies/9"),
    "no channel": (2, each_alert(notificationChannels=[]), "reaches nobody", "ALERT_EMAIL="),
    "channel off": (3, each_channel(enabled=False), "channel that is off: me@example.com", "channels update"),
    "channel unverified": (3, each_channel(verificationStatus="UNVERIFIED"), "nobody has verified: me@example.com", "link in Google's mail"),
    # the accounts
    "a secret that ends": (2, put("2027-01-01T00:00:00Z", *ALICE, "expireTime"), "secret threads-token-alice deletes itself at 2027-01-01", "--remove-expiration"),
    "an app secret that ends": (3, put("2027-01-01T00:00:00Z", "secrets", "threads-app-secret", "expireTime"), "secret threads-app-secret deletes itself", "--remove-expiration"),
    "no account": (4, lambda s: [s["secrets"].pop(n) for n in list(s["secrets"]) if "token" in n], "no account is allowed", "account USERNAME"),
    "never signed in": (5, put([], *ALICE, "versions"), "alice: nobody has signed in", "sign in as alice"),
    "newest destroyed": (6, put([{"state": "destroyed"}], *ALICE, "versions"), "alice: nobody has signed in", "sign in as alice"),
    "newest disabled": (3, put([{"state": "disabled"}], *ALICE, "versions"), "newest version (1) is disabled", "versions enable 1"),
    "expired": (2, put(at(-1), *ALICE, "annotations", "expires-at"), "alice: the token expired", "sign in again"),
    "expires soon": (3, put(at(13.5), *ALICE, "annotations", "expires-at"), "alice: the token has 13 days left", "sign in again"),
    "grant ends soon": (2, put(at(13.5), *ALICE, "annotations", "data-access-expires-at"), "alice: the permission grant has 13", "sign in again"),
    "problem": (3, lambda s: s["secrets"]["threads-token-bob-b"]["annotations"].update(SINCE), "bob.b: sign_in_again since 2026-11-20T00:17:00Z: alice must", f"sign in as bob.b: {PUBLIC_URL}/"),
    "another problem": (7, lambda s: s["secrets"]["threads-token-bob-b"]["annotations"].update(SINCE, problem="misconfigured"), "bob.b: misconfigured since", "mend that; then gcloud scheduler jobs run"),
    "unclear": (6, lambda s: s["secrets"]["threads-token-bob-b"]["annotations"].update(SINCE, problem="unclear"), "bob.b: unclear since", "the next run asks again"),
    "no label": (7, put({}, *ALICE, "labels"), "threads-token-alice has no label", "account alice"),
}  # fmt: skip


def planted(folder, sound, number):
    cloud = Cloud(folder, sound)
    for together, plant, *_ in FAULTS.values():
        if together == number:
            cloud.change(plant)
    return cloud


def told(output):
    """Return [(what is wrong, how to mend it)]."""
    lines = output.splitlines()
    return [
        (line[7:], after.removeprefix("       → ")) for line, after in itertools.pairwise(lines) if line[:5] == "WRONG"
    ]


@pytest.fixture(scope="module")
def checked(sound, tmp_path_factory):
    """What check says of each set of faults."""

    def check(number):
        cloud = planted(tmp_path_factory.mktemp("faults"), sound, number)
        done = cloud.run("check")
        assert done.returncode == 1
        assert cloud.writes == []
        return done.stdout

    return functools.cache(check)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_with_how_to_mend_it(checked, fault):
    number, _, what, mend = FAULTS[fault]
    remedies = [remedy for wrong, remedy in told(checked(number)) if what in wrong]
    assert remedies, checked(number)
    assert any(mend in remedy for remedy in remedies), remedies


def commands_of(advice):
    """Return the commands that an advice holds and that need nothing to be filled in."""
    parts = advice.split("; then ")
    runnable = [p for p in parts if re.fullmatch(r"(?:[A-Z_]+=\S+ )*\./deploy\.sh\b.*|gcloud .*", p)]
    return [p for p in runnable if "…" not in p and "=ask" not in p and "USERNAME" not in p and "later" not in p]


@pytest.mark.parametrize("number", sorted({n for n, *_ in FAULTS.values()}))
def test_following_the_advice_word_by_word_makes_check_content(tmp_path, sound, number):
    cloud = planted(tmp_path, sound, number)
    before = told(cloud.run("check").stdout)
    commands = dict.fromkeys(command for _, advice in before for command in commands_of(advice))
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=cloud.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    left = {what for what, _ in told(cloud.run("check").stdout)}
    # What a value, a person or a look into a log mends is there still; nothing that was a command is.
    by_hand = {what for what, advice in before if not commands_of(advice) or "mend that" in advice}
    assert left <= by_hand


def test_advice_names_the_project_wherever_gcloud_would_take_another(checked):
    for number in {n for n, *_ in FAULTS.values()}:
        for _, advice in told(checked(number)):
            if "gcloud " in advice:
                assert "--project=demo" in advice or "PROJECT_ID=demo" in advice, advice
            if "./deploy.sh" in advice:
                assert "PROJECT_ID=demo" in advice, advice


@pytest.mark.gcloud
def test_the_real_gcloud_understands_every_command_of_the_advice(checked, tmp_path):
    advice = [advice for number in {n for n, *_ in FAULTS.values()} for _, advice in told(checked(number))]
    commands = {
        re.sub(r"^.*?(?=gcloud )", "", part) for a in advice for part in a.split("; then ") if "gcloud " in part
    }
    assert len(commands) >= 10
    assert lint(sorted(commands), tmp_path) == []


def test_what_threads_answers_and_the_secret_stay_out_of_the_report(checked):
    for number in {n for n, *_ in FAULTS.values()}:
        assert APP_SECRET not in checked(number)
        assert TOKEN not in checked(number)


def test_only_the_first_apis_are_reported_where_nothing_else_can_be_looked_at(checked):
    assert checked(1).count("WRONG") == 1


def test_whoever_may_not_read_the_app_secret_is_told_and_the_rest_is_checked(cloud):
    cloud.refuse("versions access", "PERMISSION_DENIED")
    done = cloud.run("check")
    assert done.returncode == 0
    assert "Threads was not asked" in done.stdout


def test_where_there_is_no_curl_it_says_so_before_it_looks(cloud, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gcloud").symlink_to(STUB / "gcloud")
    for tool in ("bash", "env", "dirname", "mktemp", "rm"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    done = cloud.run("check", PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "curl is not installed" in done.stdout
    assert cloud.calls == []


AGENT = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("resource", "member"),
    [("projects/demo", AGENT.replace("-1@", "-2@")), ("projects/demo", AGENT.replace("gcp-sa-pubsub", "demo"))],
)
def test_only_the_projects_own_agents_of_google_may_create_tokens(cloud, resource, member):
    cloud.change(grant(resource, "roles/iam.serviceAccountTokenCreator", member))
    assert f"too wide on demo: roles/iam.serviceAccountTokenCreator={member}" in cloud.run("check").stdout


def test_what_others_may_have_is_no_fault(cloud):
    fine = [
        ("projects/demo", "roles/owner", "user:you@example.com"),
        ("projects/demo", "roles/viewer", "group:all@example.com"),
        ("projects/demo", "roles/editor", "serviceAccount:1@cloudservices.gserviceaccount.com"),
        ("projects/demo", "roles/iam.serviceAccountTokenCreator", "user:owner@example.com"),  # who runs this
        ("projects/demo", "roles/iam.serviceAccountTokenCreator", AGENT),
        ("secrets/threads-token-alice", "roles/secretmanager.secretAccessor", "serviceAccount:bot@demo.iam"),
        ("secrets/threads-token-alice", "roles/secretmanager.viewer", "domain:example.com"),
        (f"buckets/{BUCKET}", "roles/storage.legacyBucketWriter", "projectEditor:demo"),
        (f"buckets/{BUCKET}", "roles/storage.objectViewer", MALLORY),
    ]
    for each in fine:
        cloud.change(grant(*each))
    done = cloud.run("check")
    assert done.stdout.splitlines()[1:] == [f"all well; people sign in at {PUBLIC_URL}/"]


@pytest.mark.parametrize(
    ("resource", "permission", "fault"),
    [
        ("projects/demo", "secretmanager.versions.access", True),
        ("projects/demo", "iam.serviceAccountKeys.create", True),
        ("projects/demo", "storage.objects.get", False),
        ("secrets/threads-token-alice", "secretmanager.versions.add", True),
        ("secrets/threads-token-alice", "secretmanager.secrets.update", True),
        ("secrets/threads-token-alice", "secretmanager.versions.access", False),
    ],
)
def test_a_custom_role_of_somebody_else_is_judged_by_its_permissions(cloud, resource, permission, fault):
    cloud.change(custom_role(resource, permission))
    done = cloud.run("check")
    assert done.returncode == fault, done.stdout
    assert ("too wide" in done.stdout) == fault


def test_a_custom_role_of_the_organisation_is_asked_for_there_and_once(cloud):
    for name in ("one", "two"):
        cloud.change(grant("projects/demo", "organizations/7/roles/theirs", f"user:{name}@example.com"))
    cloud.refuse("roles describe theirs", "PERMISSION_DENIED")
    done = cloud.run("check")
    assert "refused it to owner@example.com: role organizations/7/roles/theirs\n" in done.stdout
    (asked,) = [c for c in cloud.commands if "describe theirs" in c]
    assert "--organization=7" in asked


def test_a_default_account_that_is_an_editor_is_named_and_is_no_fault(cloud):
    default = "serviceAccount:1-compute@developer.gserviceaccount.com"
    cloud.change(grant("projects/demo", "roles/editor", default))
    done = cloud.run("check")
    assert done.returncode == 0
    assert f"note   whatever runs as {default} can reach every token: roles/editor on the project" in done.stdout


def test_what_google_refuses_to_show_is_named_and_the_rest_is_checked(cloud):
    cloud.refuse("keys list|storage buckets", "PERMISSION_DENIED", times=5)
    cloud.change(put("PAUSED", *JOB, "state"))
    done = cloud.run("check", "-v")
    unseen = "rights on run-sources-demo-us-central1, keys of the service accounts"
    assert f"note   not looked at, since Google refused it to owner@example.com: {unseen}\n" in done.stdout
    assert "good   rights on run-sources" not in done.stdout
    assert [what for what, _ in told(done.stdout)] == ["the schedule is PAUSED"]
