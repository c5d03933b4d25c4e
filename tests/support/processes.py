"""What tests need that start servers in processes of their own: a port, and waiting until something is true."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress

# In a random order, since others take ports too, and each once. Below the ports that Linux gives to outgoing
# connections, one of which could take a port before its server does.
_PORTS = iter(secrets.SystemRandom().sample(range(12_000, 32_000), 20_000))


def free_port() -> int:
    """Return a port that nothing listens on, and that nobody was given before."""
    while True:
        port = next(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the function returns something true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "It did not become true in time."
        time.sleep(0.01)


def answers(port: int) -> bool:
    """Return whether a server listens on this port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
