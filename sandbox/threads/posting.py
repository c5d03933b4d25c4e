"""What a bot does with its token: makes posts in two steps, publishes, lists, reads and deletes them. No HTTP in here.

Where Meta's pages leave something open, DIFFERENCES.md beside this file says what was chosen.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sandbox.threads.access import check_own, permitted
from sandbox.threads.containers import bad, new_container
from sandbox.threads.fields import pick
from sandbox.threads.ledger import Ledger
from sandbox.threads.media import Container, Post
from sandbox.threads.media_fields import METRICS, container_fields, insight, post_fields
from sandbox.threads.person import Person
from sandbox.threads.publishing import check_quota, publish, quota_fields
from sandbox.threads.refusals import refused

PUBLISH, DELETE, INSIGHTS = "threads_content_publish", "threads_delete", "threads_manage_insights"
Given = Mapping[str, str]


class Posting:
    """The calls about posts. Every method is safe to call from several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def make(self, user: str, given: Given) -> dict[str, Any]:
        """Make a container and return its id, or, with `auto_publish_text`, the id of the post that it became."""
        with self._ledger.change() as now:
            token = permitted(self._ledger, given, PUBLISH)
            check_own(token, user)
            container = new_container(self._ledger, token.person.id, given, now)
            self._ledger.media.containers[container.id] = container
            if given.get("auto_publish_text", "").lower() == "true" and container.media_type == "TEXT":
                return {"id": publish(self._ledger.media, container, token, now).id}
            return {"id": container.id}

    def publish(self, user: str, given: Given) -> dict[str, Any]:
        """Publish the container `creation_id`, which works once; return the id of the post."""
        with self._ledger.change() as now:
            token = permitted(self._ledger, given, PUBLISH)
            check_own(token, user)
            container = self._ledger.media.containers.get(given.get("creation_id", ""))
            if container is None or container.owner_id != token.person.id:
                raise refused("no_object")
            return {"id": publish(self._ledger.media, container, token, now).id}

    def list_posts(self, user: str, given: Given) -> dict[str, Any]:
        """Return a page of the user's posts, newest first."""
        with self._ledger.lock:
            owner = self._owner(user, given)
            posts = list(islice(self._wanted(owner, given), _limit(given)))
            data = [pick(post_fields(post, owner), given) for post in posts]
            if not posts:
                return {"data": []}
            cursors = {"before": _cursor(posts[0]), "after": _cursor(posts[-1])}
            return {"data": data, "paging": {"cursors": cursors}}

    def read(self, object_id: str, given: Given) -> dict[str, Any]:
        """Return a post or a container of the token's owner."""
        with self._ledger.lock:
            owner = permitted(self._ledger, given).person
            found = self._ledger.media.containers.get(object_id) or self._post(object_id, owner)
            if found.owner_id != owner.id:
                raise refused("no_object")
            if isinstance(found, Container):
                return pick(container_fields(found, self._ledger.clock.now()), given)
            return pick(post_fields(found, owner), given)

    def delete(self, object_id: str, given: Given) -> dict[str, Any]:
        """Delete a post of the token's owner."""
        with self._ledger.change() as now:
            owner = permitted(self._ledger, given, DELETE).person
            post = self._post(object_id, owner)
            if not post.is_listed:
                raise refused("no_object")
            check_quota(self._ledger.media, owner.id, "delete_quota", now)
            for one in (post, *(self._ledger.media.posts[child] for child in post.children)):
                one.deleted_at = now
            return {"success": True, "deleted_id": post.id}

    def limit(self, user: str, given: Given) -> dict[str, Any]:
        """Return how much of the quotas is used."""
        with self._ledger.lock:
            token = permitted(self._ledger, given, PUBLISH)
            check_own(token, user)
            known = quota_fields(self._ledger.media, token.person.id, self._ledger.clock.now())
            return {"data": [pick(known, given, default=("quota_usage",))]}

    def insights(self, object_id: str, given: Given) -> dict[str, Any]:
        """Return the metrics of a post of the token's owner."""
        with self._ledger.lock:
            owner = permitted(self._ledger, given, INSIGHTS).person
            post = self._post(object_id, owner)
            metrics = [name.strip() for name in given.get("metric", "").split(",")]
            if not set(metrics) <= set(METRICS):
                raise bad(f"The parameter metric must be of {', '.join(METRICS)}")
            return {"data": [insight(post.id, metric) for metric in metrics]}

    def _owner(self, user: str, given: Given) -> Person:
        token = permitted(self._ledger, given)
        check_own(token, user)
        return token.person

    def _post(self, post_id: str, owner: Person) -> Post:
        post = self._ledger.media.posts.get(post_id)
        if post is None or post.owner_id != owner.id or post.deleted_at:
            raise refused("no_object")
        return post

    def _wanted(self, owner: Person, given: Given) -> Any:
        """Yield the posts between `since` and `until`, behind the cursor `after` or up to the cursor `before`."""
        since, until = _moment(given, "since"), _moment(given, "until")
        after, before = _post_id(given, "after"), _post_id(given, "before")
        posts = [
            post
            for post in self._ledger.media.listed(owner.id)
            if (since is None or post.posted_at >= since)
            and (until is None or post.posted_at <= until)
            and (after is None or int(post.id) < after)
            and (before is None or int(post.id) > before)
        ]
        return posts[-_limit(given) :] if before is not None else posts


def _limit(given: Given) -> int:
    limit = given.get("limit", "25")
    if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise bad("The parameter limit must be from 1 to 100")
    return int(limit)


def _moment(given: Given, parameter: str) -> datetime | None:
    """Return a moment that is given as Unix seconds or as a date of ISO 8601."""
    text = given.get(parameter)
    if not text:
        return None
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise bad(f"The parameter {parameter} must be Unix seconds or a date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cursor(post: Post) -> str:
    return base64.urlsafe_b64encode(post.id.encode()).decode().rstrip("=")


def _post_id(given: Given, parameter: str) -> int | None:
    """Return the id in a cursor."""
    cursor = given.get(parameter)
    if not cursor:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise bad(f"The parameter {parameter} is not a cursor of this list") from None
