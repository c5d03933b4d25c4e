"""A person uses the local Threads in a browser without script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, authorize_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that runs no script, as wide as a phone."""
    page = browser.new_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page.set_default_timeout(10_000)
    yield page
    page.close()


@pytest.mark.browser
def test_a_person_signs_in_and_moves_the_clock_in_a_browser(threads: LocalThreads, browser_page: Page) -> None:
    page = browser_page
    page.goto(authorize_url(threads, redirect_uri=threads.url + "/sandbox"))
    page.get_by_label("bob").check()
    page.get_by_label("threads_content_publish").uncheck()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/sandbox?code=*")
    assert page.url.endswith("#_")
    assert threads.people["bob"].grant.scopes == ["threads_basic"]
    before = threads.clock.now()
    page.get_by_role("button", name="+60 days").click()
    page.wait_for_url("**/sandbox#clock")
    assert threads.clock.now() - before > 59 * DAY
    page.locator("#faults > summary").click()
    page.get_by_label("Fault").select_option("hang")
    page.get_by_role("button", name="Make it fail").click()
    page.wait_for_url("**/sandbox#faults")
    assert [(fault.call, fault.name, fault.times) for fault in threads.control.faults] == [("refresh", "hang", 1)]
    assert page.get_by_text("The next refresh: the connection is accepted and never answered").is_visible()
    carol = page.locator("#people details", has_text="carol")
    carol.locator("summary").click()
    carol.get_by_role("button", name="Accept invite").click()
    page.wait_for_url("**/sandbox#people")
    assert threads.people["carol"].accepted
    assert page.evaluate("document.documentElement.scrollWidth") == 390
