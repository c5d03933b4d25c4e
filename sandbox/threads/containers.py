"""Makes a container from the parameters of a call, and refuses what cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sandbox.threads.ledger import Ledger
from sandbox.threads.media import Container
from sandbox.threads.refusals import Refused, refused
from sandbox.threads.text_length import MAX_TEXT, text_length

MEDIA_TYPES = ("TEXT", "IMAGE", "VIDEO", "CAROUSEL")
_URL_PARAMETERS = {"IMAGE": "image_url", "VIDEO": "video_url"}
_FAILURES = {"IMAGE": "UNKNOWN", "VIDEO": "FAILED_DOWNLOADING_VIDEO"}


def bad(message: str) -> Refused:
    """Return the refusal of a parameter, which the message names."""
    return refused("bad_parameter", message=f"(#100) {message}")


def new_container(ledger: Ledger, owner_id: str, given: Mapping[str, str], now: datetime) -> Container:
    """Return the container that these parameters describe; raise Refused if they describe none."""
    media_type = given.get("media_type", "")
    if media_type not in MEDIA_TYPES:
        raise bad(f"The parameter media_type must be one of {', '.join(MEDIA_TYPES)}")
    url = _media_url(media_type, given)
    container = Container(
        id=ledger.media.next_id(),
        owner_id=owner_id,
        media_type=media_type,
        made_at=now,
        ready_at=now + timedelta(seconds=0 if media_type == "TEXT" else ledger.switches.processing_seconds),
        text=_text(media_type, given),
        media_url=url,
        alt_text=given.get("alt_text"),
        children=_children(ledger, owner_id, media_type, given, now),
        reply_to_id=_other_post(ledger, given, "reply_to_id"),
        quote_post_id=_other_post(ledger, given, "quote_post_id"),
        is_carousel_item=_is_carousel_item(media_type, given),
        failed=_FAILURES[media_type] if url and _is_unreachable(url) else None,
    )
    return container


def _text(media_type: str, given: Mapping[str, str]) -> str:
    text = given.get("text", "")
    if media_type == "TEXT" and not text.strip():
        raise bad("The parameter text is required")
    if text_length(text) > MAX_TEXT:
        raise bad(f"Param text must be at most {MAX_TEXT} characters long.")
    return text


def _media_url(media_type: str, given: Mapping[str, str]) -> str | None:
    """Return the image's or the video's address. It is not fetched: only its form is checked."""
    parameter = _URL_PARAMETERS.get(media_type)
    if parameter is None:
        return None
    url = given.get(parameter, "")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url:
        raise bad(f"The parameter {parameter} must be a public URL")
    return url


def _is_unreachable(url: str) -> bool:
    """Return whether the host never exists (RFC 2606), which is how a test gets a container that fails."""
    return str(urlsplit(url).hostname).endswith(".invalid")


def _is_carousel_item(media_type: str, given: Mapping[str, str]) -> bool:
    wanted = given.get("is_carousel_item", "false").lower() == "true"
    if wanted and media_type not in _URL_PARAMETERS:
        raise bad("A carousel item must be an IMAGE or a VIDEO")
    return wanted


def _children(ledger: Ledger, owner_id: str, media_type: str, given: Mapping[str, str], now: datetime) -> list[str]:
    if media_type != "CAROUSEL":
        return []
    ids = [one.strip() for one in given.get("children", "").split(",") if one.strip()]
    if not 2 <= len(ids) <= 20 or len(set(ids)) < len(ids):
        raise bad("The parameter children must be 2 to 20 ids of carousel items")
    for child in (ledger.media.containers.get(one) for one in ids):
        if child is None or child.owner_id != owner_id:
            raise refused("no_object")
        if not child.is_carousel_item or child.status(now) not in ("FINISHED", "IN_PROGRESS"):
            raise bad(f"{child.id} cannot be in a carousel")
    return ids


def _other_post(ledger: Ledger, given: Mapping[str, str], parameter: str) -> str | None:
    """Return the id of the post that this one replies to or quotes, which may be anybody's."""
    post_id = given.get(parameter)
    if not post_id:
        return None
    post = ledger.media.posts.get(post_id)
    if post is None or not post.is_listed:
        raise refused("no_object")
    return post_id
