"""What each bot here needs of the local Threads: its addresses in place of Meta's, a person who consents, a clock."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import requests

THREADS = os.environ["LOCAL_THREADS"]
APP = {"app_id": os.environ["LOCAL_APP_ID"], "app_secret": os.environ["LOCAL_APP_SECRET"]}
REDIRECT_URI = os.environ["LOCAL_REDIRECT_URI"]
PERSON = os.environ["LOCAL_PERSON"]
META = ("https://graph.threads.net", "https://threads.net")


class _LocalLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        for address in META:
            source = source.replace(address, THREADS)
        return compile(source, self.path, "exec")


class _LocalFinder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] != self._package:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _LocalLoader(spec.loader.name, spec.loader.path)
        return spec


def use_local_addresses(package: str) -> None:
    """Load this package, whose addresses are no settings, with the local ones. Nothing else of it changes."""
    sys.meta_path.insert(0, _LocalFinder(package))


def consent(url: str) -> str:
    """Consent to all that is asked, as the person; return the address that the browser is sent to."""
    assert url.startswith(f"{THREADS}/oauth/authorize"), url
    wanted = requests.Request("GET", url).prepare().url or ""
    page = requests.get(wanted, timeout=20)
    assert page.status_code == 200, page.text
    scopes = [part.partition('"')[0] for part in page.text.split('name="scope" value="')[1:]]
    form = {"person": PERSON, "decision": "continue", "scope": scopes}
    reply = requests.post(wanted, data=form, allow_redirects=False, timeout=20)
    assert reply.status_code == 302, reply.text
    return reply.headers["Location"]


def let_two_days_pass() -> None:
    """Move the clock on, since a token must be a day old before it can be refreshed."""
    requests.post(f"{THREADS}/sandbox/clock", json={"by": "2d"}, timeout=20).raise_for_status()


def report(tokens: tuple[str, str], me: dict[str, Any], posted: str, listed: dict[str, Any]) -> None:
    """Print what the bot saw: the token before and after the refresh, who it is, its post, and the list of posts."""
    texts = {post["id"]: post.get("text") for post in listed["data"]}
    print(json.dumps({"tokens": tokens, "username": me["username"], "posted": posted, "texts": texts}))
