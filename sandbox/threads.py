"""A local Threads: the consent page, the API, and a page to make time pass and things go wrong.

    python -m sandbox.threads --port 9100
    with LocalThreads(Clock(), app_id="123", app_secret="s") as threads: requests.get(threads.url + "/v1.0/me")

It listens on loopback only. Nothing of it is Meta's: it does what Meta's pages say, and where they leave something
open there is a switch.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.clock import DEFAULT_PATH, Clock
from sandbox.platform import Platform
from sandbox.signed_request import signed_request
from sandbox.threads_app import create_app

DEFAULT_SECRET = "sandbox-app-secret"


@dataclass(frozen=True)
class Delivery:
    """A callback that was sent, and the reply; status None where there was none."""

    kind: str
    username: str
    url: str
    status: int | None
    body: str


class LocalThreads:
    """The local Threads behind a socket, from `start` (or `with`) to `stop`."""

    def __init__(
        self,
        clock: Clock,
        app_id: str = "1234567890",
        app_secret: str = DEFAULT_SECRET,
        redirect_uris: Iterable[str] | None = None,
        path: Path | None = None,
        port: int = 0,
        readable_tokens: bool = False,
        uninstall_url: str | None = None,
        delete_url: str | None = None,
    ) -> None:
        self.clock = clock
        self.platform = Platform(
            clock, app_id, app_secret, redirect_uris=redirect_uris, path=path, readable_tokens=readable_tokens
        )
        self.callback_urls = {"uninstall": uninstall_url, "delete": delete_url}
        self.deliveries: deque[Delivery] = deque(maxlen=5)
        self.url = ""
        self._port = port
        self._stopping = threading.Event()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> LocalThreads:
        """Listen, or raise OSError where the port is taken."""
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
        """Stop listening and let go of every call that hangs."""
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
        """Give what an uninstall or a delete callback for this person holds; issued now unless told."""
        moment = self.clock.now() if issued_at is None else issued_at
        seconds = moment if isinstance(moment, int) else int(moment.timestamp())
        return signed_request(self.platform.app_secret, self.platform.signed_user_id(username), seconds)

    def send_uninstall(
        self, username: str, to: str | None = None, *, issued_at: datetime | int | None = None
    ) -> Delivery:
        """Let the person remove the app, and send the uninstall callback."""
        return self._send("uninstall", username, to, issued_at)

    def send_delete(self, username: str, to: str | None = None, *, issued_at: datetime | int | None = None) -> Delivery:
        """Let the person remove the app and ask for the deletion of their data, and send the delete callback."""
        return self._send("delete", username, to, issued_at)

    def _send(self, kind: str, username: str, to: str | None, issued_at: datetime | int | None) -> Delivery:
        url = to or self.callback_urls[kind]
        if not url:
            raise ValueError(f"no {kind} callback URL is set")
        form = {"signed_request": self.signed_request(username, issued_at)}
        self.platform.remove_app(username)
        with requests.Session() as session:
            session.trust_env = False  # a proxy does not know this machine's loopback
            try:
                reply = session.post(url, data=form, timeout=30, allow_redirects=False)
                delivery = Delivery(kind, username, url, reply.status_code, reply.text[:2000])
            except (requests.RequestException, ValueError) as error:
                delivery = Delivery(kind, username, url, None, f"no answer: {type(error).__name__}")
        self.deliveries.appendleft(delivery)
        return delivery


class _QuietHandler(WSGIRequestHandler):
    """Logs no request, because a query string holds tokens and secrets."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, format: str, *args: Any) -> None:
        pass


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    args = _arguments()
    threads = LocalThreads(
        Clock(args.clock),
        app_id=args.app_id,
        app_secret=os.environ[args.app_secret_env] if args.app_secret_env else DEFAULT_SECRET,
        redirect_uris=args.redirect_uri,
        path=args.state,
        port=args.port,
        uninstall_url=args.uninstall_url,
        delete_url=args.delete_url,
    )
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    try:
        threads.start()
    except OSError as error:
        print(f"local Threads: cannot listen on port {args.port}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"Local Threads is ready: {threads.url} (its control page: {threads.url}/sandbox)", flush=True)
    told.wait()
    threads.stop()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.threads", description="Serve a local Threads on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--state", type=Path, help="keep people and tokens in this file; without it, in memory")
    parser.add_argument("--clock", type=Path, default=DEFAULT_PATH, help="the sandbox's clock file")
    parser.add_argument("--app-id", default="1234567890", help="the Threads App ID")
    parser.add_argument("--app-secret-env", metavar="NAME", help="the environment variable that holds the app secret")
    parser.add_argument("--redirect-uri", action="append", help="a registered one; may be repeated; none: any")
    parser.add_argument("--uninstall-url", help="where the uninstall callback goes")
    parser.add_argument("--delete-url", help="where the delete callback goes")
    args = parser.parse_args()
    if args.app_secret_env and not os.environ.get(args.app_secret_env):
        parser.error(f"the environment variable {args.app_secret_env} is not set")
    return args


if __name__ == "__main__":
    sys.exit(main())
