"""Runs deploy.sh against the stand-ins in gcloud_stub/ and shows what it did there."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
STUB = Path(__file__).parent / "gcloud_stub"
APP_SECRET = "0123456789abcdef-sentinel-app-secret"
TOKEN = "THQWJ-sentinel-token"
SETTINGS = {"THREADS_APP_ID": "4242", "THREADS_USERNAMES": "Alice,bob.b", "ALERT_EMAIL": "me@example.com"}
PUBLIC_URL = "https://threads-oauth-1.us-central1.run.app"
REFRESH_URL = "https://threads-refresh-1.us-central1.run.app"
EMPTY = {
    "version": "528.0.0", "monitoring": "alpha", "apis": [], "projects": {}, "policies": {}, "lag": {}, "refusals": [],
    "log": [], "calls": [], "defaults": {}, "web": {"threads-oauth": "200", "threads-refresh": "403"},
    **{kind: {} for kind in ("accounts", "roles", "secrets", "services", "jobs", "metrics", "alerts", "channels",
                             "repositories")},
}  # fmt: skip
READS = {
    "describe", "list", "get-iam-policy", "access", "read", "get-value", "print-access-token", "version", "--help",
}  # fmt: skip


class Cloud:
    """A project of its own in a folder of its own."""

    def __init__(self, folder, state=None):
        self.folder = Path(folder)
        self.state = state or EMPTY

    @property
    def state(self):
        return json.loads((self.folder / "state.json").read_text())

    @state.setter
    def state(self, state):
        (self.folder / "state.json").write_text(json.dumps(state))

    def change(self, edit):
        state = self.state
        edit(state)
        self.state = state

    def refuse(self, match, message, times=1):
        self.change(lambda s: s["refusals"].append({"match": match, "message": message, "times": times}))

    def run(self, *arguments, **settings):
        """Run deploy.sh without a terminal; the calls of this run are in `calls`."""
        (self.folder / "calls.jsonl").write_text("")
        environment = {
            "PATH": f"{STUB}:{os.environ['PATH']}", "HOME": str(self.folder), "STUB": str(self.folder),
            "PYTHON": os.path.realpath(sys.executable),
        }  # fmt: skip
        return subprocess.run(
            [ROOT / "deploy.sh", *arguments], env=environment | settings, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip

    @property
    def calls(self):
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    @property
    def commands(self):
        return [" ".join(call["argv"]) for call in self.calls]

    @property
    def writes(self):
        return [c for c in self.commands if not READS & set(c.split()) and not c.startswith("curl")]

    def members(self, resource, role):
        return {m for r, m in self.state["policies"].get(resource, []) if r.endswith(role)}


def account(name):
    return f"serviceAccount:{name}@demo.iam.gserviceaccount.com"
