"""The pages of a listing, and the tokens that lead from one page to the next."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from sandbox.secret_manager.refusal import invalid

MAX_PAGE = 25_000
Item = TypeVar("Item")


def page_of(items: list[tuple[int, Item]], size: int, token: str) -> tuple[list[Item], str]:
    """Return one page of numbered items, newest first, and the token of the next page."""
    if size < 0:
        raise invalid("page_size must not be negative.")
    newest_first = sorted(items, key=lambda item: -item[0])
    if token:
        before = _read_page_token(token)
        newest_first = [item for item in newest_first if item[0] < before]
    page = newest_first[: min(size or MAX_PAGE, MAX_PAGE)]
    more = len(newest_first) > len(page)
    return [item for _, item in page], base64.urlsafe_b64encode(b"%d" % page[-1][0]).decode() if more else ""


def _read_page_token(token: str) -> int:
    try:
        return int(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise invalid("page_token is not one of ours.") from None
