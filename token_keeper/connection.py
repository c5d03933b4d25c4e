"""The connection to the Threads API: one pool of TLS connections, and every way in which a call can fail on it.

The one module that uses `requests`. Every URL that is sent holds a secret in its query, because Meta wants it there.
So nothing that `requests` or `urllib3` raises or logs may leave this module.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.util import Retry

from token_keeper import tls
from token_keeper.deadline import within
from token_keeper.errors import LostReply, ThreadsUnavailable, UnusableReply
from token_keeper.limits import Limits
from token_keeper.refusals import Reply

CODE_PATH = "/oauth/access_token"
LARGEST_REPLY = 256 * 1024  # bytes; real ones are under two thousand

# urllib3 writes request lines with their query at DEBUG, and whole URLs at WARNING where a reply's header is broken.
logging.getLogger("urllib3.connectionpool").disabled = True
logging.getLogger("urllib3.connection").disabled = True
logging.getLogger("urllib3.util.retry").disabled = True

# Connecting may be tried again, since nothing was sent yet. Nothing else may.
_ONLY_CONNECTING = Retry(total=None, connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2)


class Connection:
    """One connection pool to the Threads API, safe to share between threads.

    `context` is what its TLS connections are made with; without one, they trust Mozilla's certificates.
    """

    def __init__(self, api_url: str, limits: Limits, context: ssl.SSLContext | None = None) -> None:
        self._api_url, self._limits = api_url, limits
        self._session = _Session()
        # Tokens go to Threads alone: no proxy, .netrc or CA bundle that the environment names, and no cookies.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = "threads-token-keeper"
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "identity"
        adapter = partial(_OneContextAdapter, context or tls.context())
        self._session.mount(api_url, adapter(limits.workers))
        # A connection of its own, used once: one that died while it was idle must not spend the code.
        self._session.mount(api_url + CODE_PATH, adapter(1))

    def send(self, method: str, path: str, seconds: float, **what: Any) -> Reply:
        """Make one call that takes at most so many seconds and return its answer, whatever it is.

        Raises ThreadsUnavailable if nothing was sent, LostReply if something was and no answer came, UnusableReply if
        the answer is too large.
        """
        connect, read = min(self._limits.connect_timeout, seconds), min(self._limits.read_timeout, seconds)
        at_most = min(connect + read, seconds)
        deadline = time.monotonic() + at_most
        ask = partial(self._session.request, method, self._api_url + path, timeout=(connect, read), **what)
        try:
            # In a thread: no timeout is for a name that is not resolved, nor for headers that come byte by byte.
            with within(at_most, partial(ask, allow_redirects=False, stream=True)) as response:
                return Reply(response.status_code, _read(response, deadline), response.headers.get("Retry-After"))
        except (requests.RequestException, HTTPError, UnicodeError, TimeoutError) as error:
            # `from None`: the exception's text holds the URL, and the URL holds the token and the app secret.
            if _never_sent(error):
                raise ThreadsUnavailable("Threads could not be reached.") from None
            raise LostReply("Threads did not answer, or the connection broke.") from None


class _Session(requests.Session):
    """Follows no redirect. requests reads the whole body of one, even where redirects are off."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _OneContextAdapter(HTTPAdapter):
    """Shares one TLS context between all connections: reading the CA bundle for each costs 20 ms of CPU."""

    def __init__(self, context: ssl.SSLContext, pool_size: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=pool_size, max_retries=_ONLY_CONNECTING)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # no CA path here: the context has read the bundle


def _never_sent(error: Exception) -> bool:
    """Return whether no request was sent: there was no connection, or its certificate was not accepted."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    tls = reason.args[0] if reason and reason.args else None
    return isinstance(reason, NewConnectionError) or isinstance(tls, ssl.SSLCertVerificationError)


def _read(response: requests.Response, deadline: float) -> bytes:
    """Return the body; raise if it is too large, or not whole at the deadline or where the connection breaks."""
    body = bytearray()
    try:
        while chunk := response.raw.read1(8192, decode_content=True):  # returns what has arrived so far
            body += chunk
            if len(body) > LARGEST_REPLY:
                raise UnusableReply("Threads answered with far more than an API reply.")
            if time.monotonic() > deadline:
                raise TimeoutError
    except (HTTPError, TimeoutError):
        if not _is_whole(body):
            raise LostReply("Threads did not finish its answer.") from None
    return bytes(body)


def _is_whole(body: bytearray) -> bool:
    """Return whether this is all of a JSON object. Then it counts, however late it came: it may hold a token."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
