"""A stand-in for gcloud with just enough state, in $STUB/state.json, for deploy.sh to be run against.

Each call is a line of $STUB/calls.jsonl: its arguments and whether something came on standard input. `refusals` in the
state are errors to give: {"match": pattern of the command, "message": what Google says, "times": how often}.
"""

import json
import os
import re
import sys

NOW = "2026-11-01T00:00:00Z"
STUB = os.environ["STUB"]


class Refused(Exception):
    """Google's answer is an error."""


def main(argv):
    words = [a for a in argv if not a.startswith("--")]
    flags = dict(a[2:].split("=", 1) if "=" in a else (a[2:], True) for a in argv if a.startswith("--"))
    with open(f"{STUB}/state.json") as file:
        state = json.load(file)
    payload = sys.stdin.read() if flags.get("data-file") == "-" else ""
    with open(f"{STUB}/calls.jsonl", "a") as calls:
        calls.write(json.dumps({"argv": argv, "stdin": bool(payload)}) + "\n")
    try:
        refuse(state, " ".join(argv))
        answer = dispatch(state, words, flags, payload)
    except Refused as error:
        sys.exit(f"ERROR: (gcloud.{'.'.join(words[:3])}) {error}")
    finally:
        with open(f"{STUB}/state.json", "w") as file:
            json.dump(state, file)
    if "format" in flags:
        print(*lines(answer, flags), sep="\n", end="\n" if answer not in (None, []) else "")


def refuse(state, command):
    for refusal in state["refusals"]:
        if refusal["times"] > 0 and re.search(refusal["match"], command):
            refusal["times"] -= 1
            raise Refused(refusal["message"])


def dispatch(state, words, flags, payload):
    if words[:1] == ["alpha"] and state["monitoring"] == "alpha":
        words = words[1:]
    elif words[:2] in (["alpha", "monitoring"], ["monitoring", "policies"], ["monitoring", "channels"]) and (
        (words[0] == "alpha") != (state["monitoring"] == "alpha")
    ):
        raise Refused("Invalid choice: 'policies'.")
    for length in (4, 3, 2, 1):
        handler = COMMANDS.get(" ".join(words[:length]))
        if handler:
            return handler(state, flags, payload, *words[length:])
    raise Refused(f"the stand-in does not know: {' '.join(words)}")


# ---- gcloud's output: value(...) of the paths that deploy.sh asks for


def lines(answer, flags):
    separator, paths = re.fullmatch(r'value(?:\[separator="(.)"\])?\((.*)\)', flags["format"], re.S).groups()
    rows = answer if isinstance(answer, list) else [answer]
    if "flatten" in flags:
        rows = list(flatten(rows, flags["flatten"]))
    rows = rows[: int(flags.get("limit", len(rows)))]
    paths = [p.strip() for p in re.split(r",(?![^(]*\))", paths)]
    return [(separator or "\t").join(text(pick(row, path)) for path in paths) for row in rows]


def flatten(rows, path):
    for row in rows:
        if path == "bindings[].members":
            yield from ({"bindings": {"role": r, "members": m}} for r, m in row)
        else:
            container = row["spec"]["template"]["spec"]["containers"][0]
            for env in container["env"]:
                yield {"spec": {"template": {"spec": {"containers": [{"env": env}]}}}}


def pick(row, path):
    for part in re.findall(r'"[^"]+"|[\w-]+\([^)]*\)|[\w-]+(?:\[0\])?', path):
        if row is None:
            return None
        if part.startswith("basename("):
            row = row.rsplit("/", 1)[-1]
        elif part.startswith("extract("):
            row = [item.get(part.split('"')[1]) for item in row]
        elif not part.endswith(")"):
            row = row.get(part.strip('"').removesuffix("[0]"))
            row = row[0] if part.endswith("[0]") and row else row
    return row


def text(value):
    return "" if value is None else ",".join(value) if isinstance(value, list) else str(value)


# ---- the commands


def found(things, name, what):
    if name not in things:
        raise Refused(f"NOT_FOUND: {what} [{name}] not found")
    return things[name]


