"""Picks the fields that a call asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.threads.refusals import refused


def pick(known: Mapping[str, Any], given: Mapping[str, str], default: Iterable[str] = ("id",)) -> dict[str, Any]:
    """Return the fields that the parameter `fields` names. One without a value (None) is left out, as Meta does."""
    names = [name.strip() for name in given["fields"].split(",")] if given.get("fields") else default
    for name in names:
        if name not in known:
            raise refused("bad_parameter", message=f"(#100) Tried accessing nonexisting field ({name})")
    return {name: known[name] for name in names if known[name] is not None}
