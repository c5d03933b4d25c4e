"""The fields of containers, posts and insights as the API writes them."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from sandbox.threads.media import Container, Post
from sandbox.threads.person import Person

_MEDIA_TYPES = {"TEXT": "TEXT_POST", "IMAGE": "IMAGE", "VIDEO": "VIDEO", "CAROUSEL": "CAROUSEL_ALBUM"}
# The other fields of Meta's page "Media Retrieval", which no post here has. Clients ask for them all the same.
_WITHOUT_VALUE = (
    "thumbnail_url",
    "link_attachment_url",
    "root_post",
    "hide_status",
    "reply_audience",
    "reposted_post",
    "gif_url",
    "poll_attachment",
    "topic_tag",
    "text_entities",
    "text_attachment",
    "is_spoiler_media",
    "has_replies",
)
METRICS = ("views", "likes", "replies", "reposts", "quotes", "shares")


def container_fields(container: Container, now: datetime) -> dict[str, Any]:
    """Return every field of a container."""
    status = container.status(now)
    return {
        "id": container.id,
        "status": status,
        "error_message": container.failed if status == "ERROR" else None,
    }


def post_fields(post: Post, owner: Person) -> dict[str, Any]:
    """Return every field of a post; None where the post has none."""
    shortcode = _shortcode(post.id)
    return dict.fromkeys(_WITHOUT_VALUE) | {
        "id": post.id,
        "media_product_type": "THREADS",
        "media_type": _MEDIA_TYPES[post.media_type],
        "media_url": post.media_url,
        "permalink": f"https://www.threads.com/@{owner.username}/post/{shortcode}",
        "owner": {"id": owner.id},
        "username": owner.username,
        "text": post.text or None,
        "timestamp": f"{post.posted_at:%Y-%m-%dT%H:%M:%S}+0000",
        "shortcode": shortcode,
        "children": {"data": [{"id": child} for child in post.children]} if post.children else None,
        "alt_text": post.alt_text,
        "is_quote_post": post.quote_post_id is not None,
        "quoted_post": {"id": post.quote_post_id} if post.quote_post_id else None,
        "is_reply": post.reply_to_id is not None,
        "is_reply_owned_by_me": post.reply_to_id is not None,
        "replied_to": {"id": post.reply_to_id} if post.reply_to_id else None,
    }


def insight(post_id: str, metric: str) -> dict[str, Any]:
    """Return one metric of a post, which is 0: nobody looks at posts here."""
    return {
        "name": metric,
        "period": "lifetime",
        "values": [{"value": 0}],
        "title": metric.capitalize(),
        "description": f"The number of {metric} of this post.",
        "id": f"{post_id}/insights/{metric}/lifetime",
    }


def _shortcode(post_id: str) -> str:
    number = int(post_id)
    return base64.urlsafe_b64encode(number.to_bytes(8, "big")).decode().rstrip("=").lstrip("A")
