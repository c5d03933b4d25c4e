"""What the control page and its JSON addresses do. Each command takes a JSON object and returns one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from sandbox.clock import parse_duration
from sandbox.threads.faults import Fault
from sandbox.threads.parts import Parts
from sandbox.threads.state import rfc3339, shown

Given = dict[str, Any]
EVENTS = {
    "remove_app": "Remove the app, without a callback",
    "change_password": "Change the password",
    "checkpoint": "Checkpoint",
    "revoke": "Invalidate the tokens",
    "make_private": "Make the profile private",
    "make_public": "Make the profile public",
    "accept_invite": "Accept the tester invite",
    "withdraw_invite": "Withdraw the tester invite",
    "uninstall": "Uninstall: remove the app, send the callback",
    "delete": "Delete: ask for deletion, send the callback",
    "rename": "Rename to …",
    "hand_over": "Hand the username over to …",
}
_FAULT = ("call", "fault", "times", "username")
_DETAILS = {one.name for one in fields(Fault)} - {"call", "name", "times", "username"}


class Commands:
    """Every method raises ValueError, with a text for people, if it cannot do what it is asked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def move_clock(self, given: Given) -> Given:
        """Move the clock forward: `{"by": "60d"}`."""
        return {"now": rfc3339(self._parts.clock.forward(parse_duration(str(given.get("by", "")).strip())))}

    def set_fault(self, given: Given) -> Given:
        """Add a fault by the fields of `Fault`, its name as "fault", or remove all: `{"clear": true}`."""
        control = self._parts.control
        if given.get("clear"):
            control.clear_faults()
        else:
            _check_names(given, {*_FAULT, *_DETAILS})
            details = {name: value for name, value in given.items() if name not in _FAULT and value not in (None, "")}
            call, name = str(given.get("call")), str(given.get("fault"))
            control.fail(call, name, given.get("times", 1), given.get("username") or None, **details)
        return {"faults": [shown(fault) for fault in control.faults]}

    def turn_switches(self, given: Given) -> Given:
        """Set switches: `{"same_string": true}`."""
        self._parts.control.turn(given)
        return {"switches": asdict(self._parts.control.switches)}

    def happen(self, given: Given) -> Given:
        """Make something happen to somebody: `{"event": "rename", "username": "alice", "to": "alicia"}`."""
        _check_names(given, {"event", "username", "to"})
        event, username = str(given.get("event")), str(given.get("username", "")).strip()
        acts = self._acts(username, str(given.get("to") or "").strip())
        if event not in acts:
            raise ValueError(f"no event is called {event!r}; there are: {', '.join(acts)}")
        outcome = acts[event]()
        return {"event": event, "username": username} | ({"delivery": outcome} if isinstance(outcome, dict) else {})

    def add_redirect_uri(self, given: Given) -> Given:
        """Register one more redirect URI: `{"add": "https://bot.example/callback"}`."""
        _check_names(given, {"add"})
        self._parts.api.add_redirect_uri(str(given.get("add", "")).strip())
        return {"redirect_uris": self._parts.api.redirect_uris()}

    def refresh(self, given: Given) -> Given:
        """Ask the keeper's refresh function for a run: `{}`."""
        _check_names(given, set())
        return asdict(self._parts.keeper.refresh())

    def _acts(self, username: str, to: str) -> dict[str, Callable[[], Any]]:
        people, callbacks = self._parts.people, self._parts.callbacks
        return {
            "remove_app": lambda: people.remove_app(username),
            "change_password": lambda: people.change_password(username),
            "checkpoint": lambda: people.checkpoint(username),
            "revoke": lambda: people.revoke(username),
            "rename": lambda: people.rename(username, to),
            "hand_over": lambda: people.hand_over(username, to),
            "make_private": lambda: people.set_private(username, True),
            "make_public": lambda: people.set_private(username, False),
            "accept_invite": lambda: people.set_accepted(username, True),
            "withdraw_invite": lambda: people.set_accepted(username, False),
            "uninstall": lambda: asdict(callbacks.send("uninstall", username, to or None)),
            "delete": lambda: asdict(callbacks.send("delete", username, to or None)),
            "add_person": lambda: people.add(username),
        }


def _check_names(given: Given, known: set[str]) -> None:
    if unknown := given.keys() - known:
        raise ValueError(f"not understood: {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
