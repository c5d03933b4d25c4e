"""A local Google Secret Manager v1 over plaintext gRPC, for the official client.

    python -m sandbox.secret_manager --port 8083 --state .sandbox/secrets.json --project demo

It keeps to Google's rules where a caller can see them, and fails on demand. It listens on 127.0.0.1 only, and
whoever reaches it may do anything: it is for tests and `make run`, never for real tokens.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from google.cloud.secretmanager_v1 import types
from google.cloud.secretmanager_v1.types import Secret, SecretVersion

from sandbox.clock import DEFAULT_PATH as CLOCK_PATH
from sandbox.clock import Clock
from sandbox.secret_faults import Quota
from sandbox.secret_server import SecretServer
from sandbox.secret_state import SecretState
from sandbox.secret_store import SecretStore

__all__ = ["Quota", "SecretManager"]

DEFAULT_PORT = 8083
DEFAULT_STATE = Path(".sandbox/secrets.json")
DEFAULT_PROJECT = "demo"
DEFAULT_NUMBER = "123456789012"


class SecretManager(SecretServer):
    """The server, and the Python API by which a test prepares and inspects what it stores."""

    def __init__(
        self,
        clock: Clock,
        path: Path | None = None,
        project: str = DEFAULT_PROJECT,
        number: str = DEFAULT_NUMBER,
        quota: Quota | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(SecretStore(clock, SecretState(path), project, number), quota, port)
        self._parent = f"projects/{project}"

    def create(
        self, secret_id: str, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None
    ) -> None:
        secret = Secret(replication={"automatic": {}}, labels=dict(labels or {}), annotations=dict(annotations or {}))
        self._store.create_secret(types.CreateSecretRequest(parent=self._parent, secret_id=secret_id, secret=secret))

    def add(self, secret_id: str, payload: str | bytes) -> int:
        """Add a version and give its number."""
        data = payload.encode() if isinstance(payload, str) else payload
        request = types.AddSecretVersionRequest(parent=self._name(secret_id), payload={"data": data})
        return _number(self._store.add_secret_version(request))

    def payloads(self, secret_id: str) -> dict[int, bytes]:
        """Give the payloads of the enabled versions."""
        enabled = [number for number, state in self.states(secret_id).items() if state == "ENABLED"]
        return {number: self._payload(secret_id, str(number)) for number in enabled}

    def newest(self, secret_id: str) -> str:
        return self._payload(secret_id, "latest").decode()

    def states(self, secret_id: str) -> dict[int, str]:
        request = types.ListSecretVersionsRequest(parent=self._name(secret_id))
        versions = reversed(self._store.list_secret_versions(request).versions)
        return {_number(version): version.state.name for version in versions}

    def labels(self, secret_id: str) -> dict[str, str]:
        return dict(self._secret(secret_id).labels)

    def annotations(self, secret_id: str) -> dict[str, str]:
        return dict(self._secret(secret_id).annotations)

    def set_labels(self, secret_id: str, labels: Mapping[str, str]) -> None:
        self._update(Secret(name=self._name(secret_id), labels=dict(labels)), "labels")

    def set_annotations(self, secret_id: str, annotations: Mapping[str, str]) -> None:
        self._update(Secret(name=self._name(secret_id), annotations=dict(annotations)), "annotations")

    def _name(self, secret_id: str) -> str:
        return f"{self._parent}/secrets/{secret_id}"

    def _secret(self, secret_id: str) -> Secret:
        return self._store.get_secret(types.GetSecretRequest(name=self._name(secret_id)))

    def _payload(self, secret_id: str, version: str) -> bytes:
        request = types.AccessSecretVersionRequest(name=f"{self._name(secret_id)}/versions/{version}")
        return self._store.access_secret_version(request).payload.data

    def _update(self, secret: Secret, path: str) -> None:
        self._store.update_secret(types.UpdateSecretRequest(secret=secret, update_mask={"paths": [path]}))


def _number(version: SecretVersion) -> int:
    return int(version.name.rpartition("/")[2])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="sandbox.secret_manager",
        description="Run a local Secret Manager.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="the file that keeps the secrets")
    parser.add_argument("--clock", type=Path, default=CLOCK_PATH, help="the file of the sandbox's clock")
    parser.add_argument("--project", default=DEFAULT_PROJECT, help="the project's id")
    args = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    manager = SecretManager(Clock(args.clock), args.state, args.project, port=args.port)
    try:
        manager.start()
    except OSError as error:
        sys.exit(f"The local Secret Manager cannot listen on {manager.address}: {os.strerror(error.errno or 0)}.")
    print(f"The local Secret Manager of {args.project} listens on {manager.address}, state {args.state}.", flush=True)
    done.wait()
    manager.stop()


if __name__ == "__main__":
    main()
