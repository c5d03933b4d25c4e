# ruff: noqa: E501 (a fault a line)
"""deploy.sh check: quiet on a sound system, and each planted fault is found with how to mend it."""

import functools
import http.server
import itertools
import json
import threading
import time
import urllib.parse

import pytest

from tests.deploy.deployment import APP_SECRET, PUBLIC_URL, SETTINGS, TOKEN, Cloud, account


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
def sound(tmp_path_factory, threads):
    """The state of a project where all is well."""
    cloud = Cloud(tmp_path_factory.mktemp("sound"))
    cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET, THREADS_API_URL=threads)

    def sign_in(state):
        for name in ("threads-token-alice", "threads-token-bob-b"):
            dates = {"version": "1", "refreshed-at": at(-1), "expires-at": at(59), "data-access-expires-at": at(80)}
            state["secrets"][name].update(annotations=dates, versions=[{"state": "enabled", "payload": TOKEN}])
        state["log"] = [log("INFO", "run completed")]

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
    return lambda s: s["policies"][resource].append([role, member])


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


JOB = ("jobs", "threads-refresh")
ALICE = ("secrets", "threads-token-alice")
OAUTH, REFRESH = account("threads-oauth"), account("threads-refresh")
# The first number says which faults are planted together: those that do not hide one another.
FAULTS = {
    "API off": (1, lambda s: s["apis"].remove("run.googleapis.com"), "off: run", "setup"),
    "Meta App ID": (2, env("threads-oauth", "THREADS_APP_ID", "99"), "THREADS_APP_ID 99", "not the Meta App ID|further down"),
    "wrong app secret": (3, put("x", "secrets", "threads-app-secret", "versions", 0, "payload"), "refuses the app secret", "THREADS_APP_SECRET="),
    "no app secret": (4, put([], "secrets", "threads-app-secret", "versions"), "no app secret", "THREADS_APP_SECRET="),
    "Threads down": (5, env("threads-oauth", "THREADS_API_URL", "http://127.0.0.1:9"), "could not be asked", "later"),
    "not public": (2, put("403", "web", "threads-oauth"), "not public (403)", "functions"),
    "page broken": (3, put("500", "web", "threads-oauth"), "answers 500", "logs read threads-oauth"),
    "refresh answers all": (2, put("200", "web", "threads-refresh"), "refresh answers everybody", "remove-iam-policy-binding"),
    "refresh granted to all": (2, grant("services/threads-refresh", "roles/run.invoker", "allUsers"), "too wide on threads-refresh", "--member='allUsers'"),
    "PUBLIC_URL": (2, env("threads-oauth", "PUBLIC_URL", "https://old.example.com"), "PUBLIC_URL of threads-oauth is https://old", "functions"),
    "function missing": (4, lambda s: s["services"].pop("threads-refresh"), "threads-refresh is not there", "functions"),
    "function not ready": (2, put([{"status": "False"}], "services", "threads-oauth", "status", "conditions"), "not ready", "logs read"),
    "wrong identity": (3, put("x@y", "services", "threads-oauth", "spec", "template", "spec", "serviceAccountName"), "runs as x@y", "functions"),
    "refresh has app secret": (2, env("threads-refresh", "THREADS_APP_SECRET", "x"), "given the app secret", "functions"),
    "no schedule": (4, put({}, "jobs"), "there is no schedule", "functions"),
    "paused": (2, put("PAUSED", *JOB, "state"), "schedule is PAUSED", "jobs resume"),
    "not let in": (2, put({"code": 7}, *JOB, "status"), "not let in (code 7", "functions"),
    "failing": (3, put({"code": 13}, *JOB, "status"), "failed (code 13", "logging read"),
    "audience": (2, put("https://x", *JOB, "httpTarget", "oidcToken", "audience"), "audience is https://x", "functions"),
    "address": (2, put("https://x/", *JOB, "httpTarget", "uri"), "calls https://x/", "functions"),
    "caller": (2, put("me@x", *JOB, "httpTarget", "oidcToken", "serviceAccountEmail"), "calls as me@x", "functions"),
    "no run": (2, put([], "log"), "no run has completed", "jobs run"),
    "old run": (3, put([log("INFO", "run completed", -1.5)], "log"), "older than a day", "jobs run"),
    "an ERROR": (3, lambda s: s["log"].append(log("ERROR", "alice: sign in again")), "ERROR at", "alice: sign in again"),
    "no alerts": (4, put({}, "alerts"), "no alert on silence", "functions"),
    "no metric": (3, put({}, "metrics"), "metric threads_runs_completed is missing", "functions"),
    "alert disabled": (2, each_alert(enabled=False), "alert on errors is off", "--enabled"),
    "no channel": (2, each_alert(notificationChannels=[]), "reaches nobody", "ALERT_EMAIL="),
    "channel disabled": (3, lambda s: [c.update(enabled=False) for c in s["channels"].values()], "channel that is off", "channels update"),
    "no account": (4, lambda s: [s["secrets"].pop(n) for n in list(s["secrets"]) if "token" in n], "no account is allowed", "account USERNAME"),
    "never signed in": (5, put([], *ALICE, "versions"), "alice: nobody has signed in", "sign in as alice"),
    "newest destroyed": (6, put([{"state": "destroyed"}], *ALICE, "versions"), "alice: nobody has signed in", "sign in as alice"),
    "newest disabled": (3, put([{"state": "disabled"}], *ALICE, "versions"), "newest version (1) is disabled", "versions enable 1"),
    "expired": (2, put(at(-1), *ALICE, "annotations", "expires-at"), "alice: the token expired", "sign in again"),
    "expires soon": (3, put(at(13.5), *ALICE, "annotations", "expires-at"), "alice: the token has 13 days left", "sign in again"),
    "grant ends soon": (2, put(at(13.5), *ALICE, "annotations", "data-access-expires-at"), "alice: the permission grant has 13", "sign in again"),
    "no label": (7, put({}, *ALICE, "labels"), "threads-token-alice has no label", "account alice"),
    "oauth lacks a right": (2, lambda s: s["policies"]["secrets/threads-token-alice"].remove(["projects/demo/roles/threadsTokenStore", OAUTH]), "missing right on threads-token-alice: roles/threadsTokenStore", "account alice"),
    "refresh lacks a right": (3, take("secrets/threads-token-alice", "secretAccessor"), "missing right on threads-token-alice: roles/secretmanager.secretAccessor", "account alice"),
    "oauth may read tokens": (2, grant("secrets/threads-token-alice", "roles/secretmanager.secretAccessor", OAUTH), "too wide on threads-token-alice", "remove-iam-policy-binding"),
    "refresh may read the app secret": (2, grant("secrets/threads-app-secret", "roles/secretmanager.secretAccessor", REFRESH), "too wide on threads-app-secret", "remove-iam"),
    "project-wide right": (3, grant("projects/demo", "roles/editor", REFRESH), "too wide on demo", "--condition=None"),
    "role widened": (2, lambda s: s["roles"]["threadsTokenStore"]["includedPermissions"].append("secretmanager.versions.access"), "role threadsTokenStore is not as it should be", "setup"),
    "account missing": (3, lambda s: s["accounts"].pop("threads-scheduler@demo.iam.gserviceaccount.com"), "no service account threads-scheduler", "setup"),
}  # fmt: skip


@pytest.fixture(scope="module")
def checked(sound, tmp_path_factory):
    """What check says of each set of faults."""

    def check(number):
        cloud = Cloud(tmp_path_factory.mktemp("faults"), sound)
        for together, plant, *_ in FAULTS.values():
            if together == number:
                cloud.change(plant)
        done = cloud.run("check")
        assert done.returncode == 1
        assert cloud.writes == []
        return done.stdout

    return functools.cache(check)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_with_how_to_mend_it(checked, fault):
    number, _, what, mend = FAULTS[fault]
    output = checked(number).splitlines()
    remedy = next(
        (after for line, after in itertools.pairwise(output) if line.startswith("WRONG") and what in line), None
    )
    assert remedy, output
    assert any(word in remedy for word in mend.split("|")), remedy


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
