"""Who has a profile in the local Threads, and what each has granted to the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

# Real ids lie above 2^53. These are odd, so that a client which reads one as a float changes it, and shows it.
_FIRST_ID = 17841405793187001


@dataclass
class Grant:
    """What a person has allowed the app, and until when: 90 days from the consent."""

    scopes: list[str]
    expires_at: datetime


@dataclass(eq=False)
class Person:
    """A Threads profile. The username may change; the id never does."""

    username: str
    id: str
    private: bool = False
    accepted: bool = True
    note: str = ""
    grant: Grant | None = field(default=None, repr=False)
    name: str = ""
    biography: str = ""
    has_picture: bool = True
    verified: bool = False

    @property
    def about(self) -> str:
        """A few words on what to know before signing in as this person."""
        profile = "private profile" if self.private else "public profile"
        facts = [profile, "" if self.accepted else "tester invite not accepted", self.note]
        return ", ".join(fact for fact in facts if fact)

    @property
    def other_id(self) -> str:
        """An id of the same person that is not the one of `/me`."""
        return str(int(self.id) + 5 * 10**15)


def nth_id(n: int) -> str:
    """Return the id of the n-th person."""
    return str(_FIRST_ID + 2 * n)


def first_people() -> list[Person]:
    """Return the people that every local Threads starts with."""
    return [
        Person("alice", nth_id(0), name="Alice Adams", biography="Posts by hand and by bot."),
        Person("bob", nth_id(1), private=True, name="Bob Brown"),
        Person("carol", nth_id(2), accepted=False, name="Carol Clark"),
        Person("dotted.name", nth_id(3), note="a dot in the username, no picture", has_picture=False),
        Person("mallory", nth_id(4), note="not on the keeper's list", name="Mallory Moore", verified=True),
    ]
