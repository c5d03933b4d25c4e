"""An account: a Threads profile this keeper looks after, and the one secret that stands for it.

The payload of that secret is the access token and nothing else. What people and the refresh run want to know of it
stands in the secret's labels and annotations, which are never secret and may lag behind the versions after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from token_keeper.clock import parse_rfc3339, rfc3339

SECRET_PREFIX = "threads-token-"  # noqa: S105 (the name of a secret, not one)
MANAGED_BY, KEEPER = "managed-by", "threads-token-keeper"
USER_ID = "threads-user-id"
# A long-lived token lives 60 days, a short-lived one an hour. What lives less than a day is not worth keeping.
SHORTEST_LIFETIME = timedelta(days=1)
OUR_ANNOTATIONS = frozenset(
    {"threads-username", "version", "refreshed-at", "expires-at", "data-access-expires-at", "scopes"}
)


def secret_id_for(username: str) -> str | None:
    """Name the secret of a username: lower case, `.` written `-`; None where no username reads like this.

    Reversible, because a username has letters, digits, `_` and `.` only, in ASCII, and never a `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9._]{1,30}", username):
        return None
    return SECRET_PREFIX + username.lower().replace(".", "-")


def looks_like_token(text: str) -> bool:
    """Tell whether this could be an access token at all: printable ASCII without blanks, quotes, brackets or braces."""
    return bool(re.fullmatch(r"[!#-&(-;=?-z|~]{1,4096}", text))


def looks_like_user_id(text: str) -> bool:
    """Tell whether a label can hold this as a Threads user id."""
    return bool(re.fullmatch(r"[a-z0-9_-]{1,63}", text, re.ASCII))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the annotations say of one version. Times are aware, in UTC."""

    version: int
    refreshed_at: datetime
    expires_at: datetime
    data_access_expires_at: datetime | None
    scopes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, annotations: Mapping[str, str]) -> Facts | None:
        """Read them; None where they are absent or were edited into something else."""
        grant = annotations.get("data-access-expires-at")
        try:
            return cls(
                version=int(annotations["version"]),
                refreshed_at=parse_rfc3339(annotations["refreshed-at"]),
                expires_at=parse_rfc3339(annotations["expires-at"]),
                data_access_expires_at=parse_rfc3339(grant) if grant else None,
                scopes=tuple(scope for scope in annotations.get("scopes", "").split(",") if scope),
            )
        except (KeyError, ValueError, OverflowError):
            return None

    def annotations(self, username: str) -> dict[str, str]:
        """Write them as Secret Manager keeps them."""
        written = {
            "threads-username": username,
            "version": str(self.version),
            "refreshed-at": rfc3339(self.refreshed_at),
            "expires-at": rfc3339(self.expires_at),
            "scopes": ",".join(self.scopes),
        }
        if self.data_access_expires_at:
            written["data-access-expires-at"] = rfc3339(self.data_access_expires_at)
        return written


@dataclass(frozen=True, slots=True)
class Account:
    """One account as a listing shows it. Labels and annotations that are not ours are carried along untouched."""

    secret_id: str
    user_id: str | None
    facts: Facts | None
    etag: str
    other_labels: Mapping[str, str] = field(default_factory=dict)
    other_annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_secret(
        cls, secret_id: str, labels: Mapping[str, str], annotations: Mapping[str, str], etag: str
    ) -> Account:
        return cls(
            secret_id=secret_id,
            user_id=labels.get(USER_ID) or None,
            facts=Facts.parse(annotations),
            etag=etag,
            other_labels={k: v for k, v in labels.items() if k not in (MANAGED_BY, USER_ID)},
            other_annotations={k: v for k, v in annotations.items() if k not in OUR_ANNOTATIONS},
        )

    @property
    def username(self) -> str:
        """The username that the secret's name stands for, or that name itself where it stands for none."""
        return self._plain_name if self.well_named else self.secret_id

    @property
    def well_named(self) -> bool:
        return secret_id_for(self._plain_name) == self.secret_id

    @property
    def _plain_name(self) -> str:
        return self.secret_id.removeprefix(SECRET_PREFIX).replace("-", ".")

    @property
    def labels(self) -> dict[str, str]:
        bound = {USER_ID: self.user_id} if self.user_id else {}
        return {**self.other_labels, MANAGED_BY: KEEPER, **bound}

    @property
    def annotations(self) -> dict[str, str]:
        return {**self.other_annotations, **(self.facts.annotations(self.username) if self.facts else {})}

    def belongs_to(self, user_id: str, username: str) -> bool:
        """Tell whether this profile is the account's: by the bound id, or by name where none is bound yet.

        A username can change hands, an id cannot; so a bound id decides alone.
        """
        if self.user_id:
            return self.user_id == user_id
        return secret_id_for(username) == self.secret_id
