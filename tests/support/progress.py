"""Print every few seconds how far a run in several processes is, and which test has run longest.

A dot for each test says little while the slow ones run, and nothing where a log is read line by line.
"""

from __future__ import annotations

import threading
import time

import pytest

EVERY = 10.0


class Progress:
    """Watches the tests start and end, and prints a line every ten seconds."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._running: dict[str, float] = {}
        self._ended = 0
        self._over = threading.Event()

    def pytest_sessionstart(self) -> None:
        threading.Thread(target=self._report, args=(time.monotonic(),), daemon=True).start()

    def pytest_sessionfinish(self) -> None:
        self._over.set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)
        self._ended += 1

    def _report(self, began: float) -> None:
        while not self._over.wait(EVERY):
            now = time.monotonic()
            self._terminal.write(f"\n{now - began:4.0f} s: {self._ended} tests done, {self._longest(now)}\n")

    def _longest(self, now: float) -> str:
        running = sorted((since, nodeid) for nodeid, since in self._running.copy().items())
        return f"{running[0][1]} has run for {now - running[0][0]:.0f} s" if running else "the next ones are prepared"


@pytest.hookimpl(trylast=True)  # the terminal's reporter is made by another pytest_configure
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and config.getoption("numprocesses", None):
        config.pluginmanager.register(Progress(terminal), "progress")
