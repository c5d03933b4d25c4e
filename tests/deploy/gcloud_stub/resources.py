"""What is there and who may use it: accounts, roles, policies, secrets. Each command of the stand-in takes
(state, flags, standard input, further words) and returns Google's answer.
"""

import re
from pathlib import Path

from tests.deploy.gcloud_stub import output

MAY_NOT_EXIST = "PERMISSION_DENIED: Permission '{}' denied on resource (or it may not exist)."


class Refused(Exception):
    """Google's answer is an error."""


def found(things, name, what):
    if name not in things:
        raise Refused(f"NOT_FOUND: {what} [{name}] not found")
    return things[name]


def put(kind):
    def command(state, _flags, _payload, name, *_):
        if name in state[kind]:
            raise Refused(f"ALREADY_EXISTS: {kind} {name}")
        state[kind][name] = {"name": name}

    return command


def describe(kind):
    return lambda state, _flags, _payload, name, *_: found(state[kind], name, kind)


def listing(kind):
    def command(state, flags, *_):
        wanted = re.findall(r'(\w+)\.([\w-]+)="([^"]*)"', flags.get("filter", ""))
        return [t for t in state[kind].values() if all(t.get(a, {}).get(b) == c for a, b, c in wanted)]

    return command


def delete(kind):
    def command(state, _flags, _payload, name, *_):
        found(state[kind], name, kind)
        del state[kind][name]
        state["policies"].pop(f"{kind}/{name}", None)

    return command


# ---- policies


def has_policy(state, kind, name, verb):
    if kind == "accounts" and name not in state[kind] and state["absent_accounts"] == 403:
        raise Refused(MAY_NOT_EXIST.format(f"iam.serviceAccounts.{verb}IamPolicy"))
    if kind == "accounts" and name not in state[kind]:
        raise Refused(f"NOT_FOUND: Unknown service account {name}")
    if kind != "projects":
        found(state[kind], name, kind)


def get_policy(kind):
    def command(state, _flags, _payload, name):
        has_policy(state, kind, name, "get")
        key = f"{kind}/{name}"
        return {"grants": state["policies"].get(key, []), "etag": f"E{state['etags'].get(key, 0)}="}

    return command


def write_policy(state, kind, name, grants):
    has_policy(state, kind, name, "set")
    key = f"{kind}/{name}"
    new = [g for g in grants if g not in state["policies"].get(key, [])]
    for email in sorted({g[1].removeprefix("serviceAccount:") for g in new if g[1].startswith("serviceAccount:")}):
        lag = state["lag"].get(email, 0)
        if email not in state["accounts"] or lag > 0:
            state["lag"][email] = lag - 1
            raise Refused(f"INVALID_ARGUMENT: Service account {email} does not exist.")
    for role, member, *_ in new:
        check_grant(state, role, member)
    state["policies"][key] = grants
    state["etags"][key] = state["etags"].get(key, 0) + 1


def check_grant(state, role, member):
    if role.startswith("projects/") and role.rsplit("/", 1)[1] not in state["roles"]:
        raise Refused(f"INVALID_ARGUMENT: Role {role} does not exist in the resource's hierarchy.")
    if member in ("allUsers", "allAuthenticatedUsers") and state["public_refused"] == "managed":
        raise Refused('FAILED_PRECONDITION: denied by org policy: ["constraints/iam.managed.allowedPolicyMembers"].')
    if member in ("allUsers", "allAuthenticatedUsers") and state["public_refused"]:
        raise Refused(
            "FAILED_PRECONDITION: One or more users named in the policy do not belong to a permitted customer."
        )


def set_policy(kind):
    def command(state, _flags, _payload, name, file):
        grants, etag = output.read_policy(Path(file).read_text())
        current = f"E{state['etags'].get(f'{kind}/{name}', 0)}="
        if etag != current:
            raise Refused("ABORTED: There were concurrent policy changes.")
        write_policy(state, kind, name, grants)

    return command


