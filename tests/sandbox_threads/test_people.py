"""What happens to people: names, passwords, removed apps."""

from __future__ import annotations

import time

import pytest
import requests

from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, error, exchange_code, fresh_code, me, refresh
from tests.support.timing import allowed


@pytest.mark.parametrize(
    ("event", "subcode"), [("remove_app", 458), ("change_password", 460), ("checkpoint", 459), ("revoke", 467)]
)
def test_an_event_ends_the_persons_tokens_and_nobody_elses(threads: LocalThreads, event: str, subcode: int) -> None:
    hers, his = threads.tokens.issue_long_lived("alice", age=DAY), threads.tokens.issue_long_lived("bob")
    code = fresh_code(threads)
    requests.post(threads.url + "/sandbox/events", json={"event": event, "username": "alice"}, timeout=5)
    assert error(me(threads, hers)) == (190, subcode)
    assert error(refresh(threads, hers)) == (190, subcode)
    assert exchange_code(threads, code).status_code == 400
    assert me(threads, his).status_code == 200
    assert not threads.tokens.alive(hers)
    assert me(threads, threads.tokens.issue_long_lived("alice")).status_code == 200


def test_a_rename_keeps_the_id_and_the_token(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    threads.people.rename("alice", "alicia")
    assert me(threads, token).json() == {"id": "17841405793187001", "username": "alicia"}
    assert threads.tokens.owner(token) == "alicia"
    with pytest.raises(ValueError, match="taken"):
        threads.people.rename("bob", "alicia")


def test_a_username_may_change_hands(threads: LocalThreads) -> None:
    hers, theirs = threads.tokens.issue_long_lived("alice"), threads.tokens.issue_long_lived("mallory")
    threads.people.hand_over("alice", to="mallory")
    assert me(threads, hers).json() == {"id": "17841405793187001", "username": "alice.before"}
    assert me(threads, theirs).json() == {"id": "17841405793187009", "username": "alice"}


def test_thousands_of_people_are_cheap(threads: LocalThreads) -> None:
    before = time.monotonic()
    for n in range(3000):
        threads.people.add(f"u{n:04}")
        threads.tokens.issue_long_lived(f"u{n:04}", age=DAY)
    assert len(requests.get(threads.url + "/sandbox/state", timeout=5).json()["people"]) == 3005
    assert len({person.id for person in threads.people}) == 3005
    assert time.monotonic() - before < allowed(3)
