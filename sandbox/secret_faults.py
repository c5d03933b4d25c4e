"""What goes wrong with the local Secret Manager on demand: lost calls, lost replies, hangs, damage, quotas."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

from sandbox.secret_rules import Refusal

When = Literal["before", "after", "corrupt"]
Kind = Literal["read", "write", "access"]


@dataclass
class Fault:
    """One fault for the next `times` calls of a method. Without a code, the call is only delayed."""

    method: str
    when: When
    code: StatusCode | None = None
    times: int = 1
    delay: float = 0.0
    match: str | None = None

    def fits(self, method: str, resource: str, when: When) -> bool:
        return (method, when) == (self.method, self.when) and (self.match or "") in resource


class Faults:
    """The faults that are still to come, in order."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, resource: str, when: When) -> Fault | None:
        """Give the fault that is due at this moment of a call, and count it as spent."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(method, resource, when):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
            return None


@dataclass(frozen=True)
class Quota:
    """Calls a project may make in each window. Source: Google's "Quotas and limits" of Secret Manager."""

    read: int = 600
    write: int = 600
    access: int = 90_000
    window_seconds: float = 60.0


class Meter:
    """Counts calls in fixed windows of real time, whatever the sandbox's clock says."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._window = -1
        self._spent: Counter[str] = Counter()
        self._lock = threading.Lock()

    def spend(self, kind: Kind) -> None:
        with self._lock:
            window = int(time.monotonic() // self._quota.window_seconds)
            if window != self._window:
                self._window = window
                self._spent.clear()
            if self._spent[kind] >= getattr(self._quota, kind):
                raise Refusal(StatusCode.RESOURCE_EXHAUSTED, f"The quota of {kind} requests is exceeded for now.")
            self._spent[kind] += 1
