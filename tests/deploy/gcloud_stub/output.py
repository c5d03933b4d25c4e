"""What gcloud prints: value(...) of the paths that deploy.sh asks for, and a policy as YAML."""

import re


def lines(answer, flags):
    separator, paths = re.fullmatch(r'value(?:\[separator="(.)"\])?\((.*)\)', flags["format"], re.S).groups()
    rows = answer if isinstance(answer, list) else [answer]
    if "flatten" in flags:
        rows = [
            {"spec": {"template": {"spec": {"containers": [{"env": e}]}}}} for row in rows for e in environment(row)
        ]
    rows = rows[: int(flags.get("limit", len(rows)))]
    paths = [p.strip() for p in re.split(r",(?![^(]*\))", paths)]
    return [(separator or "\t").join(text(pick(row, path)) for path in paths) for row in rows]


def environment(service):
    return service["spec"]["template"]["spec"]["containers"][0]["env"]


def pick(row, path):
    for part in re.findall(r'(?<=\[")[^"]+(?="\])|[\w-]+\([^)]*\)|[\w-]+(?:\[0\])?', path):
        if row is None:
            return None
        if part.startswith("basename("):
            row = row.rsplit("/", 1)[-1]
        elif part.startswith("extract("):
            row = [text(item.get(part.split('"')[1])) for item in row]
        elif not part.endswith(")"):
            row = row.get(part.removesuffix("[0]"))
            row = row[0] if part.endswith("[0]") and row else row
    return row


def text(value):
    return "" if value is None else ",".join(value) if isinstance(value, list) else str(value)


def policy_yaml(policy):
    """Return the policy as gcloud writes it: a binding for each role, its keys in the order of the alphabet."""
    roles = {}
    for role, member, *condition in policy["grants"]:
        roles.setdefault((role, *condition), []).append(member)
    out = ["bindings:"] if roles else []
    for (role, *condition), members in roles.items():
        block = ["condition:", f"  expression: {condition[0]}", "  title: x"] if condition else []
        block += ["members:", *(f"- {m}" for m in members), f"role: {role}"]
        out += [("- " if n == 0 else "  ") + line for n, line in enumerate(block)]
    return "\n".join([*out, f"etag: {policy['etag']}", "version: 3" if any(r[1:] for r in roles) else "version: 1"])


def read_policy(text):
    """Return (grants, etag) of such a text."""
    grants, etag, binding = [], None, {}
    for line in text.splitlines():
        if line.startswith("- "):
            binding = {"members": []}
        key, _, value = line[2:].partition(": ")
        if line.startswith("etag: "):
            etag = line.removeprefix("etag: ")
        elif line.startswith("  - "):
            binding["members"].append(line[4:])
        elif key.strip() == "expression":
            binding["condition"] = [value]
        elif key == "role":
            grants += [[value, m, *binding.get("condition", [])] for m in binding["members"]]
    return grants, etag
