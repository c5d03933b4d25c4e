"""The real gcloud reads and changes the local Secret Manager, with no more than its address changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.gcloud
Gcloud = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def secrets(manager, tmp_path: Path) -> Gcloud:
    """Return a function that runs `gcloud secrets` with these arguments."""
    (tmp_path / "access-token").write_text("anything")
    environ = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_PROJECT": "demo",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "access-token"),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{manager.rest_url}/",
    }

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = ["gcloud", "secrets", *arguments]
        return subprocess.run(
            command, env=environ, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_gcloud_accesses_adds_and_lists_versions(manager, secrets):
    accessed = secrets("versions", "access", "latest", "--secret=alice")
    assert (accessed.stdout, accessed.returncode) == ("token-1", 0), accessed.stderr
    added = secrets("versions", "add", "alice", "--data-file=-", stdin="token-2")
    assert "Created version [2] of the secret [alice]." in added.stderr
    assert manager.newest("alice") == "token-2"
    listed = secrets("versions", "list", "alice", "--format=value(name.basename(),state)")
    assert listed.stdout.split() == ["2", "enabled", "1", "enabled"]


def test_gcloud_creates_updates_and_lists_secrets(manager, secrets):
    made = secrets("create", "carol", "--replication-policy=automatic", "--topics=projects/demo/topics/t")
    assert "Created secret [carol]." in made.stderr
    secrets("update", "carol", "--update-labels=team=red", "--version-destroy-ttl=86400s")
    assert manager.labels("carol") == {"team": "red"}
    listed = secrets("list", "--filter=labels.team=red", "--format=value(name.basename(),topics[0].name)")
    assert listed.stdout.splitlines() == ["carol\tprojects/demo/topics/t", "alice\t"]


def test_gcloud_reports_a_refusal_in_googles_words(manager, secrets):
    manager.deny({"AccessSecretVersion"})
    refused = secrets("versions", "access", "latest", "--secret=alice")
    assert refused.returncode == 1
    assert "PERMISSION_DENIED: Permission 'secretmanager.versions.access' denied" in refused.stderr
    assert "reason: IAM_PERMISSION_DENIED" in refused.stderr
