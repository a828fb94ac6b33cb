"""The app in a real browser: what is typed, clicked, seen, downloaded and read aloud."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.browsing import TABS, THEMES, Served, Visit, open_browser, serve, settle, visit
from distillora.inference.classifier import TextClassifier

pytestmark = pytest.mark.slow

SECRET = "amazing zebra"
# Streamlit's own: the drop zone of its file uploader is a presentational section with a label
UNAVOIDABLE = {("presentation-role-conflict", "stFileUploaderDropzone")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def app(
    bundle: Path, few_labels: Path, run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("elsewhere")
    words = ("--model", bundle, "--model", few_labels, "--run", run_folder)
    with serve(folder, *words) as served:
        yield served
    assert "zebra" not in served.output, "a text was logged"
    assert "Traceback" not in served.output


@pytest.fixture
def go(browser: Browser, app: Served) -> Iterator[Callable[..., Page]]:
    """Open a view; at the end, nothing may have gone wrong behind it."""
    visits: list[tuple[Visit, object]] = []

    def open_(theme: str = "light", width: int = 1280, **query: str) -> Page:
        opened = visit(browser, app.url, theme=theme, width=width, **query)
        visits.append((opened.__enter__(), opened))
        return visits[-1][0].page

    yield open_
    for seen, opened in visits:
        opened.__exit__(None, None, None)  # type: ignore[attr-defined]
        assert seen.errors == []
        assert seen.outside == []


def type_text(page: Page, text: str) -> None:
    page.get_by_label("Your text").fill(text)
    page.get_by_label("Your text").press("Control+Enter")
    settle(page)


def problems(page: Page) -> list[str]:
    """Return what axe finds, without what Streamlit leaves us no way to change."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in UNAVOIDABLE)
    ]


def test_a_text_is_typed_predicted_and_drawn(go: Callable[..., Page]) -> None:
    page = go()
    type_text(page, SECRET)
    page.get_by_role("button", name="Predict Emotion").click()
    expect(page.locator(".dl-lead")).to_contain_text("joy")
    expect(page.locator(".dl-bars li")).to_have_count(28)
    first, second = (page.locator(".dl-bar").nth(i).bounding_box() for i in (0, 1))
    assert first and second and first["width"] > second["width"] > 0


def test_everything_can_be_done_with_the_keyboard(go: Callable[..., Page]) -> None:
    page = go()
    page.get_by_label("Your text").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Predict Emotion")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".dl-lead")).to_contain_text("joy")
    page.get_by_role("tab", name="Predict").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Emotions in a sample")).to_be_visible()


def test_the_link_restores_the_view_and_holds_no_text(go: Callable[..., Page]) -> None:
    page = go()
    type_text(page, SECRET)
    page.get_by_role("button", name="Predict Toxicity").click()
    settle(page)
    page.get_by_text("By sentiment").click()
    settle(page)
    page.get_by_role("tab", name="Errors").click()
    settle(page)
    page.get_by_role("button", name="Link to this view").click()
    link = page.get_by_test_id("stCode").inner_text()
    assert "tab=Errors" in link
    assert "tab=Errors" in page.url
    assert "zebra" not in link + page.url
    again = go(**dict(part.split("=") for part in link.split("?")[1].split("&")))
    expect(again.get_by_role("heading", name="Where the model is wrong")).to_be_visible()


def test_a_file_is_uploaded_scored_and_downloaded(
    go: Callable[..., Page], bundle: Path, tmp_path: Path
) -> None:
    texts = ["amazing", "awful", "=lonely, you"]
    source = tmp_path / "texts.csv"
    with source.open("w", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in texts)])
    page = go(tab="Batch")
    page.locator("input[type=file]").set_input_files(source)
    page.get_by_role("button", name="Score the file").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download texts-scored.csv").click()
    content = Path(waiting.value.path()).read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(content)))
    expected = TextClassifier.load(bundle).predict(texts)
    assert [row["label"] for row in rows] == [p.label for p in expected]
    scores = [float(row["score"]) for row in rows]
    assert scores == pytest.approx([p.score for p in expected], abs=1e-6)


def test_charts_follow_the_theme_that_is_chosen_in_the_menu(go: Callable[..., Page]) -> None:
    page = go(tab="Compare")
    label = page.locator(".stVegaLiteChart .role-axis-label text").first
    before = label.evaluate("e => getComputedStyle(e).fill")
    page.get_by_test_id("stMainMenu").get_by_role("button").click()
    page.get_by_test_id("stMainMenuPopover").get_by_text("Dark").click()
    page.wait_for_timeout(1000)
    after = label.evaluate("e => getComputedStyle(e).fill")
    assert (before, after) == ("rgb(86, 96, 114)", "rgb(163, 174, 191)")


def test_nothing_sticks_out_on_a_phone(go: Callable[..., Page]) -> None:
    for tab in TABS:
        page = go(width=390, tab=tab)
        if tab == "Predict":
            page.get_by_role("button", name="Predict Emotion").click()
            settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing(go: Callable[..., Page], tab: str, theme: str, width: int) -> None:
    page = go(theme, width, tab=tab)
    if tab == "Predict":
        page.get_by_role("button", name="Predict Toxicity").click()
        page.locator(".dl-bars").first.wait_for()
        page.get_by_text("History of this visit").click()
    page.get_by_text("Limits", exact=True).click()
    settle(page)
    found = problems(page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_examples_and_in_the_sidebar(
    go: Callable[..., Page], theme: str
) -> None:
    page = go(theme, examples="true")
    page.get_by_test_id("stSidebar").get_by_text("Toxicity rule").click()
    settle(page)
    found = problems(page)
    assert found == [], json.dumps(found, indent=1)
