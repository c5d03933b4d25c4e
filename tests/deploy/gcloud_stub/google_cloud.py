"""A stand-in for gcloud with just enough state, in FOLDER/state.json, for deploy.sh to be run against.

Each call is a line of FOLDER/calls.jsonl: its arguments and whether something came on standard input. `refusals` in the
state are errors to return: {"match": pattern of the command, "message": what Google says, "times": how often}. Where
Google has several answers the state holds a switch, named as in the fake that the deployment was developed against.
"""

import json
import re
import select
import socketserver
import threading
from pathlib import Path

from tests.deploy.gcloud_stub import output
from tests.deploy.gcloud_stub.commands import COMMANDS
from tests.deploy.gcloud_stub.resources import Refused

GATED = {
    "secrets": "secretmanager",
    "run": "run",
    "scheduler": "cloudscheduler",
    "artifacts": "artifactregistry",
    "logging": "logging",
    "monitoring": "monitoring",
    "projects": "cloudresourcemanager",
}
BUILD = "01234567-89ab-cdef-0123-456789abcdef"
PROGRESS = (
    "Building and deploying...\nBuilding Container...Logs are available at "
    f"[https://console.cloud.google.com/cloud-build/builds;region=us-central1/{BUILD}?project=1].\n"
)
LOCK = threading.Lock()  # both builds call at once


class Handler(socketserver.StreamRequestHandler):
    def word(self):
        word = b""
        while (byte := self.rfile.read(1)) not in (b"", b"\0"):
            word += byte
        return word.decode()

    def handle(self):
        folder, given, count = Path(self.word()), self.word(), int(self.word())
        argv = [self.word() for _ in range(count)]
        building = argv[:2] == ["run", "deploy"]
        self.say(PROGRESS if building else "")
        with LOCK:
            seconds = json.loads((folder / "state.json").read_text())["build_seconds"]
        if building and seconds and self.interrupted(seconds):
            return
        with LOCK:
            self.say(*call(folder, argv, given))

    def say(self, *parts):
        self.wfile.write("".join(f"{part}\0" for part in parts).encode())

    def interrupted(self, seconds):
        """Return whether the caller went away within this time."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable)


def serve():
    """Return the port at which the script `gcloud` beside this file finds the stand-in."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def call(folder, argv, given):
    """Return (exit status, standard output, standard error) of one call."""
    words = [a for a in argv if not a.startswith("--")]
    flags = dict(a[2:].split("=", 1) if "=" in a else (a[2:], True) for a in argv if a.startswith("--"))
    state = json.loads((folder / "state.json").read_text())
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"argv": argv, "stdin": bool(given)}) + "\n")
    try:
        refuse(state, " ".join(argv))
        answer = dispatch(state, words, flags, given)
    except Refused as error:
        return 1, "", f"ERROR: (gcloud.{'.'.join(words[:3])}) {error}\n"
    finally:
        (folder / "state.json").write_text(json.dumps(state))
    return 0, printed(answer, flags), "Done.\n" if words[:2] == ["run", "deploy"] else ""


def printed(answer, flags):
    if isinstance(answer, str):
        return answer
    if flags.get("format") == "yaml":
        return output.policy_yaml(answer) + "\n"
    if str(flags.get("format", "none")) == "none" or answer in (None, []):
        return ""
    return "\n".join(output.lines(answer, flags)) + "\n"


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
