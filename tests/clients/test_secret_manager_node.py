"""Google's Node client uses the local Secret Manager by gRPC and by REST, and every package of it is pinned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.npm


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_the_node_client_reads_adds_lists_and_changes(manager, transport):
    address = manager.address if transport == "grpc" else manager.rest_url
    command = ["node", "secret_manager.mjs", transport, address.rpartition(":")[2]]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    kept = "projects/123456789012/secrets/alice"
    assert json.loads(done.stdout) == {
        "newest": "token-1",
        "added": f"{kept}/versions/2",
        "versions": [["2", "ENABLED"], ["1", "DISABLED"]],
        "found": [kept],
        "annotations": {"note": "hi"},
        "refused": True,
    }
    assert manager.newest("alice") == "from-node"


def test_every_package_of_the_node_client_is_pinned_by_its_hash_and_names_no_registry():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    asked = packages.pop("")["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert len(packages) > 50
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
