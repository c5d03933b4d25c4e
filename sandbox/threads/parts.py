"""Puts the parts of the local Threads together: everything but HTTP and the socket."""

from __future__ import annotations

import secrets
from pathlib import Path

from sandbox.clock import Clock
from sandbox.threads.api import Api
from sandbox.threads.callbacks import Callbacks
from sandbox.threads.control import Control
from sandbox.threads.false_replies import FalseReplies
from sandbox.threads.keeper import Keeper
from sandbox.threads.ledger import Ledger
from sandbox.threads.people import People
from sandbox.threads.posting import Posting
from sandbox.threads.registration import Registration
from sandbox.threads.tokens import RandomText, Tokens


class Parts:
    """The rules of the API, what happens to people, and test control, all over one ledger."""

    def __init__(
        self,
        clock: Clock,
        app: Registration,
        path: Path | None = None,
        callback_urls: dict[str, str | None] | None = None,
        readable_tokens: bool = False,
        random_text: RandomText = secrets.token_urlsafe,
        keeper: Keeper | None = None,
    ) -> None:
        ledger = Ledger(clock, path)
        self.clock = clock
        self.media = ledger.media
        self.app = app
        self.people = People(ledger)
        self.tokens = Tokens(ledger, app.app_id, readable=readable_tokens, random_text=random_text)
        self.api = Api(ledger, self.tokens, app)
        self.posting = Posting(ledger)
        self.false_replies = FalseReplies(ledger, self.tokens)
        self.keeper = keeper or Keeper()
        self.control = Control(ledger)
        self.callbacks = Callbacks(clock, self.people, app.app_secret, callback_urls or {})
