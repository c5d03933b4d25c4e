"""Chromium, and pages in it that must log no error and call no other machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.programs import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, for tests that are marked `browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, *, javascript: bool = True, language: str = "en") -> Iterator[Page]:
    """Open a page, and check afterwards that it logged no error and called no other machine."""
    context = browser.new_context(java_script_enabled=javascript, locale=language)
    context.set_default_timeout(10_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if _is_elsewhere(request.url) else None)
    yield page
    context.close()
    # Chromium reports an error page's own status as a failure to load it.
    assert [one for one in problems if "status of 4" not in one] == []


def _is_elsewhere(url: str) -> bool:
    return "//127.0.0.1:" not in url and not url.startswith("data:image/svg+xml,")
