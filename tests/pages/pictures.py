"""Draw the main pages for the README, light and dark: `make pictures` writes docs/pictures/."""

from __future__ import annotations

from pathlib import Path

from tests.pages import gallery
from tests.support.browser import chromium
from token_keeper.languages import LANGUAGES

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
SHOWN = {"start": ("start", 760), "token kept": ("token-kept", 760), "status, five": ("status", 1180)}


def draw(folder: Path = PICTURES) -> list[Path]:
    """Write a picture of each main page, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with chromium() as browser:
        page = browser.new_page(device_scale_factor=1.5)  # sharp where a reader has more pixels
        for name, html in gallery.every_page(LANGUAGES["en"]):
            if name in SHOWN:
                file, width = SHOWN[name]
                page.set_viewport_size({"width": width, "height": 400})
                page.set_content(html)
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    drawn.append(folder / f"{file}-{scheme}.png")
                    page.screenshot(path=drawn[-1], full_page=True)
    return drawn


if __name__ == "__main__":
    for path in draw():
        print(path.relative_to(PICTURES.parent.parent))
