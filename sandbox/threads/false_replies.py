"""Replies that look right and are wrong: about somebody else, or with a token that lives for an hour only."""

from __future__ import annotations

from typing import Any

from sandbox.threads.ledger import Ledger
from sandbox.threads.person import Grant
from sandbox.threads.replies import code_reply, description, token_reply
from sandbox.threads.tokens import DEFAULT_SCOPES, GRANT_LIFE, Tokens


class FalseReplies:
    """What two of the faults answer with. Nothing happens to the tokens that the caller has."""

    def __init__(self, ledger: Ledger, tokens: Tokens) -> None:
        self._ledger, self._tokens = ledger, tokens

    def about_somebody_else(self, call: str, username: str | None) -> dict[str, Any]:
        """Return this call's reply for another person than this one."""
        with self._ledger.change() as now:
            other = next(one for one in reversed(self._ledger.people.values()) if one.username != username)
            if other.grant is None:
                other.grant = Grant(list(DEFAULT_SCOPES), now + GRANT_LIFE)
            token = self._tokens.mint(other, long_lived=call != "exchange_code", scopes=other.grant.scopes)
            replies: dict[str, dict[str, Any]] = {
                "exchange_code": code_reply(token, self._ledger.switches),
                "me": {"id": other.id, "username": other.username},
                "debug": {"data": description(token, now, self._ledger.switches)},
            }
            return replies.get(call) or token_reply(token)

    def for_an_hour(self, username: str) -> dict[str, Any]:
        """Return a token reply that holds a short-lived token of this person."""
        with self._ledger.change():
            person = self._ledger.person(username)
            scopes = person.grant.scopes if person.grant else DEFAULT_SCOPES
            return token_reply(self._tokens.mint(person, long_lived=False, scopes=scopes))
