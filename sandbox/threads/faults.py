"""Faults on demand: which call goes wrong, for whom, how, and how often."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sandbox.threads.refusals import REFUSALS, SHAPES, Refusal

CALLS = ("authorize", "exchange_code", "exchange_token", "refresh", "me", "debug", "probe")

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
}
_ONLY_FOR = {
    "another_person": ("exchange_code", "exchange_token", "refresh", "me", "debug"),
    "short_lived": ("exchange_token", "refresh"),
}


@dataclass
class Fault:
    """One fault; `times` None is for good. `seconds` is the delay, or the pause between two bytes of a drip."""

    call: str
    name: str
    times: int | None = 1
    username: str | None = None
    shape: int | None = None
    status: int | None = None
    seconds: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError where this could never happen, and say what could."""
        if self.call not in CALLS:
            raise ValueError(f"no call is named {self.call!r}; there are: {', '.join(CALLS)}")
        if self.name not in REFUSALS and self.name not in MANNERS:
            raise ValueError(f"no fault is named {self.name!r}; there are: {', '.join([*MANNERS, *REFUSALS])}")
        if self.call not in _ONLY_FOR.get(self.name, CALLS):
            raise ValueError(f"{self.name} does not fit {self.call}")
        if self.shape not in (None, *SHAPES):
            raise ValueError("shape must be 1, 2, 3 or 4")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError("times must be 1 or more, or none for good")
        if self.status is not None and (type(self.status) is not int or not 200 <= self.status <= 599):
            raise ValueError("status must be an HTTP status from 200 to 599")
        if not isinstance(self.seconds, (int, float)) or not 0 <= self.seconds <= 3600:
            raise ValueError("seconds must be from 0 to 3600")

    def refusal(self) -> Refusal:
        """Give the error that this fault answers with, in the shape and with the status that were asked for."""
        refusal = REFUSALS["expired"] if self.name == "error_in_200" else REFUSALS[self.name]
        changes: dict[str, Any] = {"status": 200} if self.name == "error_in_200" else {}
        changes |= {"shape": self.shape} if self.shape else {}
        changes |= {"status": self.status} if self.status else {}
        return replace(refusal, **changes)

    def fits(self, call: str, username: str | None) -> bool:
        """Tell whether this call of this person goes wrong."""
        return self.call == call and self.username in (None, username)
