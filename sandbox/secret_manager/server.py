"""The local Secret Manager as one object: a test starts it, prepares what it stores, and looks at it afterwards.

It follows Google's rules where a caller can see them, and fails on demand. It listens on 127.0.0.1 only. It asks
nobody for credentials, so every user of this machine can read what it stores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from google.cloud.secretmanager_v1 import types
from google.cloud.secretmanager_v1.types import Secret, SecretVersion

from sandbox.clock import Clock
from sandbox.secret_manager.quota import Quota
from sandbox.secret_manager.rest import RestServer
from sandbox.secret_manager.rpc import RpcServer
from sandbox.secret_manager.service import Service
from sandbox.secret_manager.state import SecretState
from sandbox.secret_manager.store import SecretStore

DEFAULT_PORT = 8083
DEFAULT_REST_PORT = 8084
DEFAULT_PROJECT = "demo"
DEFAULT_NUMBER = "123456789012"
Server = TypeVar("Server")


class SecretManager(Service):
    """The servers, and the Python API by which a test prepares and inspects what is stored."""

    def __init__(
        self,
        clock: Clock,
        path: Path | None = None,
        project: str = DEFAULT_PROJECT,
        number: str = DEFAULT_NUMBER,
        quota: Quota | None = None,
        port: int = 0,
        rest_port: int = 0,
    ) -> None:
        super().__init__(SecretStore(clock, SecretState(path), project, number), quota, clock.monotonic)
        self._parent = f"projects/{project}"
        self._port = port
        self._rest_port = rest_port
        self._rpc: RpcServer | None = None
        self._rest: RestServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, once; raise OSError, whose filename is the address, where a port is taken."""
        try:
            self._rpc = _listen(RpcServer, self, self._port)
            self._rest = _listen(RestServer, self, self._rest_port)
        except OSError:
            self.stop()
            raise
        self._port, self._rest_port = self._rpc.port, self._rest.port

    def stop(self) -> None:
        """Stop at once. Calls that hang are cancelled, and no call has an effect any more."""
        self._stopping.set()
        for server in (self._rpc, self._rest):
            if server:
                server.stop()
        self._rpc = self._rest = None

    @property
    def address(self) -> str:
        """Return the host:port of gRPC."""
        return f"127.0.0.1:{self._port}"

    @property
    def rest_url(self) -> str:
        """Return the root of the REST API, which has v1/ below it."""
        return f"http://127.0.0.1:{self._rest_port}"

    # What is stored

    def create(
        self, secret_id: str, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None
    ) -> None:
        secret = Secret(replication={"automatic": {}}, labels=dict(labels or {}), annotations=dict(annotations or {}))
        self._store.create_secret(types.CreateSecretRequest(parent=self._parent, secret_id=secret_id, secret=secret))

    def add(self, secret_id: str, payload: str | bytes) -> int:
        """Add a version and return its number."""
        data = payload.encode() if isinstance(payload, str) else payload
        request = types.AddSecretVersionRequest(parent=self._name(secret_id), payload={"data": data})
        return _number(self._store.add_secret_version(request))

    def payloads(self, secret_id: str) -> dict[int, bytes]:
        """Return the payloads of the enabled versions by number."""
        held = self._store.held_versions(secret_id)
        return {number: one.payload for number, one in held.items() if one.message.state.name == "ENABLED"}

    def newest(self, secret_id: str) -> str:
        return self._payload(secret_id, "latest").decode()

    def states(self, secret_id: str) -> dict[int, str]:
        return {number: one.message.state.name for number, one in self._store.held_versions(secret_id).items()}

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


def _listen(server: Callable[[Service, int], Server], service: Service, port: int) -> Server:
    try:
        return server(service, port)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), f"127.0.0.1:{port}") from error


def _number(version: SecretVersion) -> int:
    return int(version.name.rpartition("/")[2])
