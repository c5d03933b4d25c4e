"""A run ends although a listing is endless, a secret has thousands of versions, or the run has answered already."""

from __future__ import annotations

import time
from concurrent import futures
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient
from google.cloud.secretmanager_v1.types import ListSecretsRequest, ListSecretsResponse
from grpc import StatusCode

from sandbox.secret_manager.server import SecretManager as LocalSecretManager
from tests.refresh.test_many_accounts import describe_many
from tests.refresh.world import ALICE, DAY, World, account, lines
from tests.support.app import serve
from tests.support.timing import allowed
from tests.threads_client.test_rate_limit import Hours
from token_keeper.account import Account
from token_keeper.errors import StoreUnavailable
from token_keeper.limits import Limits
from token_keeper.secret_manager import SecretManager, connect
from token_keeper.store import TokenStore


class EndlessListing(grpc.GenericRpcHandler):
    """A Secret Manager whose listing of secrets always has another page."""

    pages = 0

    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            self._answer, ListSecretsRequest.deserialize, ListSecretsResponse.serialize
        )

    def _answer(self, request: ListSecretsRequest, context: Any) -> ListSecretsResponse:
        self.pages += 1
        time.sleep(0.01)
        return ListSecretsResponse(next_page_token="more")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_listing_without_end_ends_with_the_budget(
    settings: None, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    endless, server = EndlessListing(), grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([endless])
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")
    server.start()
    try:
        refresh: FlaskClient = serve("refresh")
        started = time.monotonic()
        assert refresh.open("/", method=method).status_code == 503
        assert time.monotonic() - started < allowed(2)
        seen = endless.pages
        time.sleep(0.3)
        assert endless.pages <= seen + 1, "nothing goes on after the answer"
    finally:
        server.stop(None)


def test_a_run_destroys_nothing_after_it_has_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(60):
        world.manager.add(ALICE, world.manager.newest(ALICE))
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "2")
    world.manager.fail("DestroySecretVersion", None, times=None, delay=0.2)
    started = time.monotonic()
    world.run()
    assert time.monotonic() - started < allowed(3)
    states = world.manager.states(ALICE)
    time.sleep(0.6)
    assert list(world.manager.states(ALICE).values()).count("DESTROYED") <= list(states.values()).count("DESTROYED") + 1


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_after_its_end_a_run_calls_nothing_and_a_token_that_waited_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], delay: float
) -> None:
    describe_many(world, 4, lambda n: 15 + n)  # they go before alice
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "2")
    world.manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=None, delay=delay)
    lines(capsys)
    started = time.monotonic()
    reply = serve("refresh").post("/")
    answered = time.monotonic()
    assert 1.9 < answered - started < allowed(2.5), "adding is tried until the end"
    assert "A token could not be stored" in account(reply, "user00")["detail"]
    told = next(line for line in lines(capsys) if line.get("username") == "user00")
    assert (told["severity"], told["event"]) == ("WARNING", "retry_later")
    assert "A token could not be stored" in told["message"]
    made = list(world.manager.calls)
    time.sleep(1.5)
    assert world.manager.calls == made
    assert world.calls() == ["refresh", "debug"]


def test_a_store_whose_time_is_over_asks_nothing(manager: LocalSecretManager) -> None:
    clock = Hours()
    store = TokenStore(SecretManager(connect(manager.address), Limits(), clock), "demo").until(10.0, 0.0, 0.0)
    alice = Account.from_secret(ALICE, {}, {}, "")
    assert store.versions(alice) == []
    manager.calls.clear()
    clock.sleep(10)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            store.versions(alice)
    assert manager.calls == []


def test_adding_is_tried_every_ten_seconds_at_least(manager: LocalSecretManager) -> None:
    clock = Hours()
    store = TokenStore(SecretManager(connect(manager.address), Limits(), clock), "demo").until(1500.0, 60.0, 420.0)
    manager.fail("AddSecretVersion", StatusCode.UNAVAILABLE, times=20)
    assert store.add(Account.from_secret(ALICE, {}, {}, ""), "THnew") == 1
    assert clock.monotonic() < 20 * 10


def test_after_its_end_a_run_does_not_ask_threads_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_BUDGET_SECONDS", "1")
    world.threads.control.fail("refresh", "hang", times=None)
    assert world.run()["outcome"] == "retry_later"
    time.sleep(1.5)
    assert world.calls() == ["refresh"], "no second attempt"


def test_a_hundred_accounts_that_nobody_signed_in_to_are_shown_at_once(empty: World) -> None:
    for n in range(150):
        empty.manager.create(f"threads-token-nobody{n}", labels={"managed-by": "threads-token-keeper"})
    started = time.monotonic()
    reply = serve("refresh", quota=600).get("/")
    assert (reply.json or {})["outcomes"] == {"not_signed_in": 153}
    assert time.monotonic() - started < allowed(3)


def test_accounts_beyond_the_first_page_of_a_listing_are_not_forgotten(empty: World) -> None:
    for n in range(520):
        empty.manager.create(f"threads-token-nobody{n}", labels={"managed-by": "threads-token-keeper"})
    assert (empty.refresh.get("/").json or {})["outcomes"] == {"not_signed_in": 523}


def test_below_the_quota_of_a_minute_nothing_waits(empty: World) -> None:
    describe_many(empty, 100, lambda n: 30)
    started = time.monotonic()
    reply = serve("refresh", quota=600).post("/")
    assert (reply.json or {})["outcomes"]["refreshed"] == 100
    assert time.monotonic() - started < allowed(20)
    empty.clock.forward(2 * DAY)
