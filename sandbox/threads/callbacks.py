"""The uninstall and the delete callback: what Threads sends to the app if a person removes it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime

import requests

from sandbox.clock import Clock
from sandbox.threads.people import People
from sandbox.threads.signed_request import signed_request


@dataclass(frozen=True)
class Delivery:
    """A callback that was sent, and the reply; status None if there was none."""

    kind: str
    username: str
    url: str
    status: int | None
    body: str


class Callbacks:
    """Sends callbacks to `urls`, by kind, and keeps the last few deliveries."""

    def __init__(self, clock: Clock, people: People, app_secret: str, urls: dict[str, str | None]) -> None:
        self.urls = urls
        self.deliveries: deque[Delivery] = deque(maxlen=5)
        self._clock, self._people, self._app_secret = clock, people, app_secret

    def signed_request(self, username: str, issued_at: datetime | int | None = None) -> str:
        """Return what an uninstall or a delete callback for this person holds; issued now by default."""
        moment = self._clock.now() if issued_at is None else issued_at
        seconds = moment if isinstance(moment, int) else int(moment.timestamp())
        return signed_request(self._app_secret, self._people.signed_user_id(username), seconds)

    def send(
        self, kind: str, username: str, to: str | None = None, issued_at: datetime | int | None = None
    ) -> Delivery:
        """Remove the app on behalf of the person, and send the callback of this kind."""
        url = to or self.urls.get(kind)
        if not url:
            raise ValueError(f"no {kind} callback URL is set")
        form = {"signed_request": self.signed_request(username, issued_at)}
        self._people.remove_app(username)
        delivery = _deliver(kind, username, url, form)
        self.deliveries.appendleft(delivery)
        return delivery


def _deliver(kind: str, username: str, url: str, form: dict[str, str]) -> Delivery:
    with requests.Session() as session:
        session.trust_env = False  # a proxy does not know this machine's loopback
        try:
            reply = session.post(url, data=form, timeout=30, allow_redirects=False)
            return Delivery(kind, username, url, reply.status_code, reply.text[:2000])
        except (requests.RequestException, ValueError) as error:
            return Delivery(kind, username, url, None, f"no answer: {type(error).__name__}")
