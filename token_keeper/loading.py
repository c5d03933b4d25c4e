"""Loading what is large: when it is needed, and of it what is used.

A first refresh spends more of its own time on importing the Secret Manager client than on anything else.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterable

SELDOM_USED = (
    # Google's credentials can sign with a private key, by a large cryptographic library. On Cloud Run there is no key:
    # the metadata server gives the tokens.
    "google.auth.crypt",
    "google.auth.iam",
    "google.auth.jwt",
    # Protocol buffers in pure Python, for machines without the compiled ones.
    "google.protobuf.internal.python_message",
)

_lock = threading.Lock()


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
    if name in sys.modules:
        return
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # nor is its package there
        return
    if spec is None or spec.loader is None or name in sys.modules:  # by now, because its package is run by the finding
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, attribute = name.rpartition(".")
    setattr(sys.modules[package], attribute, module)
