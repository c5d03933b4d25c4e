"""An account: a Threads profile that this keeper looks after, and the one secret that holds its tokens.

The payload of the secret is the access token and nothing else. What people and the refresh run want to know about it
is in the secret's labels and annotations. They are never secret, and they may lag behind the versions after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from token_keeper.clock import parse_rfc3339, rfc3339

SECRET_PREFIX = "threads-token-"  # noqa: S105 (the name of a secret, not one)
MANAGED_BY, KEEPER = "managed-by", "threads-token-keeper"
USER_ID = "threads-user-id"
_OF_FACTS = ("threads-username", "version", "refreshed-at", "expires-at", "data-access-expires-at", "scopes")
_OF_A_PROBLEM = ("problem", "problem-since", "problem-detail")
OUR_ANNOTATIONS = frozenset({*_OF_FACTS, *_OF_A_PROBLEM})


def secret_id_for(username: str) -> str | None:
    """Return the name of a username's secret: lower case, `.` written `-`; None if this can be no username.

    Reversible, because a username has letters, digits, `_` and `.` only, in ASCII, and never a `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9._]{1,30}", username):
        return None
    return SECRET_PREFIX + username.lower().replace(".", "-")


def printable(username: str | None) -> str | None:
    """Return a username as it may be shown, since Threads may have sent anything; None if nothing of it may be."""
    return "".join(char for char in username or "" if char.isprintable()).strip()[:60] or None


def looks_like_user_id(text: str) -> bool:
    """Return whether a label can hold this as a Threads user id."""
    return bool(re.fullmatch(r"[a-z0-9_-]{1,63}", text, re.ASCII))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the annotations say about the version with this number. Times are aware, in UTC."""

    number: int
    refreshed_at: datetime
    expires_at: datetime
    data_access_expires_at: datetime | None
    scopes: tuple[str, ...] = ()

    @property
    def ends_at(self) -> datetime:
        """Return the earlier end of token and permission grant."""
        return min(filter(None, (self.expires_at, self.data_access_expires_at)))

    @classmethod
    def parse(cls, annotations: Mapping[str, str]) -> Facts | None:
        """Return the facts, or None if they are absent or malformed."""
        grant = annotations.get("data-access-expires-at")
        try:
            return cls(
                number=int(annotations["version"]),
                refreshed_at=parse_rfc3339(annotations["refreshed-at"]),
                expires_at=parse_rfc3339(annotations["expires-at"]),
                data_access_expires_at=parse_rfc3339(grant) if grant else None,
                scopes=tuple(scope for scope in annotations.get("scopes", "").split(",") if scope),
            )
        except (KeyError, ValueError, OverflowError):
            return None

    def annotations(self, username: str) -> dict[str, str]:
        """Return the facts as Secret Manager keeps them."""
        written = {
            "threads-username": username,
            "version": str(self.number),
            "refreshed-at": rfc3339(self.refreshed_at),
            "expires-at": rfc3339(self.expires_at),
            "scopes": ",".join(self.scopes),
        }
        if self.data_access_expires_at:
            written["data-access-expires-at"] = rfc3339(self.data_access_expires_at)
        return written


@dataclass(frozen=True, slots=True)
class Problem:
    """The last run's verdict on an account where it was not a good one, and since when. Nothing in it is secret."""

    LONGEST_DETAIL: ClassVar[int] = 1000  # characters; all annotations of a secret have 16 KiB
    VERDICTS: ClassVar[tuple[str, ...]] = ("sign_in_again", "misconfigured", "unclear")

    verdict: str
    since: datetime
    detail: str

    @classmethod
    def parse(cls, annotations: Mapping[str, str]) -> Problem | None:
        """Return the problem, or None if there is none or it is malformed."""
        try:
            since, detail = parse_rfc3339(annotations["problem-since"]), annotations.get("problem-detail", "")
            return cls(annotations["problem"], since, detail) if annotations["problem"] in cls.VERDICTS else None
        except (KeyError, ValueError, OverflowError):
            return None

    def annotations(self) -> dict[str, str]:
        """Return the problem as Secret Manager keeps it."""
        return {"problem": self.verdict, "problem-since": rfc3339(self.since), "problem-detail": self.detail}


@dataclass(frozen=True, slots=True)
class Account:
    """One account as a listing shows it. Labels and annotations that are not ours are carried along untouched.

    `managed` is whether it carries the keeper's label, which is never written back where it is missing. `deleted_on`
    is when Secret Manager deletes the whole secret, where somebody gave it an expiry.
    """

    secret_id: str
    user_id: str | None
    facts: Facts | None
    etag: str
    managed: bool = True
    problem: Problem | None = None
    deleted_on: datetime | None = None
    other_labels: Mapping[str, str] = field(default_factory=dict)
    other_annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_secret(
        cls,
        secret_id: str,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        etag: str,
        deleted_on: datetime | None = None,
    ) -> Account:
        return cls(
            secret_id=secret_id,
            user_id=labels.get(USER_ID) or None,
            facts=Facts.parse(annotations),
            etag=etag,
            managed=labels.get(MANAGED_BY) == KEEPER,
            problem=Problem.parse(annotations),
            deleted_on=deleted_on,
            other_labels={k: v for k, v in labels.items() if k != USER_ID},
            other_annotations={k: v for k, v in annotations.items() if k not in OUR_ANNOTATIONS},
        )

    @property
    def username(self) -> str:
        """The username that the secret's name stands for, or that name itself if it stands for none."""
        return self._plain_name if self.well_named else self.secret_id

    @property
    def well_named(self) -> bool:
        return secret_id_for(self._plain_name) == self.secret_id

    @property
    def is_known(self) -> bool:
        """Whether somebody has signed in to it: it is bound, or described."""
        return self.user_id is not None or self.facts is not None

    @property
    def _plain_name(self) -> str:
        return self.secret_id.removeprefix(SECRET_PREFIX).replace("-", ".")

    @property
    def labels(self) -> dict[str, str]:
        bound = {USER_ID: self.user_id} if self.user_id else {}
        return {**self.other_labels, **bound}

    @property
    def annotations(self) -> dict[str, str]:
        facts = self.facts.annotations(self.username) if self.facts else {}
        problem = self.problem.annotations() if self.problem else {}
        return {**self.other_annotations, **facts, **problem}

    def belongs_to(self, user_id: str, username: str | None) -> bool:
        """Return whether this profile is the account's: by the bound id, or by name where no id is bound.

        A username can change hands, an id cannot. So a bound id decides alone.
        """
        if self.user_id:
            return self.user_id == user_id
        return self.is_named_after(username)

    def is_named_after(self, username: str | None) -> bool:
        return username is not None and secret_id_for(username) == self.secret_id
