"""Everything that the control page shows and `/sandbox/state` returns. No token is shown in full."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from sandbox.threads.callbacks import Delivery
from sandbox.threads.credentials import Token
from sandbox.threads.faults import NEWEST, Fault
from sandbox.threads.media import Post
from sandbox.threads.parts import Parts
from sandbox.threads.person import Person


def describe(parts: Parts, at_most: int | None = None) -> dict[str, Any]:
    """Return the state as JSON, with `at_most` so many people and posts."""
    people, held = list(parts.people), parts.tokens.by_username()
    names = {person.id: person.username for person in people}
    return {
        "now": rfc3339(parts.clock.now()),
        "app_id": parts.app.app_id,
        "redirect_uris": parts.api.redirect_uris(),
        "callback_urls": parts.callbacks.urls,
        "people": [_person(one, held.get(one.username, []), parts.tokens.alive) for one in people[:at_most]],
        "people_in_all": len(people),
        "posts": [_post(one, names[one.owner_id]) for one in islice(parts.media.listed(), at_most)],
        "switches": asdict(parts.control.switches),
        "faults": [shown(fault) for fault in parts.control.faults],
        "deliveries": [_delivery(one) for one in list(parts.callbacks.deliveries)],
        "keeper": {
            "oauth_url": parts.keeper.oauth_url,
            "refresh_url": parts.keeper.refresh_url,
            "runs": [asdict(run) for run in list(parts.keeper.runs)],
        },
    }


def rfc3339(moment: datetime) -> str:
    """Return the moment as text, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def shown(fault: Fault) -> dict[str, Any]:
    """Return the fault as JSON; of a token only its last four characters."""
    token = fault.token if fault.token in (None, NEWEST) else str(fault.token)[-4:]
    return asdict(fault) | {"token": token, "words": fault.in_words()}


def _person(person: Person, tokens: list[Token], alive: Callable[[str], bool]) -> dict[str, Any]:
    return {
        "username": person.username,
        "id": person.id,
        "private": person.private,
        "accepted": person.accepted,
        "about": person.about,
        "scopes": person.grant.scopes if person.grant else [],
        "grant_expires_at": rfc3339(person.grant.expires_at) if person.grant else None,
        "tokens": [_token(token, alive(token.value)) for token in reversed(tokens)],
    }


def _token(token: Token, alive: bool) -> dict[str, Any]:
    return {
        "ends_with": token.value[-4:],
        "long_lived": token.long_lived,
        "issued_at": rfc3339(token.issued_at),
        "expires_at": rfc3339(token.expires_at),
        "alive": alive,
        "dead": token.dead,
    }


def _post(post: Post, username: str) -> dict[str, Any]:
    return {
        "id": post.id,
        "username": username,
        "media_type": post.media_type,
        "text": post.text,
        "posted_at": rfc3339(post.posted_at),
        "token_ends_with": post.token_end,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return asdict(delivery) | {"page": _page_of(delivery)}


def _page_of(delivery: Delivery) -> str | None:
    """Return the address of the page that a reply to the delete callback names, None if it names none."""
    try:
        url = json.loads(delivery.body)["url"]
    except (ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None
