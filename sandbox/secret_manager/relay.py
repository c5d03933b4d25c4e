"""A TCP relay in front of the local Secret Manager that can go silent, as a router does that forgot a connection.

A silent connection takes every byte and answers nothing. Nobody closes it, so only a deadline or a keepalive notices.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Relay:
    """Passes the bytes of each connection to `target` (host:port) and back, until it is told to swallow them."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._silence = threading.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in accept() or recv() returns when its socket is shut down, not when it is closed.
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    @property
    def connections(self) -> int:
        """Return how many connections were made so far."""
        return len(self._sockets) // 2

    def swallow(self) -> None:
        """Make every connection silent for good, those of now and those that follow until `carry`."""
        self._silence.set()

    def carry(self) -> None:
        """Pass the bytes of new connections again. The silent ones stay silent."""
        self._silence = threading.Event()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._sockets += [client, server]
        for ends in ((client, server), (server, client)):
            threading.Thread(target=_pass_on, args=(*ends, self._silence), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, silence: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if not silence.is_set():
                sink.sendall(data)
        if not silence.is_set():
            sink.shutdown(socket.SHUT_WR)
