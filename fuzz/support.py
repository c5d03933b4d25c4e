"""What the targets share: the secrets that nothing may show, and how input becomes text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SENTINEL = "sentinel-app-secret"
TOKEN = "THsentineltoken"
ENVIRON = {
    "GOOGLE_CLOUD_PROJECT": "demo",
    "THREADS_APP_ID": "1234567890",
    "THREADS_APP_SECRET": SENTINEL,
    "PUBLIC_URL": "https://keeper.example",
    "SECRET_MANAGER_EMULATOR_HOST": "127.0.0.1:1",
}
Test = Callable[[bytes], None]


@contextmanager
def refused_at_most() -> Iterator[None]:
    """Accept an error of ours that contains no secret. Any other exception is a finding."""
    from token_keeper.errors import KeeperError

    try:
        yield
    except KeeperError as error:
        told = f"{error!r} {error}"
        assert SENTINEL not in told, "an error shows the app secret"
        assert TOKEN not in told, "an error shows a token"


def as_text(data: bytes) -> str:
    """Return a text that can arrive by HTTP or gRPC, so without lone surrogates."""
    return data[1:].decode("latin-1") if data[:1] == b"\xfe" else data.decode("utf-8", "replace")


def mutated(genuine: str, data: bytes) -> str:
    """Return the fuzzer's own text, or the genuine one with a piece replaced by it."""
    if len(data) < 3 or data[0] % 2:
        return as_text(data[1:])
    begin, end = data[1] % (len(genuine) + 1), data[2] % (len(genuine) + 1)
    return genuine[:begin] + as_text(data[3:]) + genuine[end:]