def bind(kind, add):
    def command(state, flags, _payload, name):
        if kind == "projects" and flags.get("condition") != "None" and "all" not in flags:
            raise Refused("Adding a binding without specifying a condition to a policy with conditions is prohibited")
        has_policy(state, kind, name, "set")
        grant, policy = [flags["role"], flags["member"]], state["policies"].get(f"{kind}/{name}", [])
        said = flags.get("condition") == "None" or ("all" in flags and kind != "secrets")  # which does not heed --all
        if any(g[2:] for g in policy) and not said:
            raise Refused("A binding without specifying a condition, of a policy containing conditions, is prohibited")
        rest = [g for g in policy if g[:2] != grant or (g[2:] and "all" not in flags)]
        if not add and rest == policy:
            raise Refused("Policy binding with the specified principal, role, and condition not found!")
        write_policy(state, kind, name, rest + [grant] * add)

    return command


# ---- accounts and roles


def enable(state, _flags, _payload, *names):
    state["apis"] = sorted({*state["apis"], *names})


def create_account(state, _flags, _payload, name):
    email = f"{name}@demo.{state['domain']}iam.gserviceaccount.com"
    if email in state["accounts"]:
        raise Refused("ALREADY_EXISTS")
    state["accounts"][email] = {"email": email}


def delete_account(state, flags, payload, email):
    delete("accounts")(state, flags, payload, email)
    for policy in state["policies"].values():
        for grant in policy:
            grant[1] = grant[1].replace(f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid=1")


def enable_account(state, _flags, _payload, email):
    found(state["accounts"], email, "Service account")["disabled"] = False


def list_keys(state, flags, *_):
    account = found(state["accounts"], flags["iam-account"], "Service account")
    return [{"name": f"{account['email']}/keys/{key}"} for key in account.get("keys", [])]


def delete_key(state, flags, _payload, key):
    found(state["accounts"], flags["iam-account"], "Service account")["keys"].remove(key)


def write_role(create):
    def command(state, flags, _payload, role):
        old = state["roles"].get(role)
        if create and old and old.get("deleted"):
            raise Refused(f"FAILED_PRECONDITION: You can't create a role with role_id ({role}) in a deleted state.")
        if create == bool(old):
            raise Refused(f"ALREADY_EXISTS or NOT_FOUND: {role}")
        permissions = re.findall(r"^- (\S+)", Path(flags["file"]).read_text(), re.M)
        state["roles"][role] = {**(old or {"name": role}), "includedPermissions": permissions, "stage": "GA"}

    return command


def undelete_role(state, _flags, _payload, role):
    if state["role_ids_taken"]:
        raise Refused(f"FAILED_PRECONDITION: You can't undelete role_id ({role}): deleted more than 7 days ago.")
    found(state["roles"], role, "role")["deleted"] = None


# ---- secrets


def create_secret(state, flags, _payload, name):
    if state["automatic_refused"] == "locations" and flags["replication-policy"] == "automatic":
        raise Refused("FAILED_PRECONDITION: Constraint constraints/gcp.resourceLocations violated, in [global].")
    if state["automatic_refused"] == "cmek":
        raise Refused(
            "FAILED_PRECONDITION: Constraint constraints/gcp.restrictNonCmekServices violated: KMS CryptoKey."
        )
    put("secrets")(state, flags, None, name)
    state["secrets"][name] = {"name": f"projects/1/secrets/{name}", "versions": [], "annotations": {}, "labels": {}}
    update_secret(state, {"update-labels": flags.get("labels", "")}, None, name)


def update_secret(state, flags, _payload, name):
    labels = dict(pair.split("=") for pair in flags.get("update-labels", "").split(",") if pair)
    secret = found(state["secrets"], name, "Secret")
    secret["labels"].update(labels)
    if "remove-expiration" in flags:
        secret.pop("expireTime", None)


def add_version(state, _flags, payload, name):
    found(state["secrets"], name, "Secret")["versions"].append({"state": "enabled", "payload": payload})


def list_versions(state, _flags, _payload, name):
    versions = found(state["secrets"], name, "Secret")["versions"]
    return [{"name": f"{name}/versions/{n}", "state": v["state"]} for n, v in enumerate(versions, 1)][::-1]


def access_version(state, flags, _payload, _latest):
    version = found(state["secrets"], flags["secret"], "Secret")["versions"][-1]
    return version["payload"]


def enable_version(state, flags, _payload, number):
    found(state["secrets"], flags["secret"], "Secret")["versions"][int(number) - 1]["state"] = "enabled"
