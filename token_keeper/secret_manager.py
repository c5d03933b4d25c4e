"""Calls of Google Secret Manager: paced, bounded in time, repeated while the answer is a passing one.

Adding a version has no etag and no idempotency key. An add that is repeated because its reply was lost leaves an extra
version, which the next refresh destroys. So repeating it is safe here.
Source: Google Cloud, Secret Manager: "Quotas and limits"; API errors: "ErrorInfo reasons".
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator
from copy import copy
from math import inf
from typing import Any

import grpc
from google.api_core import exceptions as gcp
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from token_keeper.clock import Clock
from token_keeper.errors import KeeperError, StoreConflict, StoreRefused, StoreUnavailable
from token_keeper.limits import Limits
from token_keeper.pace import Pace

_PASSING = (
    gcp.ServiceUnavailable,
    gcp.DeadlineExceeded,
    gcp.ResourceExhausted,
    gcp.InternalServerError,
    gcp.BadGateway,
    gcp.Unknown,
    gcp.Cancelled,
    gcp.Unauthenticated,  # a credential that is late; without any, no call is sent at all
)
_SHORTEST_PAUSE = 0.05  # seconds before another try
# A connection that swallows what is sent is noticed by a ping, and not shared with the next client of this process.
_CHANNEL_OPTIONS = [
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),  # a page of secrets, whose annotations may have 16 KiB each
]


def connect(emulator: str | None) -> SecretManagerServiceClient:
    """Return the official client: of Google's endpoint and credentials, or of a plaintext emulator at `host:port`.

    Raises StoreUnavailable on Cloud Run, where there always are credentials and the metadata server is only late, and
    StoreRefused elsewhere.
    """
    transport = SecretManagerServiceGrpcTransport
    try:
        if emulator is None:
            channel = transport.create_channel(options=_CHANNEL_OPTIONS)
        else:  # no proxy: it is on this machine
            channel = grpc.insecure_channel(emulator, [*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)])
    except GoogleAuthError:
        if os.environ.get("K_SERVICE"):
            raise StoreUnavailable("Google's metadata server did not answer yet.") from None
        raise StoreRefused("There are no Google credentials here.") from None
    client = SecretManagerServiceClient(transport=transport(channel=channel))
    _silence()
    return client


def _silence() -> None:
    """Silence Google's loggers: at DEBUG they print requests and replies, and so tokens."""
    for name in list(logging.root.manager.loggerDict):
        if name == "google" or name.startswith("google."):
            logging.getLogger(name).disabled = True


class SecretManager:
    """The calls of one project's Secret Manager, safe to share between threads.

    `patience` is how many seconds a call is repeated for, `refusal_patience` how many a refused add is, and `ends` is
    when no call is made any more, by the clock's `monotonic`. Raises Google's exceptions; `translated` says which of
    ours each of them is.
    """

    def __init__(self, client: SecretManagerServiceClient, limits: Limits, clock: Clock) -> None:
        self._client, self._limits, self._clock = client, limits, clock
        self._reads, self._writes = (Pace(limits.quota - limits.left_to_others, 60.0, clock) for _ in range(2))
        self._patience, self._refusal_patience, self._ends = limits.run_patience, limits.refusal_patience, inf

    def until(self, ends: float, patience: float, refusal_patience: float) -> SecretManager:
        """Return these calls with another end and other patience. Connection and pace are shared."""
        other = copy(self)
        other._ends, other._patience, other._refusal_patience = ends, patience, refusal_patience
        return other

    def read(self, method: str, **request: Any) -> Any:
        return self._repeated(method, request, self._reads, self._is_passing)

    def write(self, method: str, **request: Any) -> Any:
        return self._repeated(method, request, self._writes, self._is_passing)

    def access(self, **request: Any) -> Any:
        """Access a version. Its quota is 150 times the others', so it has no pace."""
        return self._repeated("access_secret_version", request, None, self._is_passing)

    def add(self, before_again: Callable[[], None], **request: Any) -> Any:
        """Add a version: until the end whatever passes, and for a while also what refuses.

        `before_again` is called before each repetition, and may raise what ends it.

        What is added may be the account's only living token, and a right or a credential may be late by minutes.
        """
        refusals_end = self._clock.monotonic() + self._refusal_patience

        def may_pass(error: gcp.GoogleAPICallError, _: float) -> bool:
            passes = isinstance(error, (*_PASSING, gcp.Aborted))
            return passes or self._clock.monotonic() < refusals_end

        return self._repeated("add_secret_version", request, self._writes, may_pass, before_again)

    def pages(self, method: str, **request: Any) -> Iterator[Any]:
        """Yield the pages of a listing. The time is checked at each: a listing may have no end."""
        token = ""
        while True:
            page = self.read(method, **request, page_token=token)
            yield page
            if not (token := page.next_page_token):
                return

    def _is_passing(self, error: gcp.GoogleAPICallError, begun: float) -> bool:
        return isinstance(error, _PASSING) and self._clock.monotonic() - begun < self._patience

    def _repeated(
        self,
        method: str,
        request: dict[str, Any],
        pace: Pace | None,
        may_pass: Callable[[gcp.GoogleAPICallError, float], bool],
        before_again: Callable[[], None] = lambda: None,
    ) -> Any:
        begun, pause = self._clock.monotonic(), 4 * _SHORTEST_PAUSE
        while True:
            if pace:
                pace.wait()  # also before a repetition: no storm where a quota is used up
            try:
                return self._once(method, request)
            except gcp.GoogleAPICallError as error:
                left = self._ends - self._clock.monotonic()
                if not may_pass(error, begun) or left < _SHORTEST_PAUSE:
                    raise
            self._clock.sleep(min(pause * random.uniform(0.5, 1.0), left / 2))  # noqa: S311 (jitter)
            pause = min(pause * 2, 10.0)
            before_again()

    def _once(self, method: str, request: dict[str, Any]) -> Any:
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise gcp.DeadlineExceeded("no time left")  # type: ignore[no-untyped-call]
        return getattr(self._client, method)(request=request, timeout=min(self._limits.call_timeout, left), retry=None)


def translated(error: gcp.GoogleAPICallError) -> KeeperError:
    """Return our error for Google's. Google's text may quote a request, so it stays behind."""
    if isinstance(error, gcp.Aborted):
        return StoreConflict("Somebody else is changing the same secret.")
    if isinstance(error, (gcp.FailedPrecondition, gcp.NotFound)):
        return StoreConflict("Secret Manager does not have what was asked for, or it has changed in the meantime.")
    status = getattr(error.grpc_status_code, "name", "no status")
    reason = reason_of(error)
    said = f"{status}, {reason}" if reason else status
    if isinstance(error, _PASSING):
        return StoreUnavailable(f"Secret Manager is not available right now ({said}).")
    return StoreRefused(f"Secret Manager refused ({said}).")


def reason_of(error: gcp.GoogleAPICallError) -> str | None:
    """Return the reason that Google gives for a refusal, such as IAM_PERMISSION_DENIED or SERVICE_DISABLED."""
    reason = error.reason
    return reason if isinstance(reason, str) and reason.replace("_", "").isalnum() and len(reason) < 64 else None
