"""What a reply of the Threads API means: Meta's four error shapes, and which error of ours each refusal is.

Meta's list of codes is never complete. So a refusal is classed by what it is evidence of, and what is evidence of
nothing is unclear. Source: Meta for Developers, Threads API: "Error Responses"; RFC 6749 section 5.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from token_keeper.errors import (
    AppMisconfigured,
    BlockedForNow,
    CodeSpent,
    PassingError,
    PermanentError,
    PermissionMissing,
    ThreadsUnavailable,
    Throttled,
    TokenRefused,
    UnclearRefusal,
    UnreadableRefusal,
    UnusableReply,
)


class Reply(NamedTuple):
    """An answer of the Threads API. `retry_after` is its Retry-After header, as it came."""

    status: int
    body: bytes
    retry_after: str | None = None


def understand(reply: Reply) -> dict[str, Any]:
    """Return a reply's JSON object, or raise the error that it means, whatever the HTTP status says."""
    status, wait = reply.status, seconds_to_wait(reply.retry_after)
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        body = None
    refusal = Refusal.parse(body)
    if refusal or status in (401, 429) or status >= 500:
        raise (refusal or Refusal()).as_error(status, wait)
    if status >= 400 and (isinstance(body, dict) or wait):
        raise Refusal().as_error(status, wait)
    if status >= 400:
        raise UnreadableRefusal(f"Threads, or something in front of it, refused without an API error (HTTP {status}).")
    # A sibling API of Meta's wraps its reply in {"data": [{…}]}.
    if isinstance(body, dict) and isinstance(body.get("data"), list) and len(body["data"]) == 1:
        body = body["data"][0]
    if status != 200 or not isinstance(body, dict):
        raise UnusableReply(f"Threads answered {status} with something that is not an API reply.")
    return body


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header, None if it holds none. RFC 9110 section 10.2.3: seconds or a date."""
    if not retry_after:
        return None
    if re.fullmatch(r"[ \t]*[0-9]+[ \t]*", retry_after, re.ASCII):
        return min(float(retry_after), 1e9)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply, read from any of Meta's four shapes. `text` decides its class and is never shown."""

    code: int | None = None
    subcode: int | None = None
    transient: bool = False
    text: str = ""

    @classmethod
    def parse(cls, reply: object) -> Refusal | None:
        """Return the refusal in a reply, None if the reply is none."""
        if not isinstance(reply, dict):
            return None
        error = reply.get("error")
        if isinstance(error, dict):
            texts = ("type", "message", "error_user_title", "error_user_msg")
            return cls(
                code=whole_number(error.get("code")),
                subcode=whole_number(error.get("error_subcode")),
                transient=str(error.get("is_transient")).lower() == "true",
                text=" ".join(str(error.get(name)) for name in texts).lower(),
            )
        if isinstance(error, str) and error:  # RFC 6749 section 5.2
            return cls(text=f"{error} {reply.get('error_description')}".lower())
        if reply.get("error_type"):  # its `code` only repeats the HTTP status
            return cls(text=f"{reply['error_type']} {reply.get('error_message')}".lower())
        if reply.get("error_code") or reply.get("error_message"):
            return cls(whole_number(reply.get("error_code")), text=str(reply.get("error_message")).lower())
        return None

    def as_error(self, status: int, retry_after: float | None) -> PassingError | PermanentError:
        """Return the error that this refusal means."""
        rule, codes = next(rule for rule in _RULES if rule.applies(self, status)), self._codes(status)
        if rule.error is UnclearRefusal and retry_after:
            rule = _THROTTLED  # what asks to wait, and says nothing else, passes
        message = rule.message.format(codes=codes, reason=_SUBCODES.get(self.subcode or 0, ""))
        if issubclass(rule.error, PassingError):
            return rule.error(message, retry_after)
        return rule.error(message, None if self.code == 190 else codes)

    def is_of(self, *codes: int | range) -> bool:
        return any(self.code in one if isinstance(one, range) else self.code == one for one in codes)

    def says(self, pattern: str) -> bool:
        return bool(re.search(pattern, self.text))

    def _codes(self, status: int) -> str:
        parts = [f"HTTP {status}"]
        parts += [f"code {self.code}"] if self.code is not None else []
        parts += [f"subcode {self.subcode}"] if self.subcode is not None else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class _Rule:
    applies: Callable[[Refusal, int], bool]
    error: type[PassingError] | type[PermanentError]
    message: str


