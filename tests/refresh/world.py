"""What the tests of `refresh` share: a local Threads, a local Secret Manager and the account of alice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from grpc import insecure_channel
from werkzeug.test import TestResponse

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads

ALICE, BOB = "threads-token-alice", "threads-token-bob"
ALICE_ID = "17841405793187001"
ALICE_NAME = "projects/demo/secrets/threads-token-alice"
KEEPER = {"managed-by": "threads-token-keeper"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class World:
    """Both local servers and `refresh`. Alice's token is in its second version, described and due."""

    refresh: FlaskClient
    threads: LocalThreads
    manager: SecretManager
    clock: Clock

    def run(self) -> dict[str, Any]:
        """Run `refresh` and return its report on alice."""
        return account(self.refresh.post("/"))

    def look(self) -> dict[str, Any]:
        """Return what GET / reports on alice."""
        return account(self.refresh.get("/"))

    def report(self) -> dict[str, Any]:
        return account(self.refresh.get("/"))

    def stored(self) -> tuple[object, ...]:
        """Return everything that is stored for alice, without the last run's verdict."""
        manager = self.manager
        facts = {key: value for key, value in manager.annotations(ALICE).items() if not key.startswith("problem")}
        return manager.states(ALICE), manager.payloads(ALICE), facts, manager.labels(ALICE)

    def problem(self) -> str | None:
        """Return the last run's verdict on alice, None if it was a good one."""
        return self.manager.annotations(ALICE).get("problem")

    def calls(self) -> list[str]:
        """Return the calls that Threads received."""
        return [call for call, _ in self.threads.control.calls]

    def describe(self, **changes: str) -> None:
        """Change some of alice's annotations, as a person may."""
        self.manager.set_annotations(ALICE, self.manager.annotations(ALICE) | changes)


def account(reply: TestResponse, username: str = "alice") -> dict[str, Any]:
    assert reply.json is not None
    found: dict[str, Any] = next(one for one in reply.json["accounts"] if one["username"] == username)
    return found


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines since the last call of this function."""
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def official_client(manager: SecretManager) -> SecretManagerServiceClient:
    channel = insecure_channel(manager.address)
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))
