"""The HTML pages, and the headers that keep them from leaking: no script, no third party, nothing cached.

Everything that is put into a page is escaped by Jinja.
Source: OWASP, "HTTP Security Response Headers"; RFC 9700 section 4.2 (leakage through Referer and history).
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from token_keeper.clock import parse_rfc3339
from token_keeper.languages import LANGUAGES, Language
from token_keeper.shown_by_threads import SHOWN_BY_THREADS

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, language: Language, **values: Any) -> str:
    """Return a page, filled in and written in this language."""
    return _environment().get_template(template).render(language=language, **values)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(said=_said, time=parse_rfc3339)
    mark = _text("mark.svg")
    icon = f"data:image/svg+xml,{quote(mark)}"
    environment.globals.update(style=_text("style.css"), mark=mark, icon=icon)
    environment.globals.update(languages=LANGUAGES, shown_by_threads=SHOWN_BY_THREADS)
    return environment


@jinja2.pass_context
def _gettext(context: jinja2.runtime.Context, message: str) -> str:
    return _language(context).gettext(message)


@jinja2.pass_context
def _ngettext(context: jinja2.runtime.Context, singular: str, plural: str, number: int) -> str:
    return _language(context).ngettext(singular, plural, number)


@jinja2.pass_context
def _said(context: jinja2.runtime.Context, english: str) -> Markup:
    """Return sentences of the code's in the page's language; backticks stand around what is typed at a terminal."""
    parts = _language(context).sentences(english).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _language(context: jinja2.runtime.Context) -> Language:
    language: Language = context["language"]
    return language


@lru_cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")


@lru_cache(maxsize=1)
def headers() -> dict[str, str]:
    """Return the headers of every reply, page or not. They let in the page's own icon, as data, and no other image."""
    digest = base64.b64encode(hashlib.sha256(_text("style.css").encode()).digest()).decode()
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }
