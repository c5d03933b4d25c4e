"""Meta's Threads API: the five calls this keeper makes, and what each refusal means.

The one module that uses `requests`. Every URL it makes holds a secret in its query, because Meta wants it there: so
nothing that `requests` or `urllib3` raises or logs may leave this file.
Source: Meta for Developers, Threads API: "Get Access Tokens", "Long-Lived Tokens", "Debug Token", "Error Responses".
"""

from __future__ import annotations

import json
import logging
import random
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from certifi import where as ca_bundle
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.util import Retry, create_urllib3_context

from token_keeper.account import SHORTEST_LIFETIME, looks_like_token, looks_like_user_id
from token_keeper.errors import (
    AppMisconfigured,
    BlockedForNow,
    CodeSpent,
    KeeperError,
    LostReply,
    PermanentError,
    PermissionMissing,
    ThreadsUnavailable,
    Throttled,
    TokenRefused,
    UnclearRefusal,
    UnreadableRefusal,
    UnusableReply,
)

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 15.0  # seconds
ATTEMPTS, BACKOFF = 3, 0.5  # of what may be repeated; seconds, doubled each time, with jitter
CODE_PATH = "/oauth/access_token"
LARGEST_REPLY = 256 * 1024  # bytes; real ones are under two thousand

# urllib3 writes request lines with their query at DEBUG, and whole URLs at WARNING where a reply's header is broken.
logging.getLogger("urllib3.connectionpool").disabled = True
logging.getLogger("urllib3.connection").disabled = True
logging.getLogger("urllib3.util.retry").disabled = True


@dataclass(frozen=True, slots=True)
class LongLivedToken:
    """A 60-day token. `expires_in` is None where Threads did not say."""

    access_token: str
    expires_in: timedelta | None

    def __repr__(self) -> str:
        return f"LongLivedToken('**********', {self.expires_in!r})"


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a token speaks for."""

    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `debug_token` says of a token. Times are aware, in UTC; None where it did not say."""

    is_valid: bool
    user_id: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    data_access_expires_at: datetime | None
    scopes: tuple[str, ...]

    @property
    def is_short_lived(self) -> bool:
        """It was made to live for less than a day."""
        return bool(self.issued_at and self.expires_at and self.expires_at - self.issued_at < SHORTEST_LIFETIME)


