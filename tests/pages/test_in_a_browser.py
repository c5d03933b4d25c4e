"""Every page in every state, at three widths, light and dark, in three languages, as Chromium draws it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.pages import gallery
from tests.support.programs import AXE
from token_keeper import pages
from token_keeper.languages import LANGUAGES, Language

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.axe]
WIDTHS = (390, 800, 1280)
VIOLATIONS = """({rules}) => axe.run({resultTypes: ["violations"], ...rules}).then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 200)).join(" | ")))"""


class Studio:
    """A browser page that is served what a test puts into it, with the headers of the real replies."""

    ADDRESS = "https://keeper.example/"

    def __init__(self, page: Page) -> None:
        self.page, self.html, self.problems = page, "", list[str]()
        page.route("**/*", self._serve)
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _serve(self, route: Route) -> None:
        if route.request.url != self.ADDRESS:
            self.problems.append(f"asked for {route.request.url}")
            route.abort()
            return
        route.fulfill(body=self.html, headers={**pages.headers(), "Content-Type": "text/html; charset=utf-8"})

    def show(self, html: str) -> None:
        self.html = html
        self.page.goto(self.ADDRESS)
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    def overflow(self, width: int) -> int:
        """Return by how many pixels the page is wider than a window of this width."""
        self.page.set_viewport_size({"width": width, "height": 844})
        return int(self.page.evaluate("document.documentElement.scrollWidth")) - width

    def violations(self, *rules: str) -> list[str]:
        """Return what axe finds, by these rules only or by all."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        only = {"runOnly": list(rules)} if rules else {}
        found: list[str] = self.page.evaluate(VIOLATIONS, {"rules": only})
        return found


@pytest.fixture(scope="module")
def studio(browser: Browser) -> Iterator[Studio]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield Studio(context.new_page())
    context.close()


def every_page() -> Iterator[Any]:
    """Yield each page, and whether another one was built like it: then only its texts differ."""
    seen: set[str] = set()
    for language in LANGUAGES.values():
        for name, html in gallery.every_page(language):
            built = re.sub(r">[^<]+<", "><", html)
            yield pytest.param(html, built in seen, id=f"{language.code}: {name}")
            seen.add(built)


@pytest.mark.parametrize(("html", "like_another"), list(every_page()))
def test_a_page_fits_is_accessible_and_loads_nothing(studio: Studio, html: str, like_another: bool) -> None:
    studio.problems.clear()
    studio.page.emulate_media(color_scheme="light")
    studio.show(html)
    assert {width: studio.overflow(width) for width in WIDTHS} == dict.fromkeys(WIDTHS, 0)
    assert like_another or studio.violations() == []
    studio.page.emulate_media(color_scheme="dark")
    assert {width: studio.overflow(width) for width in WIDTHS} == dict.fromkeys(WIDTHS, 0)
    assert like_another or studio.violations("color-contrast") == []
    assert studio.problems == []


def test_the_check_finds_what_is_wrong(studio: Studio) -> None:
    broken = (
        '<!doctype html><html><title>x</title><p style="color: #eee">x<img src="https://elsewhere.example/x"></html>'
    )
    studio.problems.clear()
    studio.show(broken)
    found = " ".join(studio.violations())
    assert "html-has-lang" in found
    assert "image-alt" in found
    assert studio.overflow(390) == 0
    told = " ".join(studio.problems)
    assert "style-src" in told, "no inline style"
    assert "img-src" in told or "elsewhere.example" in told, "nothing from elsewhere"
    studio.show("<!doctype html><p>" + "x" * 500)
    assert studio.overflow(390) > 0


@pytest.mark.parametrize("language", list(LANGUAGES.values()), ids=lambda language: language.code)
def test_the_icon_and_the_style_are_let_in(studio: Studio, language: Language) -> None:
    studio.problems.clear()
    studio.show(dict(gallery.every_page(language))["start"])
    assert studio.page.evaluate("getComputedStyle(document.querySelector('.button')).fontWeight") == "600"
    loads = "href => new Promise(done => { const one = new Image(); one.onload = () => done(true);"
    icon = studio.page.get_attribute("link[rel=icon]", "href")
    assert studio.page.evaluate(loads + " one.onerror = () => done(false); one.src = href; })", icon) is True
    assert studio.problems == []


def test_a_page_is_printed_in_dark_ink_by_whoever_reads_it_in_light(studio: Studio) -> None:
    studio.page.emulate_media(color_scheme="dark", media="print")
    studio.show(dict(gallery.every_page(LANGUAGES["en"]))["token kept"])
    assert studio.page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 36)"
    studio.page.emulate_media(media="screen")
    assert studio.page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(233, 237, 241)"


def test_a_click_selects_a_whole_address(studio: Studio) -> None:
    studio.show(dict(gallery.every_page(LANGUAGES["en"]))["start"])
    studio.page.locator("code.whole").first.click()
    assert studio.page.evaluate("getSelection().toString()") == f"{gallery.BASE}/callback"


def test_without_a_table_a_screen_reader_still_hears_one(studio: Studio) -> None:
    studio.show(gallery.status(LANGUAGES["en"], gallery.FIVE))
    for width in WIDTHS:
        studio.page.set_viewport_size({"width": width, "height": 844})
        table = studio.page.get_by_role("table", name="Accounts, the most urgent first")
        assert table.get_by_role("row").count() == 6
        assert table.get_by_role("columnheader").count() == 3
        assert table.get_by_role("rowheader").count() == 5
        assert table.get_by_role("cell").count() == 10


def test_chromium_draws_two_hundred_accounts_in_less_than_a_second(studio: Studio) -> None:
    html = gallery.status(LANGUAGES["en"], [*gallery.EVERY_MATTER, *gallery.MANY])
    chromium = studio.page.context.new_cdp_session(studio.page)
    chromium.send("Performance.enable", {"timeDomain": "threadTicks"})  # the machine has other things to do
    studio.page.set_viewport_size({"width": 390, "height": 844})
    before = metrics(chromium)
    studio.show(html)
    after = metrics(chromium)
    assert after["Nodes"] > 10_000
    assert 0 < after["TaskDuration"] - before["TaskDuration"] < 1
    assert studio.overflow(390) == 0


def metrics(chromium: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in chromium.send("Performance.getMetrics")["metrics"]}
