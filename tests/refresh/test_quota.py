"""A run keeps to Google's quota, also when it repeats a call, and leaves some of it to people who sign in meanwhile."""

from __future__ import annotations

from math import inf

from grpc import StatusCode

from sandbox.secret_manager.server import SecretManager as LocalSecretManager
from tests.refresh.world import ALICE
from tests.threads_client.test_rate_limit import Hours
from token_keeper.account import Account
from token_keeper.limits import Limits
from token_keeper.pace import Pace
from token_keeper.secret_manager import SecretManager, connect
from token_keeper.store import TokenStore

ACCOUNT = Account.from_secret(ALICE, {}, {}, "")


def store_of(manager: LocalSecretManager, clock: Hours) -> TokenStore:
    """Return a store whose runs may make three reads a minute."""
    limits = Limits(quota=23, left_to_others=20)
    return TokenStore(SecretManager(connect(manager.address), limits, clock), "demo").until(inf, 600.0, 0.0)


def test_no_more_calls_begin_in_any_minute_than_the_quota_allows() -> None:
    clock = Hours()
    pace, begun = Pace(3, 60.0, clock), []
    for pause in (0, 10, 10, 10, 0, 0, 0):
        clock.sleep(pause)
        pace.wait()
        begun.append(clock.monotonic())
    assert begun == [0, 10, 20, 60, 70, 80, 120]


def test_some_of_the_quota_is_left_to_people_who_sign_in(manager: LocalSecretManager) -> None:
    clock = Hours()
    store = store_of(manager, clock)
    for _ in range(3):
        store.versions(ACCOUNT)
    assert clock.monotonic() == 0
    store.versions(ACCOUNT)
    assert clock.monotonic() == 60


def test_a_call_that_is_repeated_keeps_to_the_quota_too(manager: LocalSecretManager) -> None:
    clock = Hours()
    manager.fail("ListSecretVersions", StatusCode.RESOURCE_EXHAUSTED, times=3)
    store_of(manager, clock).versions(ACCOUNT)
    assert len(manager.calls) == 4
    assert clock.monotonic() >= 60
