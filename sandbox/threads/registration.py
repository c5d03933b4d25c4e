"""The app as it is registered with the local Threads."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass
class Registration:
    """The Threads App ID, the app secret and the redirect URIs; None allows any that is https or loopback."""

    app_id: str
    app_secret: str = field(repr=False)
    redirect_uris: Collection[str] | None = None

    @property
    def tokens(self) -> tuple[str, str]:
        """Both forms of the app token: the id and the secret joined, and the one that the API issues."""
        digest = hmac.digest(self.app_secret.encode(), b"app token", hashlib.sha256).hex()
        return f"TH|{self.app_id}|{self.app_secret}", f"TH|{self.app_id}|{digest[:27]}"
