"""The local Secret Manager's methods: each call is recorded, may fail on demand, and is answered by a `SecretStore`.

Every transport asks `Service.answer`, so that rules, quotas and failures are the same for all of them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from google.cloud.secretmanager_v1 import types
from grpc import StatusCode

from sandbox.secret_manager.failures import Denial, Failure, Failures
from sandbox.secret_manager.quota import Kind, Meter, Quota
from sandbox.secret_manager.refusal import IAM_PERMISSION_DENIED, Refusal
from sandbox.secret_manager.store import SecretStore

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"

# The methods of the service, and the quota that each uses. A method's request is types.<Method>Request, and the
# method of the store with the same name answers it.
METHODS: dict[str, Kind] = {
    "CreateSecret": "write",
    "GetSecret": "read",
    "UpdateSecret": "write",
    "DeleteSecret": "write",
    "ListSecrets": "read",
    "AddSecretVersion": "write",
    "GetSecretVersion": "read",
    "ListSecretVersions": "read",
    "AccessSecretVersion": "access",
    "EnableSecretVersion": "write",
    "DisableSecretVersion": "write",
    "DestroySecretVersion": "write",
}


class Service:
    """Answers calls, and holds what a test wants to go wrong with them."""

    def __init__(
        self, store: SecretStore, quota: Quota | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.calls: list[tuple[str, str]] = []
        # Called with the method, the resource, and "before" or "after"; it must return before the server can stop.
        self.on_call: Callable[[str, str, str], None] | None = None
        self._monotonic = monotonic
        self.quota = quota
        self._store = store
        self._failures = Failures()
        self._denial = Denial()
        self._without_key: set[str] = set()
        self._latency = 0.0
        self._stopping = threading.Event()

    # What goes wrong

    @property
    def quota(self) -> Quota | None:
        return self._quota

    @quota.setter
    def quota(self, quota: Quota | None) -> None:
        self._quota = quota
        self._meter = Meter(quota, self._monotonic) if quota else None

    def fail(
        self,
        method: str,
        code: StatusCode | None,
        when: Literal["before", "after"] = "before",
        times: int | None = 1,
        delay: float = 0.0,
        match: str = "",
        reason: str | None = None,
    ) -> None:
        """Fail the next calls of a method, before or "after" they take effect. Without a code, only delay them.

        `match` is a part of the resource's name, `times` None is until `heal`, and `reason` is what the client shows
        as the error's reason, such as SERVICE_DISABLED.
        """
        self._failures.add(Failure(_known(method), when, code, times, delay, match, reason))

    def corrupt(self, times: int = 1, match: str = "") -> None:
        """Answer the next accesses with data that does not match its CRC32C."""
        self._failures.add(Failure("AccessSecretVersion", "corrupt", times=times, match=match))

    def lose_key(self, version_name: str) -> None:
        """Refuse every access to this version, which stays enabled, as if its encryption key were gone.

        The name is the one that Secret Manager answers with: it has the project's number and the version's number.
        """
        self._without_key.add(version_name)

    def heal(self) -> None:
        """Forget the failures that are still to come, and give the lost keys back."""
        self._failures.clear()
        self._without_key.clear()

    def delay(self, seconds: float) -> None:
        """Make every call take this much longer."""
        self._latency = seconds

    def deny(self, methods: Collection[str], match: str = "", reason: str = IAM_PERMISSION_DENIED) -> None:
        """Deny these methods, and only these, until the next `deny`, on resources whose name contains `match`."""
        self._denial = Denial(frozenset(map(_known, methods)), match, reason)

    # One call

    def answer(self, method: str, request: Any) -> Any:
        """Return the reply to a request, None where it is empty; raise Refusal where the call fails."""
        resource = _resource(request)
        self.calls.append((method, resource))
        with self._hooked(method, resource):
            self._wait(self._latency)
            self._fail_if_due(method, resource, "before")
            if meter := self._meter:
                meter.spend(METHODS[method])
            self._denial.check(method, resource)
            reply = self._take_effect(method, request)
        self._fail_if_due(method, resource, "after")
        if self._failures.take(method, resource, "corrupt"):
            reply.payload.data = bytes([reply.payload.data[0] ^ 1]) + reply.payload.data[1:]
        return reply

    def _take_effect(self, method: str, request: Any) -> Any:
        reply = getattr(self._store, _snake(method))(request)
        if method == "AccessSecretVersion" and reply.name in self._without_key:
            message = f"The encryption key of Secret Version [{reply.name}] cannot be used."
            raise Refusal(StatusCode.FAILED_PRECONDITION, message)
        return reply

    @contextmanager
    def _hooked(self, method: str, resource: str) -> Iterator[None]:
        """Call the hook before a call, and again when its effect is settled but its answer is not yet sent."""
        hook = self.on_call or (lambda *_: None)
        hook(method, resource, "before")
        try:
            yield
        finally:
            hook(method, resource, "after")

    def _fail_if_due(self, method: str, resource: str, when: Literal["before", "after"]) -> None:
        failure = self._failures.take(method, resource, when)
        if failure:
            self._wait(failure.delay)
            if failure.code:
                raise Refusal(failure.code, "This failure was asked for.", failure.reason)

    def _wait(self, seconds: float) -> None:
        """Wait outside every lock, and no longer than the server runs."""
        if seconds and self._stopping.wait(seconds):
            raise Refusal(StatusCode.UNAVAILABLE, "The server is stopping.")


def _resource(request: Any) -> str:
    """Return the name of the resource that a request is about."""
    if isinstance(request, types.CreateSecretRequest):
        return f"{request.parent}/secrets/{request.secret_id}"
    if isinstance(request, types.UpdateSecretRequest):
        return request.secret.name
    return str(request.name if "name" in type(request).meta.fields else request.parent)


def _snake(method: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", method).lower()


def _known(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"Secret Manager has no method {method!r} here")
    return method
