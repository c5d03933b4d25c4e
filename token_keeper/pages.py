"""The HTML pages, and the headers that keep them from leaking: no script, no third party, nothing cached.

Everything that is put into a page is escaped by Jinja.
Source: OWASP, "HTTP Security Response Headers"; RFC 9700 section 4.2 (leakage through Referer and history).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, auto_reload=False
    )
    environment.filters["day"] = _day
    environment.globals["style"] = _style()
    return environment


@lru_cache(maxsize=1)
def _style() -> str:
    return (_TEMPLATES / "style.css").read_text("utf-8")


def render(template: str, **values: Any) -> str:
    """Fill a page in."""
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def headers() -> dict[str, str]:
    """Return the headers of every reply, whether it is a page or not."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }


def _day(moment: datetime | str | None) -> str:
    """Write `2027-01-20 03:17 UTC`, which every reader of the world reads alike."""
    if moment is None:
        return "not known"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return f"{moment:%Y-%m-%d %H:%M} UTC"
