"""The translations in `locale/`: gettext's `.po` files, compiled to `.mo`, and how a message is found in them.

The messages are English. One that has places, such as `Version {number} is not described yet.`, is found by its
pattern: so what an earlier run wrote down beside a secret is translated as well.
Source: GNU gettext manual, "The Format of GNU MO Files".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

_LOCALE = Path(__file__).parent / "locale"
_PLACE = re.compile(r"\\\{(\w+)\\\}")
# What a place holds, where a shorter or a longer text would fit as well.
_SHAPES = {"codes": r"HTTP \d+(?:, \w+ -?\d+)*", "number": r"\d+"}


@lru_cache
def messages(code: str) -> dict[str, str]:
    """Return the messages of a language and their translations; none for English.

    The standard library's reader can look a message up, and not list those that it has.
    """
    if code == "en":
        return {}
    data = (_LOCALE / code.replace("-", "_") / "LC_MESSAGES" / "messages.mo").read_bytes()
    count, originals, translations = struct.unpack_from("<III", data, 8)

    def text(table: int, index: int) -> str:
        length, start = struct.unpack_from("<II", data, table + 8 * index)
        return data[start : start + length].decode()

    # The first message is the header, which belongs to the empty one.
    return {text(originals, index): text(translations, index) for index in range(1, count)}


def translated(code: str, english: str, value: Callable[[str], str]) -> str | None:
    """Return the translation of one sentence, None if it has none. `value` translates what stands in its places."""
    if exact := messages(code).get(english):
        return exact
    for pattern, translation in _patterns(code):
        if match := pattern.fullmatch(english):
            return translation.format(**{name: value(text) for name, text in match.groupdict().items()})
    return None


@lru_cache
def _patterns(code: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the messages that have places, those with the most text of their own first."""
    placed = {message: text for message, text in messages(code).items() if re.search(r"\{\w+\}", message)}
    return [(_pattern(message), placed[message]) for message in sorted(placed, key=len, reverse=True)]


def _pattern(message: str) -> re.Pattern[str]:
    def place(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{_SHAPES.get(match[1], '.*?')})"

    return re.compile(_PLACE.sub(place, re.escape(message)), re.DOTALL)
