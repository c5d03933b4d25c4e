"""The keeper's two functions, as the control page knows them: their addresses, and a refresh on demand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import requests

PATIENCE = 400.0  # seconds: longer than a run takes that uses its whole budget


@dataclass(frozen=True)
class Run:
    """One refresh that was asked for; `status` is None if the function did not answer."""

    status: int | None
    outcomes: dict[str, str]
    problem: str = ""


class Keeper:
    """Where the functions are, and what the last few refreshes came to."""

    def __init__(self, oauth_url: str | None = None, refresh_url: str | None = None) -> None:
        self.oauth_url, self.refresh_url = _without_slash(oauth_url), _without_slash(refresh_url)
        self.runs: deque[Run] = deque(maxlen=3)

    def refresh(self) -> Run:
        """Ask the refresh function for a run, as Cloud Scheduler does; raise ValueError if its address is unknown."""
        if not self.refresh_url:
            raise ValueError("the address of the refresh function is not known here: start with --refresh-url")
        run = _asked(f"{self.refresh_url}/")
        self.runs.appendleft(run)
        return run


def _asked(url: str) -> Run:
    with requests.Session() as session:
        session.trust_env = False  # a proxy does not know this machine's loopback
        try:
            reply = session.post(url, timeout=PATIENCE, allow_redirects=False)
            return Run(reply.status_code, _outcomes(reply.json()))
        except (requests.RequestException, ValueError) as error:
            return Run(None, {}, f"no answer that can be read: {type(error).__name__}")


def _outcomes(body: Any) -> dict[str, str]:
    """Return each account's outcome by its secret's name; raise ValueError if the body does not say."""
    try:
        return {str(one["secret"]).rpartition("/")[2]: str(one["outcome"]) for one in body["accounts"]}
    except (KeyError, TypeError):
        raise ValueError("not a report of a run") from None


def _without_slash(url: str | None) -> str | None:
    return url.rstrip("/") if url else None
