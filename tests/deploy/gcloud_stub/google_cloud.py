"""A stand-in for gcloud with just enough state, in $STUB/state.json, for deploy.sh to be run against.

Each call is a line of $STUB/calls.jsonl: its arguments and whether something came on standard input. `refusals` in the
state are errors to return: {"match": pattern of the command, "message": what Google says, "times": how often}. Where
Google has several answers the state holds a switch, named as in the fake that the deployment was developed against.
"""

import fcntl
import json
import os
import re
import sys

import output
from commands import COMMANDS
from resources import Refused

STUB = os.environ["STUB"]
GATED = {
    "secrets": "secretmanager",
    "run": "run",
    "scheduler": "cloudscheduler",
    "artifacts": "artifactregistry",
    "logging": "logging",
    "monitoring": "monitoring",
    "projects": "cloudresourcemanager",
}


def main(argv):
    words = [a for a in argv if not a.startswith("--")]
    flags = dict(a[2:].split("=", 1) if "=" in a else (a[2:], True) for a in argv if a.startswith("--"))
    payload = sys.stdin.read() if flags.get("data-file") == "-" else ""
    with open(f"{STUB}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # both builds call at once
        answer = call(argv, words, flags, payload)
    if flags.get("format") == "yaml":
        print(output.policy_yaml(answer))
    elif str(flags.get("format", "none")) != "none":
        print(*output.lines(answer, flags), sep="\n", end="\n" if answer not in (None, []) else "")
    elif words[:2] == ["run", "deploy"]:
        print("Building and deploying...", "Done.", sep="\n", file=sys.stderr)


def call(argv, words, flags, payload):
    with open(f"{STUB}/state.json") as file:
        state = json.load(file)
    with open(f"{STUB}/calls.jsonl", "a") as calls:
        calls.write(json.dumps({"argv": argv, "stdin": bool(payload)}) + "\n")
    try:
        refuse(state, " ".join(argv))
        return dispatch(state, words, flags, payload)
    except Refused as error:
        sys.exit(f"ERROR: (gcloud.{'.'.join(words[:3])}) {error}")
    finally:
        with open(f"{STUB}/state.json", "w") as file:
            json.dump(state, file)


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
    api_is_on(state, words[0])
    for length in (4, 3, 2, 1):
        handler = COMMANDS.get(" ".join(words[:length]))
        if handler:
            return handler(state, flags, payload, *words[length:])
    raise Refused(f"the stand-in does not know: {' '.join(words)}")


def api_is_on(state, group):
    api = GATED.get(group)
    gated = api and (group != "projects" or state["resource_manager_off"])
    lag = state["api_lag"].get(api, 0)
    if lag > 0 or (gated and f"{api}.googleapis.com" not in state["apis"]):
        state["api_lag"][api] = max(0, lag - 1)
        raise Refused(
            f"PERMISSION_DENIED: {api}.googleapis.com has not been used in project 1 before or it is disabled. "
            "reason: SERVICE_DISABLED"
        )
