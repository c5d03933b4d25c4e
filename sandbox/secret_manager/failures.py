"""Failures on demand: which calls of the local Secret Manager fail next, when, and how."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

When = Literal["before", "after", "corrupt"]


@dataclass
class Failure:
    """What happens to the next `times` calls of a method. Without a code, the call is only delayed."""

    method: str
    when: When
    code: StatusCode | None = None
    times: int = 1
    delay: float = 0.0
    match: str | None = None

    def fits(self, method: str, resource: str, when: When) -> bool:
        return (method, when) == (self.method, self.when) and (self.match or "") in resource


class Failures:
    """The failures that are still to come, in order."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._lock = threading.Lock()

    def add(self, failure: Failure) -> None:
        with self._lock:
            self._failures.append(failure)

    def clear(self) -> None:
        with self._lock:
            self._failures.clear()

    def take(self, method: str, resource: str, when: When) -> Failure | None:
        """Return the failure that is due at this moment of a call, and count it as used."""
        with self._lock:
            for failure in self._failures:
                if failure.fits(method, resource, when):
                    failure.times -= 1
                    if failure.times <= 0:
                        self._failures.remove(failure)
                    return failure
            return None
