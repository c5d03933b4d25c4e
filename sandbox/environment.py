"""Install pinned packages into the environment that runs this, and show how far it is.

    .venv/bin/python -m sandbox.environment requirements.txt

It stands on the standard library alone, since nothing else is there yet.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

_CLEAR = "\r\033[K"


def main() -> int:
    files = sys.argv[1:]
    began = time.monotonic()
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    arguments = [argument for file in files for argument in ("--requirement", file)]
    with subprocess.Popen([*pip, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        show(process.stdout, number_of_packages(files), sys.stdout)
    if process.returncode:
        print(f"The packages of {', '.join(files)} could not be installed; pip says above why.", file=sys.stderr)
    else:
        print(f"The packages of {', '.join(files)} are there, after {time.monotonic() - began:.0f} seconds.")
    return process.returncode


def number_of_packages(files: Iterable[str]) -> int:
    return sum(len(re.findall(r"^[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?==", Path(file).read_text(), re.M)) for file in files)


def show(lines: Iterable[str], total: int, out: TextIO) -> None:
    """Read what pip prints, and on a terminal keep one line that says where it is."""
    seen = 0
    for line in lines:
        step = None
        if found := re.match(r"(?:Collecting|Processing|Requirement already satisfied:) (\S+)", line):
            seen += 1
            step = f"  {min(seen, total)} of {total}: {_package(found[1])}"
        elif line.startswith("Installing collected packages"):
            step = f"  unpacking {line.count(',') + 1} packages…"
        if step and out.isatty():
            out.write(f"{_CLEAR}{step}")
            out.flush()
    if out.isatty():
        out.write(_CLEAR)


def _package(text: str) -> str:
    """Return the name in `flask==3.1.3` or in the path of a wheel."""
    return re.split(r"[=<>\[;]|-\d", text.rpartition("/")[2])[0]


if __name__ == "__main__":
    sys.exit(main())
