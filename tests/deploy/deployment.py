"""Runs deploy.sh against the stand-ins in gcloud_stub/ and shows what it did there."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.deploy.gcloud_stub import google_cloud

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "gcloud_stub"
PORT = google_cloud.serve()
APP_SECRET = "0123456789abcdef-sentinel-app-secret"
TOKEN = "THQWJ-sentinel-token"
SETTINGS = {"THREADS_APP_ID": "4242", "THREADS_USERNAMES": "Alice,bob.b", "ALERT_EMAIL": "me@example.com"}
PUBLIC_URL = "https://threads-oauth-1.us-central1.run.app"
REFRESH_URL = "https://threads-refresh-1.us-central1.run.app"
SWITCHES = {
    "absent_accounts": 404, "public_refused": False, "invoker_required": False, "role_ids_taken": False,
    "source_lag": 0, "api_lag": {}, "resource_manager_off": False, "automatic_refused": "", "no_scheduler": {},
    "domain": "", "build_seconds": 0,
}  # fmt: skip
EMPTY = {
    "version": "528.0.0", "account": "owner@example.com", "monitoring": "alpha", "apis": [], "projects": {},
    "policies": {}, "etags": {}, "lag": {}, "refusals": [], "log": [], "after_run": [], **SWITCHES,
    "web": {}, "elsewhere": {"services": {}, "jobs": {}},
    **{kind: {} for kind in ("accounts", "roles", "secrets", "services", "jobs", "metrics", "alerts", "channels",
                             "repositories", "buckets")},
}  # fmt: skip
READS = {
    "describe", "list", "get-iam-policy", "access", "read", "info",
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
        (self.folder / "sleeps").write_text("")
        return subprocess.run(
            [ROOT / "deploy.sh", *arguments], env=self.environment | settings, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    @property
    def environment(self):
        return {
            "PATH": f"{STUB}:{os.environ['PATH']}", "HOME": str(self.folder), "STUB": str(self.folder),
            "PYTHON": os.path.realpath(sys.executable), "STUB_PORT": str(PORT),
        }  # fmt: skip

    @property
    def sleeps(self):
        return (self.folder / "sleeps").read_text().splitlines()

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


def position(commands, *words):
    return next(n for n, c in enumerate(commands) if all(w in c for w in words))


def environment_of(cloud, service):
    container = cloud.state["services"][service]["spec"]["template"]["spec"]["containers"][0]
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in container["env"]}
