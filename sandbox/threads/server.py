"""The local Threads behind a socket on loopback.

    with LocalThreads(Clock(), app_id="123", app_secret="s") as threads: requests.get(threads.url + "/v1.0/me")

Nothing here is Meta's: it does what Meta's pages say, and where they leave something open there is a switch.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.clock import Clock
from sandbox.threads.app import create_app
from sandbox.threads.callbacks import Delivery
from sandbox.threads.keeper import Keeper
from sandbox.threads.parts import Parts
from sandbox.threads.registration import Registration
from sandbox.threads.tokens import RandomText

DEFAULT_APP_ID = "1234567890"
DEFAULT_SECRET = "sandbox-app-secret"


class LocalThreads(Parts):
    """The local Threads behind a socket, from `start` (or `with`) to `stop`."""

    def __init__(
        self,
        clock: Clock,
        app_id: str = DEFAULT_APP_ID,
        app_secret: str = DEFAULT_SECRET,
        redirect_uris: Iterable[str] | None = None,
        path: Path | None = None,
        port: int = 0,
        readable_tokens: bool = False,
        uninstall_url: str | None = None,
        delete_url: str | None = None,
        random_text: RandomText = secrets.token_urlsafe,
        keeper: Keeper | None = None,
    ) -> None:
        app = Registration(app_id, app_secret, None if redirect_uris is None else set(redirect_uris))
        urls: dict[str, str | None] = {"uninstall": uninstall_url, "delete": delete_url}
        super().__init__(clock, app, path, urls, readable_tokens, random_text, keeper)
        self.url = ""
        self._port = port
        self._stopping = threading.Event()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> LocalThreads:
        """Listen; raise OSError if the port is taken."""
        with socket.create_server(("127.0.0.1", self._port), backlog=128) as listener:
            self._port = listener.getsockname()[1]
            self._server = make_server(
                "127.0.0.1",
                self._port,
                create_app(self, self._stopping),
                threaded=True,
                request_handler=_QuietHandler,
                fd=listener.fileno(),
            )
        self.url = f"http://127.0.0.1:{self._port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end every call that hangs."""
        self._stopping.set()
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def __enter__(self) -> LocalThreads:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def signed_request(self, username: str, issued_at: datetime | int | None = None) -> str:
        """Return what an uninstall or a delete callback for this person holds; issued now by default."""
        return self.callbacks.signed_request(username, issued_at)

    def send_uninstall(
        self, username: str, to: str | None = None, *, issued_at: datetime | int | None = None
    ) -> Delivery:
        """Remove the app on behalf of the person, and send the uninstall callback."""
        return self.callbacks.send("uninstall", username, to, issued_at)

    def send_delete(self, username: str, to: str | None = None, *, issued_at: datetime | int | None = None) -> Delivery:
        """Remove the app on behalf of the person, ask for the deletion of their data, and send the delete callback."""
        return self.callbacks.send("delete", username, to, issued_at)


class _QuietHandler(WSGIRequestHandler):
    """Logs no request, because a query string holds tokens and secrets."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: Any) -> None:
        pass
