"""Failures on demand: which calls of the local Secret Manager fail next, when, and how."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

from sandbox.secret_manager.refusal import IAM_PERMISSION_DENIED, Refusal

When = Literal["before", "after", "corrupt"]


@dataclass
class Failure:
    """What happens to the next `times` calls of a method, to all where it is None. Without a code, only delay them."""

    method: str
    when: When
    code: StatusCode | None = None
    times: int | None = 1
    delay: float = 0.0
    match: str = ""
    reason: str | None = None

    def fits(self, method: str, resource: str, when: When) -> bool:
        return (method, when) == (self.method, self.when) and self.match in resource


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
                    self._count(failure)
                    return failure
            return None

    def _count(self, failure: Failure) -> None:
        if failure.times is not None:
            failure.times -= 1
            if failure.times <= 0:
                self._failures.remove(failure)


@dataclass(frozen=True)
class Denial:
    """Methods that are denied on every resource whose name contains `match`."""

    methods: Collection[str] = ()
    match: str = ""
    reason: str = IAM_PERMISSION_DENIED

    def check(self, method: str, resource: str) -> None:
        """Raise Refusal, in Google's words, where this call is denied."""
        if method in self.methods and self.match in resource:
            permission = permission_for(method)
            message = f"Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
            raise Refusal(StatusCode.PERMISSION_DENIED, message, self.reason, permission=permission, resource=resource)


def permission_for(method: str) -> str:
    """Return the IAM permission that a method needs, such as secretmanager.versions.access."""
    verb, _, _ = method.partition("Secret")
    return f"secretmanager.{'versions' if 'Version' in method else 'secrets'}.{verb.lower()}"
