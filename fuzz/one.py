"""One target in this process, instrumented: python -m fuzz.one NAME [CORPUS] [libFuzzer's options]"""

from __future__ import annotations

import sys

import atheris

# Instrumented as they are imported; so nothing of the keeper is imported above.
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
