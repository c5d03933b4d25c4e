"""Run one target in this process, instrumented: python -m fuzz.one NAME [CORPUS] [libFuzzer's options]"""

from __future__ import annotations

import sys

import atheris

# Modules are instrumented while they are imported, so nothing above may import the keeper.
with atheris.instrument_imports(include=["main", "token_keeper", "itsdangerous", "werkzeug", "urllib3"]):
    from fuzz.targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["main", "token_keeper", "itsdangerous", "werkzeug", "urllib3"]):
        test = TARGETS[name].make()
    atheris.Setup(sys.argv, test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
