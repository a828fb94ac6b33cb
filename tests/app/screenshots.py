"""Make the pictures of the documentation anew; run by hand, not by the tests.

python tests/app/screenshots.py [--model DIR]... [--run DIR] [--data DIR]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page

from app.browsing import TABS, THEMES, open_browser, serve, settle, visit

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 180_000
_FILE = (
    "id,comment\n"
    "1,Thank you so much for this! It made my day.\n"
    "2,What a rude and stupid thing to say.\n"
    "3,I miss my grandmother every single day.\n"
    "4,Does anyone know how this works?\n"
)


def prepare(page: Page, tab: str, folder: Path) -> None:
    """Bring the tab into a state that is worth a picture."""
    if tab == "Predict":
        page.get_by_role("button", name="Predict Emotion").click()
        page.locator(".dl-bars").first.wait_for()
    if tab == "Batch":
        (folder / "comments.csv").write_text(_FILE)
        page.locator("input[type=file]").set_input_files(folder / "comments.csv")
        page.get_by_role("button", name="Score the file").click()
        page.get_by_role("button", name="Download comments-scored.csv").wait_for()
    settle(page)
    page.mouse.move(1270, 890)
    page.evaluate("document.activeElement.blur()")
    settle(page)


def main() -> None:
    """Take a picture of each tab in each theme."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, open_browser() as browser:
        folder = Path(name)
        with serve(folder, *map(_resolved, sys.argv[1:])) as served:
            for theme in THEMES:
                for tab in TABS:
                    with visit(browser, served.url, theme=theme, tab=tab) as seen:
                        prepare(seen.page, tab, folder)
                        path = IMAGES / f"app-{tab.lower()}-{theme}.png"
                        seen.page.screenshot(path=path)
                    size = path.stat().st_size
                    print(f"{path.name}: {size:,} bytes")
                    assert size < MOST_BYTES, f"{path} is too large for the documentation"


def _resolved(word: str) -> str:
    return word if word.startswith("-") else str(Path(word).resolve())


if __name__ == "__main__":
    main()
