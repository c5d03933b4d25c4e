"""What the local Threads issues to an app: authorization codes and access tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sandbox.threads.person import Person


@dataclass(eq=False)
class Token:
    """An access token. `issued_at` is when it was issued or last refreshed; `dead` names the refusal that ended it."""

    value: str = field(repr=False)
    person: Person
    long_lived: bool
    issued_at: datetime
    expires_at: datetime
    scopes: list[str]
    dead: str | None = None

    def cause_of_death(self, now: datetime) -> str | None:
        """Return the name of the refusal that this token meets, None while it is alive."""
        return self.dead or ("expired" if now >= self.expires_at else None)


@dataclass(eq=False)
class Code:
    """An authorization code, bound to the request that it answers."""

    value: str = field(repr=False)
    person: Person
    client_id: str
    redirect_uri: str
    scopes: list[str]
    expires_at: datetime
