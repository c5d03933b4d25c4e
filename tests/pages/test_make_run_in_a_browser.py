"""The real thing in a real browser: `python -m sandbox` as a person at a terminal starts it, and Chromium before it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.make_run.local_run import LocalRun, free_ports, started
from tests.support.browser import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with started(tmp_path_factory.mktemp("sandbox"), free_ports()) as sandbox:
        yield sandbox


def sign_in(page: Page, sandbox: LocalRun, person: str) -> None:
    page.goto(sandbox.at("OAUTH_PORT"))
    page.get_by_role("link", name="Sign in with Threads").click()
    page.locator(f"input[name=person][value='{person}']").check()
    page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize(
    ("person", "javascript"),
    [("alice", True), ("dotted.name", False)],
    ids=["with JavaScript", "without JavaScript"],
)
def test_a_person_signs_in_and_the_newest_version_is_the_access_token(
    sandbox: LocalRun, browser: Browser, person: str, javascript: bool
) -> None:
    with page_of(browser, javascript=javascript) as page:
        sign_in(page, sandbox, person)
        page.wait_for_url("**/signed-in?receipt=*")
        assert page.title() == "Token kept · Threads Token Keeper"
        assert person in page.inner_text("main")
        version = re.search(rf"threads-token-{person.replace('.', '-')}/versions/(\d+)", page.inner_text("main"))
        assert version
        page.reload()
        assert "Token kept" in page.inner_text("h1")
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "704px", (
            "the style is let in"
        )
    token = sandbox.accounts("token", person)
    assert re.fullmatch(r"TH[\w.-]+", token)
    assert f"version {version[1]}" in sandbox.accounts()


def test_the_keyboard_alone_leads_from_the_start_to_token_kept(sandbox: LocalRun, browser: Browser) -> None:
    with page_of(browser) as page:
        page.goto(sandbox.at("OAUTH_PORT"))
        press_until(page, "Tab", "document.activeElement.textContent === 'Sign in with Threads'")
        page.keyboard.press("Enter")
        page.wait_for_url("**/oauth/authorize?*")
        press_until(page, "Tab", "document.activeElement.name === 'person'")
        press_until(page, "ArrowDown", "document.activeElement.value === 'alice'")
        press_until(page, "Tab", "document.activeElement.textContent.trim() === 'Continue'")
        page.keyboard.press("Enter")
        page.wait_for_url("**/signed-in?receipt=*")
        assert page.inner_text("h1") == "Token kept"
        page.goto(sandbox.at("OAUTH_PORT"))
        press_until(page, "Tab", "document.activeElement.textContent.includes('three URLs')")
        page.keyboard.press("Enter")
        assert page.get_by_text("/uninstall", exact=False).is_visible()


def press_until(page: Page, key: str, arrived: str) -> None:
    """Press a key until the focus is where it should be; what has it must be seen to have it."""
    for _ in range(30):
        page.keyboard.press(key)
        if page.evaluate(arrived):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"The focus never came to where {arrived}")


def test_a_person_who_cancels_may_sign_in_again(sandbox: LocalRun, browser: Browser) -> None:
    with page_of(browser, language="zh-TW") as page:
        page.goto(sandbox.at("OAUTH_PORT"))
        page.get_by_role("link", name="使用 Threads 登入").click()
        page.locator("input[value=bob]").check()
        page.get_by_role("button", name="Cancel").click()
        assert page.inner_text("h1") == "已取消登入"
        page.get_by_text("English", exact=True).click()
        assert page.get_by_role("heading", name="Sign-in cancelled").is_visible()
        page.get_by_role("link", name="重新登入").click()
        page.wait_for_url("**/oauth/authorize?*")


def test_the_status_page_says_who_must_do_what_as_the_clock_moves_on(sandbox: LocalRun, browser: Browser) -> None:
    with page_of(browser, javascript=False) as page:
        sign_in(page, sandbox, "bob")
        page.goto(sandbox.at("REFRESH_PORT"))
        bob = page.locator("tr", has_text="bob").inner_text()
        assert re.search(r"Token\s+expires in 60 days\s+\d+\s\w+\s\d{4},\s\d\d:\d\d\sUTC", bob)
        assert re.search(r"Permission\s+ends in 90 days", bob)
        assert "Well" in bob
        assert "Not signed in yet" in page.locator("tr", has_text="carol").inner_text()
        page.goto(sandbox.at("THREADS_PORT", "/sandbox"))
        page.fill("input[name=by]", "61d")
        page.get_by_role("button", name="Move on").click()
        page.goto(sandbox.at("REFRESH_PORT"))
        bob = page.locator("tr", has_text="bob").inner_text()
        assert "Must sign in again" in bob
        assert "expired 24 hours ago" in bob
        page.get_by_role("link", name="日本語").click()
        assert "再サインインが必要" in page.locator("tr", has_text="bob").inner_text()


def test_every_page_fits_a_phone(sandbox: LocalRun, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for name, path in (("OAUTH_PORT", "/"), ("REFRESH_PORT", "/"), ("OAUTH_PORT", "/callback"), ("OAUTH_PORT", "/x")):
        page.goto(sandbox.at(name, path))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, (name, path)
    context.close()
