"""The app as it is registered with the local Threads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass
class Registration:
    """The Threads App ID, the app secret and the redirect URIs; None allows any that is https or loopback."""

    app_id: str
    app_secret: str = field(repr=False)
    redirect_uris: Collection[str] | None = None
