"""Test control: which calls came in, which faults wait for the next ones, and how the switches stand."""

from __future__ import annotations

from typing import Any

from sandbox.threads.faults import Fault
from sandbox.threads.ledger import Ledger
from sandbox.threads.switches import Switches


class Control:
    """What tests and the control page turn. Every method is safe to call from several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.calls: list[tuple[str, str | None]] = []

    @property
    def switches(self) -> Switches:
        return self._ledger.switches

    @property
    def faults(self) -> list[Fault]:
        """The faults that are still to come, in order."""
        with self._ledger.lock:
            return list(self._ledger.faults)

    def fail(self, call: str, name: str, times: int | None = 1, username: str | None = None, **details: Any) -> None:
        """Make the next `times` of this call fail, or all of them (None). `details` are further fields of `Fault`."""
        with self._ledger.change():
            self._ledger.faults.append(Fault(call, name, times, username, **details))

    def clear_faults(self) -> None:
        """Remove every fault that is still to come."""
        with self._ledger.change():
            self._ledger.faults.clear()

    def turn(self, wanted: dict[str, Any]) -> None:
        """Set several switches at once; raise ValueError, and set none, if one does not fit."""
        with self._ledger.change():
            self._ledger.switches.turn(wanted)

    def arrive(self, call: str, username: str | None, token: str = "") -> Fault | None:
        """Note that a call came in; return the fault that waits for it, if there is one."""
        with self._ledger.change():
            self.calls.append((call, username))
            newest = self._is_newest(token)
            fault = next((one for one in self._ledger.faults if one.fits(call, username, token, newest)), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._ledger.faults.remove(fault)
            return fault

    def _is_newest(self, value: str) -> bool:
        token = self._ledger.tokens.get(value)
        newest_first = reversed(self._ledger.tokens.values())
        return token is not None and token is next(one for one in newest_first if one.person is token.person)
