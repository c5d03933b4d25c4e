"""Many requests at once: every person gets their own token, and memory stays bounded."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.attack.target import Target, somebody
from tests.support.sign_in import sign_in


def garbage(target: Target, stop: threading.Event) -> int:
    """Send bad requests until told to stop, allow no 5xx, and return how many were sent."""
    tried = 0
    while not stop.is_set():
        login = target.ask("/login")
        state = quote(login.cookie.partition("=")[2])
        for reply in (
            login,
            target.ask(f"/callback?code=nonsense&state={state}", cookie=login.cookie),
            target.ask("/callback?code=x&state=y"),
            target.post("/delete", {"signed_request": "a.b"}),
            target.ask("/" + "x" * 5000),
            target.ask("/signed-in?receipt=" + "x" * 2000),
        ):
            assert reply.status < 500
            tried += 1
    return tried


def all_sign_in(target: Target, number: int) -> None:
    """Sign in many people at once, among bad requests, and check that each token is in its own secret."""
    people = [somebody() for _ in range(number)]
    secret_ids = [target.allow(person) for person in people]
    stop = threading.Event()
    with ThreadPoolExecutor(2) as vandals, ThreadPoolExecutor(16) as pool:
        thrown = [vandals.submit(garbage, target, stop) for _ in range(2)]
        try:
            statuses = list(pool.map(lambda person: target.sign_in(person).status, people))
        finally:
            stop.set()
        assert min(future.result() for future in thrown) > 0
    assert statuses == [303] * number
    local = target.threads
    for person, secret_id in zip(people, secret_ids, strict=True):
        payloads = target.manager.payloads(secret_id)
        assert list(payloads) == [1]
        assert local.tokens.owner(payloads[1].decode()) == person
        assert target.manager.labels(secret_id)["threads-user-id"] == local.people[person].id
        assert target.manager.annotations(secret_id)["threads-username"] == person


def test_people_who_sign_in_at_once_among_bad_requests_each_get_their_own_token(target: Target) -> None:
    all_sign_in(target, 40)


def test_many_callbacks_do_not_fill_the_memory(target: Target) -> None:
    """Anybody can send these: /login returns a `state`, and any code will do."""
    login = target.ask("/login")
    path = f"/callback?code=nonsense&state={quote(login.cookie.partition('=')[2])}"

    def throw(number: int) -> int:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: target.ask(path, cookie=login.cookie).status, range(number))) == {400}
        return target.memory()

    throw(100)
    before = throw(300)
    assert throw(300) - before < 5 * 1024


def test_a_callback_leaves_everything_it_made_to_the_garbage_collector(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager
) -> None:
    """Frozen objects are never collected, so anybody could fill the memory by calls that need no account."""
    assert sign_in(oauth, threads).status_code == 303
    frozen = gc.get_freeze_count()
    for _ in range(5):
        assert sign_in(oauth, threads, "mallory").status_code == 403
    assert gc.get_freeze_count() <= frozen
