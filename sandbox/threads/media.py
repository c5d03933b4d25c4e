"""What people have posted, and the containers that posts are made of: the records, and where they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

CONTAINER_LIFE = timedelta(hours=24)
_FIRST_ID = 18050000000000001


@dataclass(kw_only=True)
class Content:
    """What a container and the post that it becomes have in common."""

    owner_id: str
    media_type: str
    text: str = ""
    media_url: str | None = None
    alt_text: str | None = None
    reply_to_id: str | None = None
    quote_post_id: str | None = None


@dataclass(kw_only=True)
class Container(Content):
    """A post that is not published yet. `failed` is Meta's word for why the media could not be processed."""

    id: str
    made_at: datetime
    ready_at: datetime
    children: list[str] = field(default_factory=list)
    is_carousel_item: bool = False
    failed: str | None = None
    published_as: str | None = None

    def content(self) -> dict[str, Any]:
        """Return what the post will have of this container."""
        return {one.name: getattr(self, one.name) for one in fields(Content)}

    def status(self, now: datetime) -> str:
        """Return Meta's word for how far this container is."""
        if self.published_as:
            return "PUBLISHED"
        if now >= self.made_at + CONTAINER_LIFE:
            return "EXPIRED"
        if self.failed:
            return "ERROR"
        return "FINISHED" if now >= self.ready_at else "IN_PROGRESS"


@dataclass(kw_only=True)
class Post(Content):
    """A published post. `token_end` is the end of the token that published it; children of a carousel have a parent."""

    id: str
    posted_at: datetime
    token_end: str
    children: list[str] = field(default_factory=list)
    parent_id: str | None = None
    deleted_at: datetime | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the post stands in its owner's list."""
        return self.deleted_at is None and self.parent_id is None


class Media:
    """Every container and every post, in the order in which they were made."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.posts: dict[str, Post] = {}
        self._made = 0

    def next_id(self) -> str:
        """Return an id that nothing has yet."""
        self._made += 1
        return str(_FIRST_ID + 2 * self._made)

    def listed(self, owner_id: str | None = None) -> Iterator[Post]:
        """Yield the listed posts, newest first; only this owner's if one is named."""
        for post in reversed(self.posts.values()):
            if post.is_listed and owner_id in (None, post.owner_id):
                yield post

    def since(self, owner_id: str, moment: datetime) -> Iterator[Post]:
        """Yield this owner's posts since the moment, including deleted ones; a carousel counts as one post."""
        for post in self.posts.values():
            if post.owner_id == owner_id and post.parent_id is None and post.posted_at > moment:
                yield post

    def deleted_since(self, owner_id: str, moment: datetime) -> int:
        """Return how many posts this owner has deleted since the moment."""
        posts = (post for post in self.posts.values() if post.owner_id == owner_id and post.deleted_at)
        return sum(post.deleted_at > moment for post in posts if post.deleted_at)

    def dump(self) -> dict[str, Any]:
        """Return all records in the form of the state file."""
        return {
            "made": self._made,
            "containers": [asdict(one) for one in self.containers.values()],
            "posts": [asdict(one) for one in self.posts.values()],
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Replace all records with those that `dump` returned."""
        self._made = kept["made"]
        self.containers = {one["id"]: Container(**one) for one in kept["containers"]}
        self.posts = {one["id"]: Post(**one) for one in kept["posts"]}
