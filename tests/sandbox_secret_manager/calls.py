"""The calls to the local Secret Manager that its tests share, made by the official client."""

from __future__ import annotations

from typing import Any

from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.types import SecretVersion

NUMBER = "123456789012"
PROJECT = "projects/demo"
ALICE = f"{PROJECT}/secrets/alice"
State = SecretVersion.State


def version(number: int | str, secret: str = ALICE) -> str:
    return f"{secret}/versions/{number}"


def add(client: SecretManagerServiceClient, data: bytes, **payload: Any) -> SecretVersion:
    return client.add_secret_version(parent=ALICE, payload={"data": data, **payload})


def create(client: SecretManagerServiceClient, secret_id: str, **fields: Any) -> Any:
    secret = {"replication": {"automatic": {}}, **fields}
    return client.create_secret(parent=PROJECT, secret_id=secret_id, secret=secret)


def update(client: SecretManagerServiceClient, *paths: str, **fields: Any) -> Any:
    return client.update_secret(secret={"name": ALICE, **fields}, update_mask={"paths": list(paths)})
