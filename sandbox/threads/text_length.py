"""How long a text is by Meta's rule: 500 characters, with emoji counted as their UTF-8 bytes."""

from __future__ import annotations

MAX_TEXT = 500
_EMOJI = ((0x2600, 0x27BF), (0x2B00, 0x2BFF), (0xFE0F, 0xFE0F), (0x200D, 0x200D), (0x1F000, 0x1FAFF))


def text_length(text: str) -> int:
    """Return the length of the text. Which characters are emoji is an approximation by ranges of Unicode."""
    return sum(len(character.encode()) if _is_emoji(ord(character)) else 1 for character in text)


def _is_emoji(code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in _EMOJI)
