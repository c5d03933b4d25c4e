"""Who may call what: a living token, with the permission, of a person whose grant has not ended."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.threads.credentials import Token
from sandbox.threads.ledger import Ledger
from sandbox.threads.refusals import refused

BASIC = "threads_basic"


def permitted(ledger: Ledger, given: Mapping[str, str], scope: str = BASIC) -> Token:
    """Return the token of this call; raise Refused if it does not permit what the scope names."""
    token = ledger.living_token(given.get("access_token"))
    grant = token.person.grant
    over = grant is None or ledger.clock.now() >= grant.expires_at
    for wanted in (BASIC, scope):
        if over or wanted not in token.scopes:
            raise refused("permission", message=f"(#10) The permission {wanted} is missing")
    return token


def check_own(token: Token, user: str) -> None:
    """Raise Refused unless the user of the path is the token's own: "me" or the id."""
    if user not in ("me", token.person.id):
        raise refused("no_object")
