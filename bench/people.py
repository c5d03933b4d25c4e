"""The numbered accounts that the stand-ins know, each with a secret, a token and a person."""

from __future__ import annotations

import re

TOKEN_LENGTH = 180  # as real tokens have


def username(number: int) -> str:
    return f"user{number}"


def user_id(number: int) -> str:
    return str(17840000000000000 + number)


def token(number: int) -> str:
    return f"THAA-{number}-".ljust(TOKEN_LENGTH, "x")


def number_of(name_or_token: str) -> int:
    """Return the number of the account that a token, a username or a secret's name belongs to, or 0."""
    match = re.search(r"(?:THAA-|user)([0-9]+)", name_or_token)
    return int(match[1]) if match else 0
