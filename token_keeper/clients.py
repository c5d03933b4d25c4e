"""The clients of Threads and of Secret Manager, made by the first request that needs them.

They are not made earlier, because a channel that exists before a server forks can hang. Nor is their code loaded
earlier: most requests of the public function need neither, and it starts faster without.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from token_keeper.clock import Clock, SystemClock
from token_keeper.deadline import Meanwhile, started
from token_keeper.limits import Limits

if TYPE_CHECKING:
    from token_keeper.store import TokenStore
    from token_keeper.threads import ThreadsClient, Wire

    ConnectThreads = Callable[[str, Limits], Wire]
    ConnectStore = Callable[[str | None], Any]


class Clients:
    """One client of each service for all requests of this process, with the numbers and the clock that they keep to.

    `connect_threads` and `connect_store` make the connections, `meanwhile` starts work in a thread; a simulation gives
    its own.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        clock: Clock | None = None,
        connect_threads: ConnectThreads | None = None,
        connect_store: ConnectStore | None = None,
        meanwhile: Meanwhile = started,
    ) -> None:
        self.limits, self.clock = limits or Limits(), clock or SystemClock()
        self.meanwhile = meanwhile
        self._connect_threads = connect_threads or _connect_threads
        self._connect_store = connect_store or _connect_store
        self.threads = lru_cache(maxsize=1)(self._threads)
        self.store = lru_cache(maxsize=1)(self._store)

    def _threads(self, api_url: str) -> ThreadsClient:
        from token_keeper.threads import ThreadsClient

        return ThreadsClient(self._connect_threads(api_url, self.limits), self.limits, self.clock)

    def _store(self, project: str, emulator: str | None) -> TokenStore:
        _import_store()
        from token_keeper.secret_manager import SecretManager
        from token_keeper.store import TokenStore

        return TokenStore(SecretManager(self._connect_store(emulator), self.limits, self.clock), project)

    def connect_store_meanwhile(self, project: str, emulator: str | None) -> None:
        """Make Secret Manager's client in a thread: it takes a while, and Threads is answering meanwhile.

        Where that fails, whoever needs the client tries again.
        """
        self.meanwhile(partial(self.store, project, emulator))


def _connect_threads(api_url: str, limits: Limits) -> Wire:
    from token_keeper import tls

    context = started(tls.context)  # reads its certificates while `requests` is imported
    from token_keeper.connection import Connection

    return Connection(api_url, limits, context.result())


def _connect_store(emulator: str | None) -> Any:
    from token_keeper.secret_manager import connect

    return connect(emulator)


def _import_store() -> None:
    """Import Secret Manager's client. The collector would find nothing in it, and take a fifth of the time."""
    gc.disable()
    try:
        import token_keeper.store  # noqa: F401

        gc.freeze()
    finally:
        gc.enable()
