"""The fixtures of the local Secret Manager's tests: the official client over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(clock: Clock) -> Iterator[SecretManager]:
    with SecretManager(clock) as manager:
        yield manager


@pytest.fixture
def connect() -> Iterator[Callable[[str], SecretManagerServiceClient]]:
    channels = []

    def client(address: str) -> SecretManagerServiceClient:
        channels.append(grpc.insecure_channel(address))
        return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channels[-1]))

    yield client
    for channel in channels:
        channel.close()


@pytest.fixture
def client(manager: SecretManager, connect: Any) -> SecretManagerServiceClient:
    return connect(manager.address)
