"""The commands on services, the schedule, the metric and the alerts, and the table of all commands."""

import json
from pathlib import Path

from tests.deploy.gcloud_stub.resources import (
    Refused,
    access_version,
    add_version,
    bind,
    create_account,
    create_secret,
    delete,
    delete_account,
    delete_key,
    describe,
    enable,
    enable_account,
    enable_version,
    found,
    get_policy,
    list_keys,
    list_versions,
    listing,
    put,
    set_policy,
    undelete_role,
    update_secret,
    write_role,
)  # fmt: skip

LOCATION = "cloud.googleapis.com/location"
NOW = "2026-11-01T00:00:00Z"


# ---- services


def deploy(state, flags, _payload, name):
    if state["source_lag"] > 0:
        state["source_lag"] -= 1
        raise Refused("could not resolve source: x does not have storage.objects.get access to the object, forbidden")
    found(state["accounts"], flags["service-account"], "Service account")
    env = [dict(zip(("name", "value"), pair.split("=", 1), strict=True)) for pair in pairs(flags["set-env-vars"])]
    for pair in filter(None, flags.get("set-secrets", "").split(",")):
        variable, secret = pair.split("=")
        env.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret.split(":")[0]}}})
    container = {"env": env, "image": f"{flags['image']}@sha256:{'0' * 64}"}
    spec = {
        "serviceAccountName": flags["service-account"], "containers": [container],
        "containerConcurrency": int(flags["concurrency"]), "timeoutSeconds": int(flags["timeout"]),
    }  # fmt: skip
    most = {"autoscaling.knative.dev/maxScale": flags["max-instances"]}
    template = {"metadata": {"labels": dict([flags["labels"].split("=")]), "annotations": most}, "spec": spec}
    state["buckets"].setdefault("gs://run-sources-demo-us-central1", {})
    old = state["services"].get(name, {}).get("metadata", {}).get("annotations", {})
    annotations = {**old, "run.googleapis.com/ingress": flags["ingress"]}
    state["services"][name] = {
        "metadata": {"name": name, "labels": {LOCATION: flags["region"]}, "annotations": annotations},
        "spec": {"template": template, "traffic": [{"latestRevision": True}]},
        "status": {"conditions": [{"status": "True"}]},
    }
    invoker_check(state, flags, name)


def pairs(text):
    separator = ","
    if text.startswith("^"):
        _, separator, text = text.split("^", 2)
    return text.split(separator)


def invoker_check(state, flags, name):
    annotations = found(state["services"], name, "Service")["metadata"]["annotations"]
    if "no-invoker-iam-check" in flags:
        if state["invoker_required"]:
            raise Refused("FAILED_PRECONDITION: Constraint constraints/run.managed.requireInvokerIam violated.")
        annotations["run.googleapis.com/invoker-iam-disabled"] = "True"
    elif "invoker-iam-check" in flags:
        annotations["run.googleapis.com/invoker-iam-disabled"] = "False"


def update_service(state, flags, _payload, name):
    invoker_check(state, flags, name)


def list_services(state, *_):
    """All regions: those that a test put elsewhere too."""
    elsewhere = [{"metadata": {"name": n, "labels": {LOCATION: r}}} for n, r in state["elsewhere"]["services"].items()]
    return [*state["services"].values(), *elsewhere]


def delete_in_region(kind, flag):
    def command(state, flags, payload, name):
        there = state["elsewhere"][kind]
        if there.get(name) == flags[flag]:
            del there[name]
        else:
            delete(kind)(state, flags, payload, name)

    return command


def to_latest(state, _flags, _payload, name):
    found(state["services"], name, "Service")["spec"]["traffic"] = [{"latestRevision": True}]


# ---- the schedule


def region_has_scheduler(state, flags, right):
    answer = state["no_scheduler"].get(flags.get("location"))
    if answer == 400:
        raise Refused(f"INVALID_ARGUMENT: Location '{flags['location']}' is not a valid location.")
    if answer == 403:
        raise Refused(f'PERMISSION_DENIED: lacks IAM permission "{right}" (or the resource may not exist).')


def describe_job(state, flags, _payload, name):
    region_has_scheduler(state, flags, "cloudscheduler.jobs.get")
    return found(state["jobs"], name, "Job")


def scheduler_locations(state, *_):
    return [{"locationId": x} for x in ("us-central1", "europe-west1") if x not in state["no_scheduler"]]


def write_job(state, flags, _payload, name):
    state["jobs"].setdefault(name, {"name": name, "state": "ENABLED"}).update(
        {
            "schedule": flags["schedule"],
            "timeZone": flags["time-zone"],
            "attemptDeadline": flags["attempt-deadline"],
            "httpTarget": {
                "uri": flags["uri"],
                "httpMethod": flags["http-method"].upper(),
                "oidcToken": {
                    "serviceAccountEmail": flags["oidc-service-account-email"],
                    "audience": flags["oidc-token-audience"],
                },
            },
            "retryConfig": {
                "retryCount": int(flags["max-retry-attempts"]),
                "minBackoffDuration": flags["min-backoff"],
                "maxBackoffDuration": flags["max-backoff"],
            },
        }
    )


