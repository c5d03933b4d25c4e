"""The state file of the local Secret Manager."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sandbox.secret_manager.server import SecretManager
from tests.sandbox_secret_manager.calls import ALICE, NUMBER, PROJECT, add, create, version


def fill(manager: SecretManager) -> None:
    manager.create("alice", labels={"a": "1"}, annotations={"b": "é"})
    manager.add("alice", "one")
    manager.add("alice", b"\x00\xff")
    manager.create("bob")


def test_the_state_outlives_the_server(clock, connect, tmp_path):
    path = tmp_path / "new" / "secrets.json"
    with SecretManager(clock, path) as manager:
        fill(manager)
        client = connect(manager.address)
        client.destroy_secret_version(name=version(1))
        before = client.get_secret(name=ALICE), list(client.list_secret_versions(parent=ALICE))
    with SecretManager(clock, path) as manager:
        client = connect(manager.address)
        assert (client.get_secret(name=ALICE), list(client.list_secret_versions(parent=ALICE))) == before
        assert manager.payloads("alice") == {2: b"\x00\xff"}
        assert manager.add("alice", "three") == 3
        manager.create("carol")
        assert [s.name.rpartition("/")[2] for s in client.list_secrets(parent=PROJECT)] == ["carol", "bob", "alice"]


def test_the_state_file_is_private_and_alone(clock, tmp_path):
    path = tmp_path / "secrets.json"
    path.with_name("secrets.json.tmp").write_text("left over")
    path.with_name("secrets.json.tmp").chmod(0o644)
    with SecretManager(clock, path) as manager:
        fill(manager)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secrets.json"]


def test_a_destroyed_payload_is_gone_from_the_file(clock, connect, tmp_path):
    path = tmp_path / "secrets.json"
    with SecretManager(clock, path) as manager:
        manager.create("alice")
        manager.add("alice", "token")
        assert "dG9rZW4=" in path.read_text()
        connect(manager.address).destroy_secret_version(name=version(1))
        assert "dG9rZW4=" not in path.read_text()


def test_a_payload_whose_time_has_come_is_gone_from_the_file_once_anything_is_read(clock, connect, tmp_path):
    path = tmp_path / "secrets.json"
    with SecretManager(clock, path) as manager:
        client = connect(manager.address)
        create(client, "alice", version_destroy_ttl=timedelta(days=1))
        manager.add("alice", "token")
        client.destroy_secret_version(name=version(1))
        clock.forward(timedelta(days=2))
        client.get_secret(name=ALICE)
        assert "dG9rZW4=" not in path.read_text()


def test_many_threads_at_once_lose_nothing(manager, client):
    manager.create("alice")
    with ThreadPoolExecutor(16) as pool:
        added = list(pool.map(lambda n: (add(client, b"%d" % n).name, b"%d" % n), range(200)))
    stored = {f"projects/{NUMBER}/secrets/alice/versions/{n}": data for n, data in manager.payloads("alice").items()}
    assert stored == dict(added)