def put(kind):
    def command(state, flags, _payload, name, *_):
        if name in state[kind]:
            raise Refused(f"ALREADY_EXISTS: {kind} {name}")
        state[kind][name] = {"name": name, **state["defaults"].get(kind, {})}

    return command


def describe(kind):
    return lambda state, _flags, _payload, name, *_: found(state[kind], name, kind)


def listing(kind):
    def command(state, flags, *_):
        wanted = re.findall(r'(\w+)\.([\w-]+)="([^"]*)"', flags.get("filter", ""))
        rows = [t for t in state[kind].values() if all(t.get(a, {}).get(b) == c for a, b, c in wanted)]
        return [t for t in rows if "enabled=false" not in flags.get("filter", "") or not t.get("enabled", True)]

    return command


def delete(kind):
    def command(state, _flags, _payload, name, *_):
        found(state[kind], name, kind)
        del state[kind][name]
        state["policies"].pop(f"{kind}/{name}", None)

    return command


def get_policy(kind):
    def command(state, _flags, _payload, name):
        if kind != "projects":
            found(state[kind], name, kind)
        return [state["policies"].get(f"{kind}/{name}", [])]

    return command


def bind(kind, add):
    def command(state, flags, _payload, name):
        if kind != "projects":
            found(state[kind], name, kind)
        elif flags.get("condition") != "None":
            raise Refused(
                "Adding a binding without specifying a condition to a policy containing conditions is prohibited"
            )
        grant, policy = [flags["role"], flags["member"]], state["policies"].setdefault(f"{kind}/{name}", [])
        check_grant(state, *grant)
        if not add and grant not in policy:
            raise Refused("Policy binding with the specified principal, role, and condition not found!")
        state["policies"][f"{kind}/{name}"] = [g for g in policy if g != grant] + [grant] * add

    return command


def check_grant(state, role, member):
    email = member.removeprefix("serviceAccount:")
    if member != email and (email not in state["accounts"] or state["lag"].get(email, 0) > 0):
        state["lag"][email] = state["lag"].get(email, 0) - 1
        raise Refused(f"INVALID_ARGUMENT: Service account {email} does not exist.")
    if role.startswith("projects/") and role.rsplit("/", 1)[1] not in state["roles"]:
        raise Refused(f"INVALID_ARGUMENT: Role {role} does not exist in the resource's hierarchy.")


def enable(state, _flags, _payload, *names):
    state["apis"] = sorted({*state["apis"], *names})


def create_account(state, _flags, _payload, name):
    email = f"{name}@demo.iam.gserviceaccount.com"
    if email in state["accounts"]:
        raise Refused("ALREADY_EXISTS")
    state["accounts"][email] = {"email": email}


def delete_account(state, flags, payload, email):
    delete("accounts")(state, flags, payload, email)
    for policy in state["policies"].values():
        for grant in policy:
            grant[1] = grant[1].replace(f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid=1")


def write_role(state, flags, _payload, role):
    if role in state["roles"] and "title" in flags:
        raise Refused(f"A role named {role} already exists")
    state["roles"].setdefault(role, {"name": role})["includedPermissions"] = flags["permissions"].split(",")


def mark_role(deleted):
    def command(state, _flags, _payload, role):
        found(state["roles"], role, "role")["deleted"] = deleted

    return command


def create_secret(state, flags, _payload, name):
    put("secrets")(state, flags, None, name)
    state["secrets"][name] = {"name": f"projects/1/secrets/{name}", "versions": [], "annotations": {}, "labels": {}}
    update_secret(state, {"update-labels": flags.get("labels", "")}, None, name)


def update_secret(state, flags, _payload, name):
    labels = dict(pair.split("=") for pair in flags["update-labels"].split(",") if pair)
    found(state["secrets"], name, "Secret")["labels"].update(labels)


def add_version(state, _flags, payload, name):
    found(state["secrets"], name, "Secret")["versions"].append({"state": "enabled", "payload": payload})


def list_versions(state, _flags, _payload, name):
    versions = found(state["secrets"], name, "Secret")["versions"]
    return [{"name": f"{name}/versions/{n}", "state": v["state"]} for n, v in enumerate(versions, 1)][::-1]


def access_version(state, flags, _payload, _latest):
    version = found(state["secrets"], flags["secret"], "Secret")["versions"][-1]
    print(version["payload"], end="")


def deploy(state, flags, _payload, name):
    pairs, separator = flags["set-env-vars"], ","
    if pairs.startswith("^"):
        _, separator, pairs = pairs.split("^", 2)
    env = [dict(zip(("name", "value"), pair.split("=", 1), strict=True)) for pair in pairs.split(separator)]
    for pair in filter(None, flags.get("set-secrets", "").split(",")):
        variable, secret = pair.split("=")
        env.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret.split(":")[0]}}})
    spec = {"serviceAccountName": flags["service-account"], "containers": [{"env": env}]}
    state["services"][name] = {
        "metadata": {"name": name},
        "spec": {"template": {"spec": spec}},
        "status": {"conditions": [{"status": "True"}]},
    }


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
    found(state["jobs"], name, "Job")["lastAttemptTime"] = NOW


