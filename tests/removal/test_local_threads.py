"""The callbacks of the local Threads against a real server."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

from flask.testing import FlaskClient
from werkzeug.serving import make_server

from sandbox.clock import Clock
from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.removal.signed import ALICE
from tests.support.app import ACCOUNT_LABELS
from tests.support.sign_in import sign_in


def test_the_local_threads_callbacks_are_understood(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, clock: Clock
) -> None:
    server = make_server("127.0.0.1", 0, oauth.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        sign_in(oauth, threads)
        clock.forward(timedelta(seconds=2))
        assert threads.send_uninstall("alice", f"{url}/uninstall").status == 200
        assert manager.states(ALICE) == {1: "DESTROYED"}
        sign_in(oauth, threads)
        clock.forward(timedelta(seconds=2))
        delivery = threads.send_delete("alice", f"{url}/delete")
        assert delivery.status == 200
        assert json.loads(delivery.body).keys() == {"url", "confirmation_code"}
        assert manager.labels(ALICE) == ACCOUNT_LABELS
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
