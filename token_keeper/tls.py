"""The certificates that are trusted. Without `requests`, so that reading them and importing it go side by side."""

from __future__ import annotations

import ssl

from certifi import where as mozillas


def context(trusted: str | None = None) -> ssl.SSLContext:
    """Return what TLS connections are made with: it wants a certificate of this host that `trusted` vouches for.

    `trusted` is a file of certificates; without one, Mozilla's. Reading it takes 20 ms of CPU, so do it once.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    made.load_verify_locations(trusted or mozillas())
    return made
