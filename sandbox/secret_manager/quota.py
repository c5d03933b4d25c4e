"""How many calls a project may make in a minute."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

from sandbox.secret_manager.refusal import Refusal

Kind = Literal["read", "write", "access"]


@dataclass(frozen=True)
class Quota:
    """Calls a project may make in each window. Source: Google's "Quotas and limits" of Secret Manager."""

    read: int = 600
    write: int = 600
    access: int = 90_000
    window_seconds: float = 60.0


class Meter:
    """Counts calls in fixed windows of `monotonic`: real time, unless a simulation has another."""

    def __init__(self, quota: Quota, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._quota, self._monotonic = quota, monotonic
        self._window = -1
        self._spent: Counter[str] = Counter()
        self._lock = threading.Lock()

    def spend(self, kind: Kind) -> None:
        """Count one call; raise Refusal where the window's quota of this kind is used up."""
        with self._lock:
            window = int(self._monotonic() // self._quota.window_seconds)
            if window != self._window:
                self._window = window
                self._spent.clear()
            if self._spent[kind] >= getattr(self._quota, kind):
                raise Refusal(StatusCode.RESOURCE_EXHAUSTED, f"The quota of {kind} requests is exceeded for now.")
            self._spent[kind] += 1
