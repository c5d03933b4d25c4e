"""At a terminal a log line is a line of text, and an error is seen as one."""

from __future__ import annotations

import io
import json
import os
import pty
import re
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import pytest

from sandbox.terminal import Terminal
from tests.make_run.local_run import started

ENTRY = {"severity": "ERROR", "message": "alice must sign in again.", "event": "refused", "username": "alice"}


class ColourTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(text: str, out: io.StringIO) -> str:
    print(text, file=cast(TextIO, Terminal(out)))
    return out.getvalue()


def test_a_log_line_is_time_severity_account_and_message() -> None:
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  ERROR    alice         alice must sign in again\.\n", shown(json.dumps(ENTRY), io.StringIO())
    )
    run = {"severity": "INFO", "message": "Run completed."}
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  info     -             Run completed\.\n", shown(json.dumps(run), io.StringIO())
    )


def test_colour_is_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033" not in shown(json.dumps(ENTRY), io.StringIO())
    assert shown(json.dumps(ENTRY), ColourTerminal()).startswith("\033[1;31m")
    assert "\033" not in shown(json.dumps(ENTRY | {"severity": "INFO"}), ColourTerminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in shown(json.dumps(ENTRY), ColourTerminal())


@pytest.mark.parametrize("text", ["Listening.", "{not json", '{"a": 1}', "[1]", '{"severity": 3, "message": ""}', ""])
def test_what_is_no_log_line_passes_through(text: str) -> None:
    assert shown(text, io.StringIO()) == f"{text}\n"


def test_a_terminal_that_was_closed_stops_no_function() -> None:
    reading, writing = pty.openpty()
    out = os.fdopen(writing, "w")
    os.close(reading)
    assert Terminal(out).write("x\n") == 2
    with suppress(OSError):  # what could not be written is still there
        out.close()


def test_a_person_reads_the_run_and_its_error_and_no_json(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        local.sign_in("alice")
        local.post("THREADS_PORT", "/sandbox/clock", by="61d")
        local.post("REFRESH_PORT")
        local.end()
    after = local.said.partition("Ctrl-C")[2]
    assert re.search(r"^\d\d:\d\d:\d\d  info     alice  ", after, re.M)
    (error,) = re.findall(r"^\d\d:\d\d:\d\d  ERROR    alice  .*", after, re.M)
    assert local.at("OAUTH_PORT", "") in error  # where to sign in again
    assert '{"' not in after
    assert "\033" not in after
