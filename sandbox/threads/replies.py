"""The bodies of the API's replies about tokens and people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.threads.credentials import Token
from sandbox.threads.person import Person
from sandbox.threads.refusals import REFUSALS
from sandbox.threads.switches import Switches


def token_reply(token: Token) -> dict[str, Any]:
    """Return the reply of the token exchange and of a refresh."""
    lifetime = round((token.expires_at - token.issued_at).total_seconds())
    return {"access_token": token.value, "token_type": "bearer", "expires_in": lifetime}


def code_reply(token: Token, switches: Switches) -> dict[str, Any]:
    """Return the reply of the code exchange. `user_id` is a number above 2^53 unless it is switched."""
    person = token.person
    return {"access_token": token.value, "user_id": person.id if switches.code_user_id_is_string else int(person.id)}


def user_fields(person: Person, base_url: str = "") -> dict[str, Any]:
    """Return every field of a person's profile; None where the person has none."""
    return {
        "id": person.id,
        "username": person.username,
        "name": person.name or None,
        "threads_profile_picture_url": f"{base_url}sandbox/pictures/{person.id}.svg" if person.has_picture else None,
        "threads_biography": person.biography or None,
        "is_verified": person.verified,
    }


def description(token: Token, now: datetime, switches: Switches) -> dict[str, Any]:
    """Return what `debug_token` says of a token."""
    person, cause = token.person, token.cause_of_death(now)
    described: dict[str, Any] = {
        "type": "USER",
        "application": "Local Threads",
        "is_valid": cause is None,
        "issued_at": int(token.issued_at.timestamp()),
        "expires_at": int(token.expires_at.timestamp()),
        "scopes": list(token.scopes),
        "user_id": person.id if switches.debug_user_id_matches else person.other_id,
    }
    if person.grant:
        described["data_access_expires_at"] = int(person.grant.expires_at.timestamp())
    return described | (REFUSALS[cause].body() if cause else {})
