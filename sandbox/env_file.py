"""The file `.env`: settings of `make run`, for the real Threads above all. A mistake in it is named at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from sandbox.trouble import Trouble

NEEDED = ("THREADS_APP_ID", "THREADS_APP_SECRET", "PUBLIC_URL")  # all of them, or none
PASSED_ON = ("THREADS_SCOPES", "REFRESH_AFTER_HOURS", "REFRESH_BUDGET_SECONDS")
USERNAMES = "THREADS_USERNAMES"
_LINE = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))(?:\s+#.*)?""")


def read(path: Path, known: Collection[str]) -> dict[str, str]:
    """Return the settings of the file, none where there is no file; raise Trouble where it is not right.

    Comments, blank lines, `export` and quotes around a value are understood. A blank value counts as not set.
    """
    settings: dict[str, str] = {}
    for number, name, value in _lines(path):
        if name not in known:
            raise Trouble(f"{path}, line {number}: {_unknown(name, known)}")
        if name in settings:
            raise Trouble(f"{path}, line {number}: {name} is set a second time.")
        settings[name] = value
    settings = {name: value for name, value in settings.items() if value}
    _check_whole(path, settings)
    return settings


def _lines(path: Path) -> list[tuple[int, str, str]]:
    found = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if not match:
            raise Trouble(f"{path}, line {number}: write NAME=value.")
        found.append((number, match[1], match[2] or match[3] or match[4] or ""))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise Trouble(f"{path} cannot be read: {reason}.") from None


def _unknown(name: str, known: Collection[str]) -> str:
    meant = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"Did you mean {meant[0]}? " if meant else ""
    return f"{name} is no setting. {hint}The settings are {', '.join(known)}."


def _check_whole(path: Path, settings: Mapping[str, str]) -> None:
    missing = [name for name in NEEDED if name not in settings]
    if missing and len(missing) < len(NEEDED):
        given = ", ".join(name for name in NEEDED if name in settings)
        raise Trouble(f"{path} sets {given}. For the real Threads it must set {', '.join(missing)} too.")
