"""What ends a seed."""

from __future__ import annotations


class Violation(BaseException):
    """The promise is broken. Not an Exception: no function of the keeper may handle this."""