class ThreadsClient:
    """One connection pool to the Threads API, safe to share between threads.

    Raises the Threads errors of `token_keeper.errors` and no others.
    """

    def __init__(self, api_url: str, pool_size: int = 8) -> None:
        self._api_url = api_url
        self._session = _Session()
        # Tokens go to Threads alone: no proxy, .netrc or CA bundle that the environment names, and no cookies.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = "threads-token-keeper"
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "identity"
        adapter = partial(_adapter, _tls_context() if api_url.startswith("https:") else None)
        self._session.mount(api_url, adapter(pool_size))
        # A connection of its own, used once: one that died while it was idle must not spend the code.
        self._session.mount(api_url + CODE_PATH, adapter(1))

    def exchange_code(self, app_id: str, app_secret: str, redirect_uri: str, code: str) -> str:
        """Spend an authorization code; give the short-lived token. Never sent twice: the first may have burnt it."""
        form = {
            "client_id": app_id,
            "client_secret": app_secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        return _access_token(self._send("POST", CODE_PATH, data=form, headers={"Connection": "close"}))

    def exchange_token(self, app_secret: str, short_lived: str) -> LongLivedToken:
        """Turn a short-lived token into a long-lived one."""
        params = {"grant_type": "th_exchange_token", "client_secret": app_secret, "access_token": short_lived}
        return _long_lived(self._get("/access_token", params))

    def refresh_token(self, access_token: str) -> LongLivedToken:
        """Refresh a long-lived token.

        A verb here: Threads has no refresh token in RFC 6749's sense, the access token itself is the credential.
        """
        params = {"grant_type": "th_refresh_token", "access_token": access_token}
        return _long_lived(self._get("/refresh_access_token", params))

    def me(self, access_token: str) -> Profile:
        """Ask whose token this is."""
        reply = self._get("/v1.0/me", {"fields": "id,username", "access_token": access_token})
        user_id, username = reply.get("id"), reply.get("username")
        if not isinstance(user_id, str | int) or isinstance(user_id, bool) or not isinstance(username, str):
            raise UnusableReply("Threads answered without an id and a username.")
        if not looks_like_user_id(str(user_id)):
            raise UnusableReply("Threads answered with an id that can be none.")
        return Profile(str(user_id), username)

    def inspect(self, access_token: str) -> Inspection | None:
        """Have a token inspect itself; None where Threads cannot tell, which says nothing against the token.

        `debug_token` wants a tester of the app and refuses where there is none; an expired token cannot ask.
        """
        try:
            reply = self._get("/v1.0/debug_token", {"access_token": access_token, "input_token": access_token})
        except KeeperError:
            return None
        data = reply.get("data", reply)
        if not isinstance(data, dict) or not isinstance(data.get("is_valid"), bool):
            return None
        scopes = data.get("scopes")
        return Inspection(
            is_valid=data["is_valid"],
            user_id=str(data["user_id"]) if data.get("user_id") else None,
            issued_at=_moment(data.get("issued_at")),
            expires_at=_moment(data.get("expires_at")),
            data_access_expires_at=_moment(data.get("data_access_expires_at")),
            scopes=tuple(s for s in scopes if isinstance(s, str) and re.fullmatch(r"[a-z_]{1,64}", s))
            if isinstance(scopes, list)
            else (),
        )

    def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """GET, repeated a few times where Threads could not answer: each of these calls may be made twice."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._send("GET", path, params=params)
            except ThreadsUnavailable:
                if attempt == ATTEMPTS:
                    raise
            time.sleep(BACKOFF * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """Make one call and give the JSON object it was answered with; the only place that touches the wire."""
        deadline = time.monotonic() + CONNECT_TIMEOUT + READ_TIMEOUT
        try:
            with self._session.request(
                method,
                self._api_url + path,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
                **what,
            ) as response:
                body = _read(response, deadline)
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            # `from None`: the exception's text holds the URL, and the URL holds the token and the app secret.
            if _never_sent(error):
                raise ThreadsUnavailable("Threads could not be reached.") from None
            raise LostReply("Threads did not answer, or the connection broke.") from None
        return _understand(response.status_code, body)


# Connecting may be tried again, since nothing was sent yet; nothing else may.
_ONLY_CONNECTING = Retry(total=None, connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2)


class _Session(requests.Session):
    """Sees no redirect: requests reads its body without measure, even where it is not to follow it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _adapter(context: ssl.SSLContext | None, pool_size: int) -> HTTPAdapter:
    options: dict[str, Any] = {
        "pool_connections": 1,
        "pool_maxsize": pool_size,
        "max_retries": _ONLY_CONNECTING,
    }
    return _OneContextAdapter(context, **options) if context else HTTPAdapter(**options)


def _tls_context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.load_verify_locations(ca_bundle())
    return context


class _OneContextAdapter(HTTPAdapter):
    """One TLS context for all connections: without it each new one reads the CA bundle again, 20 ms of CPU."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self._context = context
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # and no CA path: the context has read it


def _never_sent(error: Exception) -> bool:
    """Tell whether no request left: no connection came about, or the server could not show who it is."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    tls = reason.args[0] if reason and reason.args else None
    return isinstance(reason, NewConnectionError) or isinstance(tls, ssl.SSLCertVerificationError)


def _read(response: requests.Response, deadline: float) -> bytes:
    """Read a body that neither drips for ever nor fills the memory."""
    body = bytearray()
    while chunk := response.raw.read1(8192, decode_content=True):  # what has come, not what is still to come
        body += chunk
        if len(body) > LARGEST_REPLY:
            raise UnusableReply("Threads answered with far more than an API reply.")
        if time.monotonic() > deadline:
            raise LostReply("Threads took too long to finish its answer.")
    return bytes(body)


def _understand(status: int, body: bytes) -> dict[str, Any]:
    """Give a reply's JSON object, or raise what its error means, whatever the HTTP status says."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        reply = None
    refusal = _Refusal.parse(reply)
    if refusal or status in (401, 429) or status >= 500:
        raise (refusal or _Refusal()).as_error(status)
    if status >= 400 and isinstance(reply, dict):
        raise _Refusal().as_error(status)
    if status >= 400:
        raise UnreadableRefusal(f"Threads, or something in front of it, refused without an API error (HTTP {status}).")
    # A sibling API of Meta's wraps its reply in {"data": [{…}]}.
    if isinstance(reply, dict) and isinstance(reply.get("data"), list) and len(reply["data"]) == 1:
        reply = reply["data"][0]
    if status != 200 or not isinstance(reply, dict):
        raise UnusableReply(f"Threads answered {status} with something that is not an API reply.")
    return reply


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An error reply, read from any of Meta's four shapes. `text` is looked at and never shown."""

    code: int | None = None
    subcode: int | None = None
    transient: bool = False
    text: str = ""

    @classmethod
    def parse(cls, reply: object) -> _Refusal | None:
        if not isinstance(reply, dict):
            return None
        error = reply.get("error")
        if isinstance(error, dict):
            return cls(
                code=_int(error.get("code")),
                subcode=_int(error.get("error_subcode")),
                transient=error.get("is_transient") is True,
                text=f"{error.get('type')} {error.get('message')}",
            )
        if isinstance(error, str):  # RFC 6749 section 5.2
            return cls(text=f"{error} {reply.get('error_description')}")
        if "error_type" in reply:  # its `code` is only the HTTP status again
            return cls(text=f"{reply['error_type']} {reply.get('error_message')}")
        if "error_code" in reply or "error_message" in reply:
            return cls(_int(reply.get("error_code")), text=str(reply.get("error_message")))
        return None

    def as_error(self, status: int) -> KeeperError:
        code, text = self.code, self.text.lower()
        if status == 429 or code in (4, 17, 32, 341, 613):
            return Throttled(f"Threads limits the rate of calls ({self._codes(status)}).")
        if self.transient or code == 2 or (code is None and _PASSING_WORDS.search(text)):
            return ThreadsUnavailable(f"Threads reports a passing fault ({self._codes(status)}).")
        if code == 368:
            return BlockedForNow(f"Threads blocks this for now ({self._codes(status)}): look at the account's notices.")
        if self._blames_the_app(code, text):
            return AppMisconfigured(f"Threads refuses the app's configuration ({self._codes(status)}).")
        if status >= 500 or code == 1:
            return ThreadsUnavailable(f"Threads reports a passing fault ({self._codes(status)}).")
        return self._permanent(status, text)

    def _permanent(self, status: int, text: str) -> PermanentError:
        code = self.code
        if code in (190, 102):
            reason = _SUBCODES.get(self.subcode or 0, "")
            return TokenRefused(f"Threads no longer accepts this token ({self._codes(status)}{reason}).")
        if code is not None and (code == 10 or 200 <= code <= 299):
            return PermissionMissing(f"The token lacks a permission ({self._codes(status)}).")
        if re.search(r"matching code|authorization code|verification code|invalid_grant", text):
            return CodeSpent("The authorization code was used before, or is too old.")
        if status == 401:
            return TokenRefused(f"Threads no longer accepts this token ({self._codes(status)}).")
        return UnclearRefusal(f"Threads refused, and did not say clearly why ({self._codes(status)}).")

    @staticmethod
    def _blames_the_app(code: int | None, text: str) -> bool:
        if code in (190, 102):  # a token's own fault, whatever its text mentions
            return False
        if code in (101, 191, 4476002) or (code is not None and 1349000 <= code <= 1349999):
            return True
        if (
            "invalid_client" in text
            or "unauthorized_client" in text
            or (code in (1, None) and "validating application" in text)
        ):
            return True
        return bool(re.search(r"client[ _]secret|redirect[ _]uri", text))

    def _codes(self, status: int) -> str:
        parts = [f"HTTP {status}"]
        parts += [f"code {self.code}"] if self.code is not None else []
        parts += [f"subcode {self.subcode}"] if self.subcode is not None else []
        return ", ".join(parts)


# Of RFC 6749, and of Meta's codes 1 and 2: what tells a passing fault where a reply's shape has no room for a code.
_PASSING_WORDS = re.compile(r"temporarily[ _]unavailable|server_error|retry your request|try again later|unknown error")

_SUBCODES = {
    458: ": the person removed the app",
    459: ": Threads wants the person to pass a checkpoint first",
    460: ": the password was changed",
    463: ": it expired",
    464: ": Threads wants the person to confirm the account first",
    467: ": it was invalidated",
    492: ": the session is invalid",
}


def _access_token(reply: Mapping[str, Any]) -> str:
    token = reply.get("access_token")
    if not isinstance(token, str) or not looks_like_token(token):
        raise UnusableReply("Threads answered without an access token.")
    return token


def _long_lived(reply: Mapping[str, Any]) -> LongLivedToken:
    token, seconds = _access_token(reply), _int(reply.get("expires_in"))
    if seconds is None or seconds <= 0:
        return LongLivedToken(token, None)
    expires_in = timedelta(seconds=min(seconds, 10 * 365 * 86400))
    if expires_in < SHORTEST_LIFETIME:
        raise UnusableReply("Threads answered with a short-lived token where a long-lived one was asked for.")
    return LongLivedToken(token, expires_in)


def _int(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if not isinstance(value, int) or abs(value) < 10**18 else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else None


def _moment(value: object) -> datetime | None:
    """Read Unix seconds; 0 is how Meta writes "never"."""
    seconds = _int(value)
    if not seconds or not 0 < seconds < 253402300800:  # the year 10000
        return None
    return datetime.fromtimestamp(seconds, UTC)
