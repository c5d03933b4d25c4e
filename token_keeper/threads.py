"""Meta's Threads API: the five calls that this keeper makes, and what their replies hold.

Source: Meta for Developers, Threads API: "Get Access Tokens", "Long-Lived Tokens", "Debug Token".
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Protocol

from token_keeper.access_token import bare, is_short_lived, looks_like_token
from token_keeper.account import looks_like_user_id
from token_keeper.clock import Clock
from token_keeper.errors import KeeperError, ThreadsUnavailable, TokenRefused, UnusableReply
from token_keeper.limits import Limits
from token_keeper.rate_limit import RateLimit
from token_keeper.refusals import Refusal, Reply, understand, whole_number


@dataclass(frozen=True, slots=True)
class LongLivedToken:
    """A 60-day token. `expires_in` is None where Threads did not say."""

    access_token: str
    expires_in: timedelta | None

    def __repr__(self) -> str:
        return f"LongLivedToken('**********', {self.expires_in!r})"


@dataclass(frozen=True, slots=True)
class Profile:
    """The person a token speaks for. `username` is None where Threads did not say."""

    user_id: str
    username: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `debug_token` says of a token. Times are aware, in UTC; None where it did not say."""

    is_valid: bool
    user_id: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    data_access_expires_at: datetime | None
    scopes: tuple[str, ...]
    is_endless: bool = False

    @property
    def is_short_lived(self) -> bool:
        return bool(self.issued_at and self.expires_at and is_short_lived(self.expires_at - self.issued_at))


class Wire(Protocol):
    """What carries a call to Threads and its answer back."""

    def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply: ...


class ThreadsClient:
    """The calls of the Threads API, safe to share between threads.

    Raises the Threads errors of `token_keeper.errors` and no others.
    """

    def __init__(self, wire: Wire, limits: Limits, clock: Clock) -> None:
        self._wire, self._limits, self._clock = wire, limits, clock
        self._rate_limit, self._ends = RateLimit(clock, limits.throttled_in_a_row, limits.throttled_pause), inf

    def until(self, ends: float) -> ThreadsClient:
        """Return the same client for calls that end by then, by the clock's `monotonic`; a new count of refusals."""
        other = copy(self)
        other._ends = ends
        self._rate_limit.begin()
        return other

    def exchange_code(self, app_id: str, app_secret: str, redirect_uri: str, code: str) -> str:
        """Spend an authorization code and return the short-lived token. Never sent twice: a code works once."""
        form = {
            "client_id": app_id,
            "client_secret": app_secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        return _access_token(self._send("POST", "/oauth/access_token", data=form, headers={"Connection": "close"}))

    def exchange_token(self, app_secret: str, short_lived: str) -> LongLivedToken:
        """Return a long-lived token for a short-lived one."""
        params = {"grant_type": "th_exchange_token", "client_secret": app_secret, "access_token": short_lived}
        return _long_lived(self._get("/access_token", params))

    def refresh_token(self, access_token: str) -> LongLivedToken:
        """Return a new long-lived token for an old one.

        Threads has no refresh token in RFC 6749's sense: the access token itself is the credential.
        """
        params = {"grant_type": "th_refresh_token", "access_token": access_token}
        return _long_lived(self._get("/refresh_access_token", params))

    def me(self, access_token: str) -> Profile:
        """Return the profile that a token belongs to."""
        reply = self._get("/v1.0/me", {"fields": "id,username", "access_token": access_token})
        user_id, username = reply.get("id"), reply.get("username")
        if not isinstance(user_id, str | int) or isinstance(user_id, bool) or not looks_like_user_id(str(user_id)):
            raise UnusableReply("Threads answered without a user id.")
        return Profile(str(user_id), username if isinstance(username, str) and username else None)

    def inspect(self, access_token: str) -> Inspection | None:
        """Return what `debug_token` says of a token, None if there is no answer, which says nothing about it.

        `debug_token` wants a tester of the app and refuses where there is none. An expired token cannot ask.
        """
        try:
            reply = self._get("/v1.0/debug_token", {"access_token": access_token, "input_token": access_token})
        except KeeperError:
            return None
        data = reply.get("data", reply)
        if not isinstance(data, dict) or not isinstance(data.get("is_valid"), bool):
            return None
        # Beside a token that is not valid stands why, and that need not be the token's fault.
        if (why := Refusal.parse(data)) and not isinstance(why.as_error(400, None), TokenRefused):
            return None
        return Inspection(
            is_valid=data["is_valid"],
            user_id=str(data["user_id"]) if data.get("user_id") else None,
            issued_at=_moment(data.get("issued_at")),
            expires_at=_moment(data.get("expires_at")),
            data_access_expires_at=_moment(data.get("data_access_expires_at")),
            scopes=_scopes(data.get("scopes")),
            is_endless=_seconds(data.get("expires_at")) == 0,
        )

    def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """GET, repeated a few times where Threads could not answer: each of these calls may be made twice."""
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._send("GET", path, params=params)
            except ThreadsUnavailable as error:
                if attempt == self._limits.attempts or error.retry_after:
                    raise
            self._clock.sleep(self._limits.backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise ThreadsUnavailable("There was no time left to ask Threads.")
        with self._rate_limit:
            return understand(self._wire.send(method, path, left, **what))


def _access_token(reply: Mapping[str, Any]) -> str:
    value = reply.get("access_token")
    token = bare(value) if isinstance(value, str) else ""
    if not looks_like_token(token):
        raise UnusableReply("Threads answered without an access token.")
    return token


def _long_lived(reply: Mapping[str, Any]) -> LongLivedToken:
    token, seconds = _access_token(reply), _seconds(reply.get("expires_in"))
    if seconds is None or seconds <= 0:
        return LongLivedToken(token, None)
    expires_in = timedelta(seconds=min(seconds, 10 * 365 * 86400))
    if is_short_lived(expires_in):
        raise UnusableReply("Threads answered with a short-lived token where a long-lived one was asked for.")
    return LongLivedToken(token, expires_in)


def _scopes(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and re.fullmatch(r"[a-z_]{1,64}", name))


def _moment(value: object) -> datetime | None:
    """Return a time from Unix seconds, None for 0, which is how Meta writes "never"."""
    seconds = _seconds(value)
    if not seconds or not 0 < seconds < 253402300800:  # the year 10000
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(value: object) -> int | None:
    """Return a whole number of seconds, which JSON may also write as 5184000.0 or "5184000.5"."""
    if isinstance(value, float) and abs(value) < 10**18:
        return int(value)
    if isinstance(value, str):
        value = re.sub(r"\.[0-9]+\Z", "", value)
    return whole_number(value)