# What tells a passing fault where a code does not.
_THROTTLED_WORDS = r"rate[ _]?limit|(request|call) limit|too[ _]many[ _](api[ _])?(calls|requests)"
_PASSING_WORDS = r"temporarily[ _]unavailable|server_error|retry your request|try again later|unknown error"
_CODE_WORDS = r"matching code|authorization code|verification code|invalid_grant"
# What speaks of the app rather than of a token: that it is gone, or its id, secret, capabilities, and who may use it.
_APP_IS_GONE_WORDS = (
    r"validating application|development mode|"
    r"(invalid|unknown|inactive|disabled|deleted|suspended) (\w+ )?app(lication)?\b|"
    r"\bapp(lication)? (\w+ ){0,3}(deactivated|deleted|disabled|inactive|suspended|restricted|blocked)|"
    r"\bapp(lication)? ((is |has )?not|isn't|hasn't) (\w+ )?(active|accessible|available|live|approved)"
)
_APP_WORDS = (
    r"client[ _](secret|id)|redirect[ _]uri|app[ _]?secret|app[ _]id\b|invalid_client|unauthorized_client|"
    r"capability|developer role|administrator role|role (on|in) the app|\btesters?\b|app dashboard|"
    r"app review|reviewed and approved|(advanced|standard) access|deprecated|source ip\b|this ip\b|"
    r"api access (is |has been |was )?(deactivated|blocked|disabled|restricted|revoked|suspended)"
)
_OF_A_TOKEN = (190, 102)
_REFUSED_WORDS = (
    r"validating access token|invalid[_ ](oauth )?(access[_ ])?token|session (has|is) (been )?(expired|invalid)|"
    r"token (provided )?(has |is )?(been )?(expired|invalid|revoked)"
)


def _is_of_a_token(refusal: Refusal) -> bool:
    return refusal.is_of(*_OF_A_TOKEN) or (refusal.code is None and refusal.says(_REFUSED_WORDS))


def _speaks_of_a_code(refusal: Refusal) -> bool:
    return refusal.says(_CODE_WORDS) and not refusal.says("access token|token has")


def _blames_the_app(refusal: Refusal, status: int) -> bool:
    if _is_of_a_token(refusal):  # such a text may mention the app, too
        return refusal.says(_APP_IS_GONE_WORDS) and not refusal.says(r"access token|session|\buser")
    # A text of a server that is down is about that server.
    if _speaks_of_a_code(refusal) or (refusal.code is None and status >= 500):
        return False
    if refusal.is_of(3, 101, 191, 4476002, range(1349000, 1350000)):
        return True
    return refusal.says(_APP_IS_GONE_WORDS) or refusal.says(_APP_WORDS)


def _is_throttled(refusal: Refusal, status: int) -> bool:
    if not _is_of_a_token(refusal) and refusal.says(_THROTTLED_WORDS):
        return True
    return status == 429 or refusal.is_of(4, 17, 32, 341, 613, range(80000, 80015))


def _is_passing(refusal: Refusal, _: int) -> bool:
    return refusal.transient or refusal.is_of(2) or (refusal.code is None and refusal.says(_PASSING_WORDS))


_THROTTLED = _Rule(_is_throttled, Throttled, "Threads limits the rate of calls ({codes}).")
# The first rule that applies decides.
_RULES = (
    _THROTTLED,
    _Rule(_is_passing, ThreadsUnavailable, "Threads reports a passing fault ({codes})."),
    _Rule(
        lambda refusal, _: refusal.is_of(368),
        BlockedForNow,
        "Threads blocks this for now ({codes}): look at the account's notices.",
    ),
    # Before the app: such a text may mention the redirect URI that the code was made for.
    _Rule(
        lambda refusal, status: status < 500 and _speaks_of_a_code(refusal),
        CodeSpent,
        "The authorization code was used before, is too old, or does not fit.",
    ),
    _Rule(_blames_the_app, AppMisconfigured, "Threads refuses the app's configuration ({codes})."),
    _Rule(
        lambda refusal, status: status >= 500 or refusal.is_of(1),
        ThreadsUnavailable,
        "Threads reports a passing fault ({codes}).",
    ),
    _Rule(
        lambda refusal, _: _is_of_a_token(refusal),
        TokenRefused,
        "Threads no longer accepts this token ({codes}{reason}).",
    ),
    _Rule(
        lambda refusal, _: refusal.is_of(10, range(200, 300)),
        PermissionMissing,
        "The token lacks a permission ({codes}).",
    ),
    _Rule(lambda _, status: status == 401, TokenRefused, "Threads no longer accepts this token ({codes})."),
    _Rule(lambda *_: True, UnclearRefusal, "Threads refused, and did not say clearly why ({codes})."),
)

_SUBCODES = {
    458: ": the person removed the app",
    459: ": Threads wants the person to pass a checkpoint first",
    460: ": the password was changed",
    463: ": it expired",
    464: ": Threads wants the person to confirm the account first",
    467: ": it was invalidated",
    492: ": the session is invalid",
}


def whole_number(value: object) -> int | None:
    """Return an integer that Meta writes as a number or as a string, None if the value is no integer."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if not isinstance(value, int) or abs(value) < 10**18 else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else None
