"""The environment variables, one class for each function: two trust boundaries, two sets of settings.

Built from a mapping inside the call, never at import. An error names the variable and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from token_keeper.access_token import LIFETIME, REFRESHABLE_AFTER, WORRY
from token_keeper.errors import SettingError

DEFAULT_SCOPES = "threads_basic,threads_content_publish"
DEFAULT_AUTHORIZE_URL = "https://threads.com/oauth/authorize"
DEFAULT_API_URL = "https://graph.threads.com"

# Threads refuses to refresh a younger token. The upper bound leaves 14 of a token's 60 days for trying again.
LEAST_REFRESH_AFTER_HOURS = REFRESHABLE_AFTER // timedelta(hours=1)
MOST_REFRESH_AFTER_HOURS = (LIFETIME - WORRY) // timedelta(hours=1)


class Secret:
    """A string that shows itself to nobody who does not ask for it by `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__


@dataclass(frozen=True)
class OAuthSettings:
    """What the sign-in needs; the only place where the app secret enters."""

    project: str
    app_id: str
    app_secret: Secret
    public_url: str
    scopes: tuple[str, ...]
    authorize_url: str
    api_url: str
    emulator: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> OAuthSettings:
        return cls(
            project=_project(environ),
            app_id=_matching(environ, "THREADS_APP_ID", r"[0-9]{1,64}"),
            app_secret=Secret(_matching(environ, "THREADS_APP_SECRET", r"[!-~]{1,512}")),
            public_url=_url(environ, "PUBLIC_URL"),
            scopes=_scopes(environ),
            authorize_url=_url(environ, "THREADS_AUTHORIZE_URL", DEFAULT_AUTHORIZE_URL),
            api_url=_url(environ, "THREADS_API_URL", DEFAULT_API_URL),
            emulator=_emulator(environ),
        )

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}/callback"

    @property
    def on_loopback(self) -> bool:
        """Plain http was accepted, which it is for loopback only."""
        return self.public_url.startswith("http:")


@dataclass(frozen=True)
class RefreshSettings:
    """What a refresh run needs; no sign-in setting among them."""

    project: str
    api_url: str
    refresh_after: timedelta
    budget: timedelta
    sign_in_url: str | None
    emulator: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RefreshSettings:
        hours = _number(environ, "REFRESH_AFTER_HOURS", "24", LEAST_REFRESH_AFTER_HOURS, MOST_REFRESH_AFTER_HOURS)
        return cls(
            project=_project(environ),
            api_url=_url(environ, "THREADS_API_URL", DEFAULT_API_URL),
            refresh_after=timedelta(hours=hours),
            budget=timedelta(seconds=_number(environ, "REFRESH_BUDGET_SECONDS", "1500", 1, 24 * 3600)),
            sign_in_url=_url(environ, "SIGN_IN_URL") if "SIGN_IN_URL" in environ else None,
            emulator=_emulator(environ),
        )


def _text(environ: Mapping[str, str], name: str, default: str | None = None) -> str:
    value = environ.get(name, default)
    if value is None:
        raise SettingError(f"{name} is not set.")
    if not value.strip():
        raise SettingError(f"{name} is blank.")
    return value.strip()


def _matching(environ: Mapping[str, str], name: str, pattern: str) -> str:
    value = _text(environ, name)
    if not re.fullmatch(pattern, value, re.ASCII):
        raise SettingError(f"{name} has characters that do not belong there.")
    return value


def _project(environ: Mapping[str, str]) -> str:
    return _matching(environ, "GOOGLE_CLOUD_PROJECT", r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}")


def _number(environ: Mapping[str, str], name: str, default: str, least: int, most: int) -> int:
    value = _text(environ, name, default)
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most}.")
    return int(value)


def _scopes(environ: Mapping[str, str]) -> tuple[str, ...]:
    scopes = tuple(scope.strip() for scope in _text(environ, "THREADS_SCOPES", DEFAULT_SCOPES).split(","))
    if not all(re.fullmatch(r"[a-z_]{1,64}", scope) for scope in scopes):
        raise SettingError("THREADS_SCOPES must be names such as threads_basic, separated by commas.")
    if "threads_basic" not in scopes:
        raise SettingError("THREADS_SCOPES must contain threads_basic: without it Threads refreshes nothing.")
    return scopes


def _url(environ: Mapping[str, str], name: str, default: str | None = None) -> str:
    value = _text(environ, name, default)
    try:
        url = urlsplit(value)
        plain = not (url.username or url.password or "?" in value or "#" in value) and url.port != 0
    except ValueError:
        plain = False
    if not plain or not url.hostname or not re.fullmatch(r"[!-~]+", value) or "\\" in value or value.endswith("/"):
        raise SettingError(f"{name} must be a URL such as https://example.com, without a slash at its end.")
    if not value.startswith(f"{url.scheme}://"):
        raise SettingError(f"{name} must begin with https:// in lower case.")
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.hostname)):
        raise SettingError(f"{name} must be https; plain http is for this machine's own loopback address only.")
    return value


def _emulator(environ: Mapping[str, str]) -> str | None:
    name = "SECRET_MANAGER_EMULATOR_HOST"
    if name not in environ:
        return None
    value = _text(environ, name)
    match = re.fullmatch(r"(?:([A-Za-z0-9.-]+)|\[([0-9A-Fa-f:.]+)\]):([0-9]{1,5})", value, re.ASCII)
    if not match or not 0 < int(match[3]) < 65536:
        raise SettingError(f"{name} must be host:port.")
    if not _is_loopback(match[1] or match[2]):
        raise SettingError(f"{name} must be on this machine's own loopback address: the connection is not encrypted.")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