def write_metric(state, flags, _payload, name):
    state["metrics"][name] = {"name": name, "filter": flags["log-filter"]}


def write_alert(state, flags, _payload, name=None):
    name = name or f"projects/demo/alertPolicies/{len(state['calls'])}{len(state['alerts'])}"
    state["alerts"][name] = {"enabled": True, **json.loads(flags["policy"]), "name": name}


def create_channel(state, flags, *_):
    name = f"projects/demo/notificationChannels/{len(state['channels'])}"
    labels, user_labels = (dict([flags[f].split("=")]) for f in ("channel-labels", "user-labels"))
    state["channels"][name] = {"name": name, "enabled": True, "labels": labels, "userLabels": user_labels}


def read_logs(state, flags, _payload, text):
    wanted = "ERROR" if "severity>=ERROR" in text else "INFO"
    return [e for e in state["log"] if e["severity"] == wanted]


def config_value(state, _flags, _payload, name):
    print({"core/project": "demo", "core/account": "owner@example.com"}[name])


COMMANDS = {
    "version": lambda state, *_: {"Google Cloud SDK": state["version"]},
    "auth print-access-token": lambda *_: None,
    "config get-value": config_value,
    "projects describe": lambda *_: {"projectNumber": "1"},
    "services list": lambda state, *_: [{"config": {"name": a}} for a in state["apis"]],
    "services enable": enable,
    "monitoring policies --help": lambda *_: None,
    "iam service-accounts create": create_account,
    "iam service-accounts delete": delete_account,
    "iam roles create": write_role,
    "iam roles update": write_role,
    "iam roles delete": mark_role(True),
    "iam roles undelete": mark_role(None),
    "secrets create": create_secret,
    "secrets update": update_secret,
    "secrets versions add": add_version,
    "secrets versions list": list_versions,
    "secrets versions access": access_version,
    "run deploy": deploy,
    "scheduler jobs create http": write_job,
    "scheduler jobs update http": write_job,
    "scheduler jobs run": run_job,
    "logging metrics create": write_metric,
    "logging metrics update": write_metric,
    "logging read": read_logs,
    "artifacts repositories create": put("repositories"),
    "monitoring policies": lambda *_: None,
    "monitoring channels": lambda *_: None,
    "monitoring policies create": write_alert,
    "monitoring policies update": write_alert,
    "monitoring channels create": create_channel,
}
for words, kind in {
    "iam service-accounts": "accounts",
    "iam roles": "roles",
    "secrets": "secrets",
    "run services": "services",
    "scheduler jobs": "jobs",
    "logging metrics": "metrics",
    "artifacts repositories": "repositories",
    "monitoring policies": "alerts",
    "monitoring channels": "channels",
    "projects": "projects",
}.items():
    COMMANDS.setdefault(f"{words} describe", describe(kind))
    COMMANDS.setdefault(f"{words} list", listing(kind))
    COMMANDS.setdefault(f"{words} delete", delete(kind))
    COMMANDS[f"{words} get-iam-policy"] = get_policy(kind)
    COMMANDS[f"{words} add-iam-policy-binding"] = bind(kind, True)
    COMMANDS[f"{words} remove-iam-policy-binding"] = bind(kind, False)
