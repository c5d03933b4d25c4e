"""Faults on demand: which call fails, for whom or for which token, how, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sandbox.threads.refusals import REFUSALS, SHAPES, Refusal

# Each call and its name for people.
SIGN_IN_CALLS = {
    "authorize": "consent page",
    "exchange_code": "exchange of a code",
    "exchange_token": "exchange of a token",
    "refresh": "refresh",
    "me": "/me",
    "debug": "debug_token",
    "probe": "request for an app token",
}
POST_CALLS = {
    "make_post": "making of a container",
    "publish": "publishing",
    "list_posts": "list of posts",
    "read": "look at a post or container",
    "delete_post": "deletion of a post",
    "limit": "threads_publishing_limit",
    "insights": "insights of a post",
}
CALL_NAMES = SIGN_IN_CALLS | POST_CALLS
CALLS = tuple(SIGN_IN_CALLS)

MANNERS = {
    "error_in_200": "HTTP 200 with an error body",
    "no_token": "HTTP 200 without a token",
    "html": "HTTP 200 with a web page",
    "html_502": "HTTP 502 with a web page",
    "empty": "HTTP 200 with an empty body",
    "truncated": "the answer, cut in half",
    "redirect": "HTTP 302 to another address",
    "delay": "the answer, late",
    "hang": "the connection is accepted and never answered",
    "drip": "the answer, a byte now and then",
    "lost_reply": "it happens, and the connection closes without an answer",
    "another_person": "the answer is about somebody else",
    "short_lived": "the new token lives for an hour only",
    "float_lifetime": "expires_in is written as 5184000.0",
    "no_lifetime": "expires_in is missing",
    "no_username": "the username is missing",
    "not_inspected": "HTTP 200 that calls the token invalid, since the inspection itself failed",
}
CUSTOM = "custom"
NEWEST = "newest"
_TOKEN_CALLS = ("exchange_token", "refresh")
_ONLY_FOR = {
    "another_person": ("exchange_code", "exchange_token", "refresh", "me", "debug"),
    "short_lived": _TOKEN_CALLS,
    "float_lifetime": _TOKEN_CALLS,
    "no_lifetime": _TOKEN_CALLS,
    "no_username": ("me",),
    "not_inspected": ("debug",),
}
_MADE_UP = Refusal("An error that was made up for a test", 1)


@dataclass
class Fault:
    """One fault; `times` None is for good. `seconds` is the delay, or the pause between two bytes of a drip.

    `token` is the end of a token: the fault is for calls with that token only; "newest" is its owner's newest.
    The name "custom" is an error made of `code`, `subcode`, `type` and `message`; these also change a named error.
    `headers` are added to the reply.
    """

    call: str
    name: str
    times: int | None = 1
    username: str | None = None
    shape: int | None = None
    status: int | None = None
    seconds: float = 0.5
    token: str | None = None
    code: int | None = None
    subcode: int | None = None
    type: str | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError if this could never happen; the text says what could."""
        if self.call not in CALL_NAMES:
            raise ValueError(f"no call is named {self.call!r}; there are: {', '.join(CALL_NAMES)}")
        if not self.is_error and self.name not in MANNERS:
            names = ", ".join([CUSTOM, *MANNERS, *REFUSALS])
            raise ValueError(f"no fault is named {self.name!r}; there are: {names}")
        if self.call not in _ONLY_FOR.get(self.name, CALL_NAMES):
            raise ValueError(f"{self.name} does not fit {self.call}")
        self._check_numbers()
        self._check_texts()

    @property
    def is_error(self) -> bool:
        """Whether the reply is an error of Meta's, rather than no proper reply at all."""
        return self.name in REFUSALS or self.name in (CUSTOM, "error_in_200")

    def refusal(self) -> Refusal:
        """Return the error that this fault answers with, changed as was asked for."""
        base = {CUSTOM: _MADE_UP, "error_in_200": replace(REFUSALS["expired"], status=200)}
        wanted = {name: getattr(self, name) for name in ("shape", "status", "code", "subcode", "type", "message")}
        refusal = base.get(self.name) or REFUSALS[self.name]
        return replace(refusal, **{name: value for name, value in wanted.items() if value is not None})

    def fits(self, call: str, username: str | None, token: str, newest: bool) -> bool:
        """Return whether this call, of this person with this token, fails. `newest`: no newer one was made for them."""
        if self.call != call or self.username not in (None, username):
            return False
        return self.token is None or (newest if self.token == NEWEST else token.endswith(self.token))

    def in_words(self) -> str:
        """Return a sentence about what will happen."""
        often = {None: "Every", 1: "The next"}.get(self.times, f"{self.times} times: the next")
        whose = f" of {self.username}" if self.username else ""
        token = "" if self.token is None else " with the newest token" if self.token == NEWEST else " with one token"
        return f"{often} {CALL_NAMES[self.call]}{whose}{token}: {self._outcome()}"

    def _outcome(self) -> str:
        if self.name in MANNERS and not self.is_error:
            return MANNERS[self.name]
        refusal = self.refusal()
        return f"{refusal.in_words()}{f', in shape {self.shape}' if self.shape else ''}"

    def _check_numbers(self) -> None:
        if self.shape not in (None, *SHAPES):
            raise ValueError("shape must be 1, 2, 3 or 4")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError("times must be 1 or more, or none for good")
        if self.status is not None and (type(self.status) is not int or not 200 <= self.status <= 599):
            raise ValueError("status must be an HTTP status from 200 to 599")
        if not isinstance(self.seconds, (int, float)) or not 0 <= self.seconds <= 3600:
            raise ValueError("seconds must be from 0 to 3600")
        for name in ("code", "subcode"):
            if getattr(self, name) is not None and type(getattr(self, name)) is not int:
                raise ValueError(f"{name} must be a whole number")

    def _check_texts(self) -> None:
        for name in ("token", "type", "message"):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and text):
                raise ValueError(f"{name} must be a text")
        texts = [*self.headers, *self.headers.values()] if isinstance(self.headers, dict) else [None]
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise ValueError("headers must be names with a text each")
