"""Turns the fields of the control page's forms into the types that JSON has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sandbox.threads.switches import Switches

_BOXES = {one.name for one in fields(Switches) if isinstance(one.default, bool)}
_NUMBERS = {one.name for one in fields(Switches) if type(one.default) is int}
_NUMBERS |= {"times", "shape", "status", "code", "subcode"}


def typed(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the form with whole numbers and seconds as numbers; an empty `times` is None, which is for good."""
    found: dict[str, Any] = dict(form)
    for name in _NUMBERS & form.keys():
        if form[name] and not (form[name].isascii() and form[name].isdecimal()):
            raise ValueError(f"{name} must be a whole number")
        found[name] = int(form[name]) if form[name] else None
    if form.get("seconds"):
        found["seconds"] = float(form["seconds"])
    return found


def typed_switches(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the form of the switches; a box that is not ticked is a switch that is off."""
    return typed(form) | {name: name in form for name in _BOXES}
