"""What an access token of Threads is: how it looks, how long it lives, when it may be refreshed.

Source: Meta for Developers, Threads API: "Long-Lived Tokens". A long-lived token lives 60 days and can be refreshed
once it is 24 hours old. A short-lived one lives an hour and cannot.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

LIFETIME = timedelta(days=60)
SHORTEST_LIFETIME = timedelta(days=1)  # what lives less than this is not a long-lived token
REFRESHABLE_AFTER = timedelta(hours=24)
# With less than this left, a token that could not be renewed is a person's business.
WORRY = timedelta(days=14)


def looks_like_token(text: str) -> bool:
    """Return whether this could be a token: printable ASCII without blanks, quotes, brackets or braces."""
    return bool(re.fullmatch(r"[!#-&(-;=?-z|~]{1,4096}", text))


def bare(text: str) -> str:
    """Return a token without what pasting leaves around it: blanks, line ends, marks that nobody sees."""
    invisible = "".join(char for char in set(text) if char.isspace() or not char.isprintable())
    return text.strip(invisible)


def is_short_lived(lifetime: timedelta) -> bool:
    """Return whether a token that was made to live this long is a short-lived one."""
    return lifetime < SHORTEST_LIFETIME


def is_younger_than(age: timedelta, made_at: datetime, now: datetime) -> bool:
    """Return whether a token was made less than `age` ago. A date in the future is a wrong date, so it is not."""
    return timedelta() <= now - made_at < age


def is_due(made_at: datetime, expires_at: datetime, refresh_after: timedelta, now: datetime) -> bool:
    """Return whether a token is to be refreshed: at this age, or as soon as it can be where its end is near."""
    soon = expires_at - now < WORRY
    return not is_younger_than(REFRESHABLE_AFTER if soon else refresh_after, made_at, now)


def was_renewed_today(expires_at: datetime, now: datetime) -> bool:
    """Return whether a token's end shows that it was made or refreshed within the last 24 hours."""
    return expires_at - now > LIFETIME - REFRESHABLE_AFTER


def days_left(ends_at: datetime, now: datetime) -> int:
    """Return the whole days until a token's or a grant's end, negative once it has passed."""
    return (ends_at - now).days