def run_job(state, _flags, _payload, name):
    job = found(state["jobs"], name, "Job")
    job["lastAttemptTime"] = NOW
    job.pop("status", None)
    state["log"] = [*state["after_run"], *(e for e in state["log"] if e["severity"] != "INFO")] or state["log"]


def resume_job(state, _flags, _payload, name):
    found(state["jobs"], name, "Job")["state"] = "ENABLED"


# ---- the metric, the alerts, the log


def write_metric(state, flags, _payload, name):
    text = Path(flags["config-from-file"]).read_text().partition("filter: >-\n")[2]
    state["metrics"][name] = {"name": name, "filter": " ".join(text.split())}


def write_alert(state, flags, _payload, name=None):
    old = state["alerts"].get(name, {})
    if "policy-from-file" in flags:
        new = json.loads(Path(flags["policy-from-file"]).read_text())
        labels = flags.get("user-labels") or flags.get("update-user-labels")
        channels = flags.get("notification-channels") or flags.get("set-notification-channels") or ""
        new["userLabels"] = dict(pair.split("=") for pair in labels.split(","))
        new["notificationChannels"] = [c for c in channels.split(",") if c]
    else:
        new = old
    name = name or f"projects/demo/alertPolicies/{len(state['alerts'])}"
    enabled = True if "enabled" in flags else old.get("enabled", True)
    state["alerts"][name] = {**new, "enabled": enabled, "name": name}


def create_channel(state, flags, *_):
    name = f"projects/demo/notificationChannels/{len(state['channels'])}"
    labels, user_labels = (dict([flags[f].split("=")]) for f in ("channel-labels", "user-labels"))
    state["channels"][name] = {"name": name, "enabled": True, "labels": labels, "userLabels": user_labels}
    return state["channels"][name]


def update_channel(state, _flags, _payload, name):
    found(state["channels"], name, "Channel")["enabled"] = True


def read_logs(state, _flags, _payload, text):
    wanted = "ERROR" if "severity>=ERROR" in text else "INFO"
    return [e for e in state["log"] if e["severity"] == wanted]


def info(state, *_):
    project = f"{state['domain'].removesuffix('.')}:demo" if state["domain"] else "demo"
    return {"basic": {"version": state["version"]}, "config": {"account": state["account"], "project": project}}


def describe_project(state, _flags, _payload, name):
    if name.rpartition(":")[2] != "demo":
        raise Refused("PERMISSION_DENIED: The caller does not have permission")
    if not state["account"]:
        raise Refused("You do not currently have an active account selected.")
    return {"projectNumber": "1"}


COMMANDS = {
    "info": info,
    "projects describe": describe_project,
    "services list": lambda state, *_: [{"config": {"name": a}} for a in state["apis"]],
    "services enable": enable,
    "iam service-accounts create": create_account,
    "iam service-accounts delete": delete_account,
    "iam service-accounts enable": enable_account,
    "iam service-accounts keys list": list_keys,
    "iam service-accounts keys delete": delete_key,
    "iam roles create": write_role(True),
    "iam roles update": write_role(False),
    "iam roles undelete": undelete_role,
    "secrets create": create_secret,
    "secrets update": update_secret,
    "secrets versions add": add_version,
    "secrets versions list": list_versions,
    "secrets versions access": access_version,
    "secrets versions enable": enable_version,
    "run deploy": deploy,
    "run services list": list_services,
    "run services delete": delete_in_region("services", "region"),
    "run services update": update_service,
    "run services update-traffic": to_latest,
    "scheduler jobs describe": describe_job,
    "scheduler jobs create http": write_job,
    "scheduler jobs update http": write_job,
    "scheduler jobs delete": delete_in_region("jobs", "location"),
    "scheduler jobs run": run_job,
    "scheduler jobs resume": resume_job,
    "scheduler locations list": scheduler_locations,
    "logging metrics create": write_metric,
    "logging metrics update": write_metric,
    "logging read": read_logs,
    "artifacts repositories create": put("repositories"),
    "monitoring policies create": write_alert,
    "monitoring policies update": write_alert,
    "monitoring channels create": create_channel,
    "monitoring channels update": update_channel,
}
for words, kind in {
    "iam service-accounts": "accounts",
    "iam roles": "roles",
    "secrets": "secrets",
    "run services": "services",
    "scheduler jobs": "jobs",
    "logging metrics": "metrics",
    "artifacts repositories": "repositories",
    "storage buckets": "buckets",
    "monitoring policies": "alerts",
    "monitoring channels": "channels",
    "projects": "projects",
}.items():
    COMMANDS.setdefault(f"{words} describe", describe(kind))
    COMMANDS.setdefault(f"{words} list", listing(kind))
    COMMANDS.setdefault(f"{words} delete", delete(kind))
    COMMANDS[f"{words} get-iam-policy"] = get_policy(kind)
    COMMANDS[f"{words} set-iam-policy"] = set_policy(kind)
    COMMANDS[f"{words} add-iam-policy-binding"] = bind(kind, True)
    COMMANDS[f"{words} remove-iam-policy-binding"] = bind(kind, False)
