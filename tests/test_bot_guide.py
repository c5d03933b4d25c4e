"""The snippets of docs/use-it-from-your-bot.md read the token from the local Secret Manager, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sandbox.secret_manager.server import DEFAULT_PORT, DEFAULT_REST_PORT, SecretManager

GUIDE = (Path(__file__).parent.parent / "docs/use-it-from-your-bot.md").read_text()


def snippets(heading: str, language: str) -> tuple[str, str]:
    """Return the section's code for the cloud, and the code for this machine."""
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cloud, here = re.findall(rf"^```{language}\n(.*?)^```", section, re.S | re.M)
    return cloud, here


def here(code: str, manager: SecretManager) -> str:
    """Return the code with the ports of this test, and with its project."""
    code = code.replace(f"127.0.0.1:{DEFAULT_PORT}", manager.address)
    return code.replace(f"http://127.0.0.1:{DEFAULT_REST_PORT}", manager.rest_url).replace(
        "projects/PROJECT", "projects/demo"
    )


def test_the_guide_names_the_ports_that_the_local_secret_manager_has() -> None:
    table = GUIDE.split("\n## On your machine\n")[1].split("\n## ")[0]
    assert f"`127.0.0.1:{DEFAULT_PORT}`" in table
    assert f"`http://127.0.0.1:{DEFAULT_REST_PORT}`" in table


def test_the_python_of_the_guide_reads_the_newest_token(manager: SecretManager) -> None:
    manager.add("threads-token-alice", "THalice-1")
    manager.add("threads-token-alice", "THalice-2")
    cloud, local = snippets("Python", "python")
    code = cloud.replace("client = secretmanager.SecretManagerServiceClient()\n", local)
    names: dict[str, object] = {}
    exec(here(code, manager), names)  # the code of our own document
    try:
        assert names["threads_token"]() == "THalice-2"  # type: ignore[operator]
    finally:
        names["channel"].close()  # type: ignore[attr-defined]


@pytest.mark.gcloud
def test_the_gcloud_of_the_guide_reads_and_pastes_a_token(manager: SecretManager, tmp_path: Path) -> None:
    manager.add("threads-token-alice", "THalice-1")
    reading, local = snippets("gcloud", "bash")
    pasting = re.findall(r"^(gcloud secrets versions add .*?) +#", GUIDE, re.M)[0]
    script = f"set -e\n{here(local, manager)}\n{reading}\n{pasting}\n{reading}"
    environ = {**os.environ, "CLOUDSDK_CONFIG": str(tmp_path), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    done = subprocess.run(
        ["bash", "-c", script],
        env=environ,
        input="THpasted\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "THalice-1THpasted\n"
