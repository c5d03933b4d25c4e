"""The stand-ins for Threads and Secret Manager, each in its own process, and the environment that points to them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import certifi

from bench import store_stand_in, threads_stand_in
from bench.process import ROOT

THREADS_DELAY, STORE_DELAY = 0.150, 0.050  # seconds of one call, as measured against the real services


class StandIns:
    """Both stand-ins. The quota and the number of accounts can change while they run."""

    def __init__(self, folder: Path) -> None:
        certificate = _certificate(folder)
        spawn = get_context("spawn")
        self._threads_calls = spawn.Array("q", len(threads_stand_in.CALLS), lock=False)
        self._store_calls = spawn.Array("q", len(store_stand_in.CALLS), lock=False)
        self._accounts, self._quota = spawn.Value("q", 1), spawn.Value("q", 0)
        self._held = spawn.Value("d", 0), spawn.Value("d", 0)
        ports = spawn.Value("i", 0), spawn.Value("i", 0)
        threads = (ports[0], THREADS_DELAY, self._threads_calls, self._held[0], certificate)
        store = (ports[1], STORE_DELAY, self._store_calls, self._held[1], self._accounts, self._quota)
        self._processes = [
            spawn.Process(target=threads_stand_in.serve, args=threads, daemon=True),
            spawn.Process(target=store_stand_in.serve, args=store, daemon=True),
        ]
        for process in self._processes:
            process.start()
        while not all(port.value for port in ports):
            if not all(process.is_alive() for process in self._processes):
                raise RuntimeError("A stand-in did not start; its message is above.")
            time.sleep(0.01)
        self.threads_url = f"https://localhost:{ports[0].value}"
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "WORKERS": "1",
            "PYTHONPATH": f"{folder}:{ROOT}",  # its certifi trusts the stand-in's certificate
            "GOOGLE_CLOUD_PROJECT": "demo",
            "SECRET_MANAGER_EMULATOR_HOST": f"127.0.0.1:{ports[1].value}",
            "THREADS_APP_ID": "1234567890",
            "THREADS_APP_SECRET": "bench-app-secret",
            "PUBLIC_URL": "https://keeper.example",
            "THREADS_API_URL": self.threads_url,
        }

    def set(self, *, accounts: int = 1, quota: int = 0) -> None:
        """Set the number of accounts, and the reads and writes allowed a minute (0: no limit), for the next run."""
        self._accounts.value, self._quota.value = accounts, quota
        self.calls()
        self.held()

    def calls(self) -> Counter[str]:
        """Return the number of calls by name since the last call of this method."""
        counted: Counter[str] = Counter()
        known: tuple[tuple[tuple[str, ...], Any], ...] = (
            (threads_stand_in.CALLS, self._threads_calls),
            (store_stand_in.CALLS, self._store_calls),
        )
        for names, counts in known:
            counted.update(dict(zip(names, counts, strict=True)))
            for index in range(len(names)):
                counts[index] = 0
        return +counted

    def held(self) -> float:
        """Return the seconds for which replies were held back since the last call of this method."""
        seconds = 0.0
        for held in self._held:
            seconds += held.value
            held.value = 0
        return seconds

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


@contextmanager
def stand_ins() -> Iterator[StandIns]:
    with tempfile.TemporaryDirectory() as folder:
        both = StandIns(Path(folder))
        try:
            yield both
        finally:
            both.stop()


def _certificate(folder: Path) -> Path:
    """Create a certificate for localhost, and a `certifi` package whose bundle contains it too."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    openssl += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run([*openssl, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    package = folder / "certifi"
    package.mkdir()
    bundle = package / "cacert.pem"
    bundle.write_text(Path(certifi.where()).read_text() + certificate.read_text())
    (package / "__init__.py").write_text(f'__version__ = "bench"\n\ndef where() -> str:\n    return {str(bundle)!r}\n')
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both
