"""The stored secrets, their versions and payloads, in memory or in one file."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.cloud.secretmanager_v1.types import Secret, SecretVersion

from sandbox.state_file import write_state


@dataclass
class HeldVersion:
    message: SecretVersion
    payload: bytes  # empty once destroyed


@dataclass
class HeldSecret:
    serial: int  # the order of creation, which a page token refers to
    message: Secret
    versions: dict[int, HeldVersion] = field(default_factory=dict)


class SecretState:
    """All secrets by id. It is not thread-safe: the caller holds a lock."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.secrets: dict[str, HeldSecret] = {}
        self.last_serial = 0
        if path and path.exists():
            self._load(json.loads(path.read_text()))

    def save(self) -> None:
        """Write the state to its file, if it has one."""
        if self._path:
            write_state(self._path, self._dump())

    def _dump(self) -> dict[str, Any]:
        return {
            "last_serial": self.last_serial,
            "secrets": {secret_id: _dump_secret(held) for secret_id, held in self.secrets.items()},
        }

    def _load(self, document: dict[str, Any]) -> None:
        self.last_serial = document["last_serial"]
        self.secrets = {secret_id: _load_secret(held) for secret_id, held in document["secrets"].items()}


def _dump_secret(held: HeldSecret) -> dict[str, Any]:
    versions = {
        number: {
            "version": json.loads(SecretVersion.to_json(version.message)),
            "payload": base64.b64encode(version.payload).decode(),
        }
        for number, version in held.versions.items()
    }
    return {"serial": held.serial, "secret": json.loads(Secret.to_json(held.message)), "versions": versions}


def _load_secret(document: dict[str, Any]) -> HeldSecret:
    versions = {
        int(number): HeldVersion(
            SecretVersion.from_json(json.dumps(version["version"])), base64.b64decode(version["payload"])
        )
        for number, version in document["versions"].items()
    }
    return HeldSecret(document["serial"], Secret.from_json(json.dumps(document["secret"])), versions)
