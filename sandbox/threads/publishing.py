"""Publishes containers: once, in time, and no more in 24 hours than the limits allow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.threads.containers import bad
from sandbox.threads.credentials import Token
from sandbox.threads.media import Container, Media, Post
from sandbox.threads.refusals import refused

WINDOW = timedelta(hours=24)
QUOTAS = {"quota": 250, "reply_quota": 1000, "delete_quota": 100}


def quota_usage(media: Media, owner_id: str, now: datetime) -> dict[str, int]:
    """Return how much of each quota this owner has used in the 24 hours before now."""
    posts = list(media.since(owner_id, now - WINDOW))
    replies = sum(post.reply_to_id is not None for post in posts)
    deleted = media.deleted_since(owner_id, now - WINDOW)
    return {"quota": len(posts) - replies, "reply_quota": replies, "delete_quota": deleted}


def quota_fields(media: Media, owner_id: str, now: datetime) -> dict[str, Any]:
    """Return every field of `threads_publishing_limit`."""
    fields: dict[str, Any] = {}
    for name, used in quota_usage(media, owner_id, now).items():
        config = {"quota_total": QUOTAS[name], "quota_duration": int(WINDOW.total_seconds())}
        fields |= {f"{name}_usage": used, f"{name.removesuffix('quota')}config": config}
    return fields


def check_quota(media: Media, owner_id: str, name: str, now: datetime) -> None:
    """Raise Refused if the owner has used this quota up."""
    if quota_usage(media, owner_id, now)[name] >= QUOTAS[name]:
        raise refused("used_up", message=f"(#4) {QUOTAS[name]} in 24 hours are used up ({name})")


def publish(media: Media, container: Container, token: Token, now: datetime) -> Post:
    """Return the post that the container becomes; raise Refused if it cannot be published now."""
    _check_ready(media, container, now)
    check_quota(media, container.owner_id, "reply_quota" if container.reply_to_id else "quota", now)
    post = _post(media, container, token, now)
    for child in container.children:
        _post(media, media.containers[child], token, now, parent_id=post.id)
    return post


def _check_ready(media: Media, container: Container, now: datetime) -> None:
    if container.is_carousel_item:
        raise bad("A carousel item is published with its carousel")
    for one in (container, *(media.containers[child] for child in container.children)):
        status = one.status(now)
        if status == "IN_PROGRESS":
            raise refused("not_ready")
        if status != "FINISHED":
            raise bad(f"The container cannot be published: its status is {status}")


def _post(media: Media, container: Container, token: Token, now: datetime, parent_id: str | None = None) -> Post:
    end = token.value[-4:]
    post = Post(id=media.next_id(), posted_at=now, token_end=end, parent_id=parent_id, **container.content())
    media.posts[post.id] = post
    container.published_as = post.id
    if parent_id:
        media.posts[parent_id].children.append(post.id)
    return post
