"""The authorization request: what an app asks a person for, and what Threads refuses before it asks anybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from sandbox.threads.refusals import refused

# The most common set-up mistake is the Meta App ID of the same app in the place of its Threads App ID.
META_APP_ID = "1010101010101010"
SCOPES = frozenset(
    {
        "threads_basic",
        "threads_content_publish",
        "threads_delete",
        "threads_keyword_search",
        "threads_location_tagging",
        "threads_manage_insights",
        "threads_manage_mentions",
        "threads_manage_replies",
        "threads_profile_discovery",
        "threads_read_replies",
        "threads_share_to_instagram",
    }
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class AuthorizationRequest:
    """What the app asks a person for."""

    client_id: str
    redirect_uri: str
    scopes: list[str]
    state: str | None

    @classmethod
    def read(cls, query: Mapping[str, str], app_id: str, registered: Collection[str] | None) -> AuthorizationRequest:
        """Return the request; raise Refused for what the real Threads shows in the browser.

        `registered` are the redirect URIs that will do, to the letter; None: any that is https or loopback.
        """
        check_app_id(query.get("client_id", ""), app_id)
        redirect_uri = query.get("redirect_uri", "")
        check_redirect_uri(redirect_uri, registered)
        scopes = query.get("scope", "").replace(",", " ").split()
        if query.get("response_type") != "code" or "threads_basic" not in scopes or not set(scopes) <= SCOPES:
            raise refused("bad_parameter", shape=3)
        return cls(app_id, redirect_uri, list(dict.fromkeys(scopes)), query.get("state"))

    def answer(self, *, echo_state: bool = True, **parameters: str) -> str:
        """Return the address that the browser is sent to."""
        if echo_state and self.state is not None:
            parameters["state"] = self.state
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{joint}{urlencode(parameters, quote_via=quote)}"


def check_app_id(given: str, app_id: str) -> None:
    """Raise Refused if this is not the Threads App ID."""
    if not given:
        raise refused("no_client_id")
    if given != app_id:
        raise refused("no_app_id" if given == META_APP_ID else "no_app_data")


def check_redirect_uri(uri: str, registered: Collection[str] | None) -> None:
    """Raise Refused if the address is not registered, or is http beyond loopback."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise refused("url_blocked") from None
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise refused("insecure")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise refused("url_blocked")
    if registered is not None and uri not in registered:
        raise refused("url_blocked")
