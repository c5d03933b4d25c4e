"""`python -m sandbox`, as a person starts it in a terminal, used with Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.make_run.local_run import LocalRun, free_ports, started
from tests.support.programs import CHROMIUM

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with started(tmp_path_factory.mktemp("sandbox"), free_ports()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, *, javascript: bool = True) -> Iterator[Page]:
    """Open a page that must log no error and must call no other machine."""
    context = browser.new_context(java_script_enabled=javascript)
    context.set_default_timeout(10_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if "//127.0.0.1:" not in request.url else None)
    yield page
    context.close()
    # Chromium reports an error page's own status as a failure to load it.
    assert [one for one in problems if "favicon" not in one and "status of 4" not in one] == []


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
        expect(page.locator("main")).to_have_css("max-width", "736px")  # as the style sheet says
    token = sandbox.accounts("token", person)
    assert re.fullmatch(r"TH[\w.-]+", token)
    assert f"version {version[1]}" in sandbox.accounts()


def test_a_stranger_is_told_so_and_may_go_back(sandbox: LocalRun, browser: Browser) -> None:
    with page_of(browser) as page:
        page.goto(sandbox.at("OAUTH_PORT"))
        page.get_by_role("link", name="Sign in with Threads").click()
        page.locator("input[value=bob]").check()
        page.get_by_role("button", name="Cancel").click()
        assert page.inner_text("h1") == "Sign-in cancelled"
        page.get_by_role("link", name="Go to the start page").click()
        assert page.url == sandbox.at("OAUTH_PORT")


def test_the_status_page_shows_both_dates_and_the_clock_moves_on(sandbox: LocalRun, browser: Browser) -> None:
    with page_of(browser, javascript=False) as page:
        sign_in(page, sandbox, "bob")
        page.goto(sandbox.at("REFRESH_PORT"))
        row = page.locator("tr", has_text="bob")
        assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", row.inner_text())) == 2
        assert "current" in row.inner_text()
        assert "not_signed_in" in page.locator("tr", has_text="carol").inner_text()
        page.goto(sandbox.at("THREADS_PORT", "/sandbox"))
        page.fill("input[name=by]", "61d")
        page.get_by_role("button", name="Move on").click()
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(sandbox.at("REFRESH_PORT")).status == 200  # type: ignore[union-attr]
    assert "sign_in_again" in page.locator("tr", has_text="bob").inner_text()
    assert "expired" in page.locator("tr", has_text="bob").inner_text()
    context.close()


def test_every_page_fits_a_phone(sandbox: LocalRun, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for name, path in (("OAUTH_PORT", "/"), ("REFRESH_PORT", "/"), ("OAUTH_PORT", "/callback"), ("OAUTH_PORT", "/x")):
        page.goto(sandbox.at(name, path))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, (name, path)
    context.close()
