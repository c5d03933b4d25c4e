"""Loading what is large: when it is needed, and of it what is used.

A first refresh spends more of its own time on importing the Secret Manager client than on anything else.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterable, Mapping

SELDOM_USED = (
    # Google's credentials can sign with a private key, by a large cryptographic library.
    "google.auth.crypt",
    "google.auth.iam",
    "google.auth.jwt",
    # Protocol buffers in pure Python, for machines without the compiled ones.
    "google.protobuf.internal.python_message",
)

_lock = threading.Lock()


def seldom_used(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Give what the store's client stands on and does not use here; nothing, where there may be a private key.

    On Cloud Run the metadata server gives the tokens, and an emulator wants none. Elsewhere all is loaded at once: not
    every Python lets two threads be the first to use what is lazy. Source: CPython, issue 114763.
    """
    keyless = environ.get("K_SERVICE") or environ.get("SECRET_MANAGER_EMULATOR_HOST")
    return SELDOM_USED if keyless and not environ.get("GOOGLE_APPLICATION_CREDENTIALS") else ()


def load(module: str, on_demand: Iterable[str] = ()) -> None:
    """Import a module and what it stands on; those `on_demand` are run when something of them is first used.

    The garbage collector pauses meanwhile: it would find nothing, and take a fifth of the time. What is loaded stays,
    so later collections need not look at it either.
    """
    with _lock:
        if module in sys.modules:
            return  # what is frozen is never collected: not what requests have made since
        gc.disable()
        try:
            for name in on_demand:
                _postpone(name)
            importlib.import_module(module)
            gc.freeze()
        finally:
            gc.enable()


def _postpone(name: str) -> None:
    """Put a module in its place without running it: the first use of an attribute runs it.

    Source: Python, `importlib`: "Implementing lazy imports". Beyond that, the package is given its attribute, for
    without it `from package import name` would run the module.
    """
    package, _, attribute = name.rpartition(".")
    try:
        parent = importlib.import_module(package)
    except ModuleNotFoundError:
        return
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    setattr(parent, attribute, module)
