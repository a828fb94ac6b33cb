"""The written report: self-contained, complete, true to the results, safe, and accessible."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from distillora.errors import RunFolderError
from distillora.report import build_report, write_report
from distillora.report.page import compose
from report.conftest import PUBLISHED


class Page(HTMLParser):
    """What a test asks of a page: its tags, its text, and its tables."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.caption = self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "table":
            self.caption, self.rows = "", []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        if "style" in self.open:
            return
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        self.text += data
        if "caption" in self.open:
            self.caption += data
        elif "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def row(self, caption, name):
        return next(row for row in self.tables[caption] if row[0] == name)


def write(make_run, **settings):
    return read(*make_run(**settings))


def read(run_dir, results):
    source = write_report(run_dir).read_text()
    return Page(source), source, results, run_dir


@pytest.fixture(scope="module")
def report(default_run):
    """The page, its source, the results and the folder of the default run."""
    return read(*default_run)


def test_the_page_loads_nothing_and_needs_no_script(report):
    page, source, *_ = report
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "srcset", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "@import" not in source
    assert re.findall(r"url\((?!#)", source) == []
    assert len(source) < 3_000_000


def test_the_page_can_be_read_without_seeing_it(report):
    page, *_ = report
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 6
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 50 for chart in charts)
    assert "" not in page.tables
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    links = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert links <= set(ids)


def test_charts_follow_the_readers_light_or_dark_setting(report):
    _, source, *_ = report
    charts = re.findall(r"<svg.*?</svg>", source, flags=re.S)
    assert all("var(--ink)" in chart for chart in charts)
    assert not any(re.search(r'"#[0-9a-fA-F]{3,8}"|"(?:black|white)"', chart) for chart in charts)
    assert "prefers-color-scheme: dark" in source


def test_the_main_table_holds_what_was_measured(report):
    page, _, results, run_dir = report
    markdown = (run_dir / "report.md").read_text()
    for arm in results.arms:
        row = page.row("Measured on the test split", arm.name)
        line = next(line for line in markdown.splitlines() if line.startswith(f"| {arm.name} |"))
        test, validation = arm.metrics.test, arm.metrics.validation
        measured = (test.accuracy, test.f1_weighted, test.f1_macro, validation.loss, test.loss)
        assert [cell.removesuffix("★") for cell in row[2:7]] == [f"{m:.4f}" for m in measured]
        assert all(f"{m:.4f}" in line for m in measured)
        share = arm.parameters.trainable / arm.parameters.total
        assert f"{arm.parameters.trainable:,}" in row[7]
        assert f"({share:.2%})" in row[7] or "(100%)" in row[7]
    assert page.row("Measured on the test split", "odd")[1] == "1, 3, 5, 7, 9, 11"
    assert page.row("Measured on the test split", "lora")[1] == "0–5"


def test_multi_label_quality_stands_at_one_half_and_at_tuned_thresholds(make_run):
    page, _, results, _ = write(make_run, task="multi_label")
    arm = results.arms[0]
    plain = page.row("At a threshold of 0.5", arm.name)
    tuned = page.row("At one threshold per label, tuned on validation", arm.name)
    assert f"{arm.metrics.test.hamming_loss:.4f}" in plain[5]
    assert f"{arm.metrics.test.tuned.f1_macro:.4f}" in tuned[3]
    main = page.row("Measured on the test split", arm.name)
    assert f"{arm.metrics.test.average_precision:.4f}" in main[2]


def test_several_seeds_give_mean_and_standard_deviation(make_run):
    page, _, results, _ = write(make_run, seeds=(0, 1))
    first, second = (arm.metrics.test.accuracy for arm in results.arms if arm.name == "odd")
    caption = "Measured on the test split, mean ± standard deviation over 2 seeds"
    cell = page.row(caption, "odd")[2]
    assert f"{(first + second) / 2:.4f}" in cell
    assert f"± {abs(first - second) / 2**0.5:.4f}" in cell
    assert "Seeds: 0 and 1." in page.text


def test_what_was_not_measured_is_a_dash(report):
    page, *_ = report
    cost = page.row("Cost of training, storing and running", "odd")
    assert cost[2] == "–"  # no adapter
    assert cost[4] == "–"  # no teacher
    assert page.row("Cost of training, storing and running", "lora")[2] == "3.04 MB"
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_markdown_shows_the_same_charts_as_files(report):
    *_, run_dir = report
    markdown = (run_dir / "report.md").read_text()
    links = re.findall(r"\]\((charts/[\w-]+\.svg)\)", markdown)
    assert len(links) == 6
    for link in links:
        svg = ElementTree.fromstring((run_dir / link).read_text())
        assert svg.tag.endswith("svg")
        assert "var(" not in (run_dir / link).read_text()


def test_names_cannot_break_out_of_page_or_markdown(make_run):
    labels = ("<b>bold</b>", "a|b", 'it\'s "quoted" & more', "](x)", "neutral")
    page, source, *_, run_dir = write(make_run, arms=("<i>", "odd"), labels=labels)
    assert "<b>" not in source
    assert "<i>" not in source
    assert not {"b", "i"} & {tag for tag, _ in page.tags}
    assert page.row("F1 of each label on the test split", "<b>bold</b>")
    markdown = (run_dir / "report.md").read_text()
    assert "<b>" not in markdown
    assert "<i>" not in markdown.split("<summary>The recipe")[0]
    assert r"| a\|b |" in markdown


def test_published_figures_are_marked_and_stand_beside_ours(report):
    page, *_ = report
    rows = page.tables["Published figures beside this run"]
    assert [row[:2] for row in rows[1:]] == [
        [arm, source] for arm in ("lora", "odd", "even") for source in ("published", "this run")
    ]
    assert rows[1][2:] == ["0.5294", "0.4861", "1.5785", "759,580 of 67,734,584 (1.12%)", "7:52"]
    assert "From example.org, measured under another protocol." in page.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"published": None},
        {"published": PUBLISHED.model_dump() | {"task": "multi_label"}},
        {"published": PUBLISHED.model_dump() | {"test_sha256": "ef" * 32}},
    ],
)
def test_published_figures_are_shown_for_their_task_and_test_split_alone(default_run, change):
    _, results = default_run
    assert "Published figures" in titles(results)
    changed = results.model_copy(update={"recipe": results.recipe | change})
    assert "Published figures" not in titles(changed)


def titles(results):
    return [section.title for section in compose(results).sections]


def test_the_bundled_sample_and_a_row_limit_are_warned_of(make_run):
    page, _, _, run_dir = write(make_run, source="sample", limit=1500)
    for text in (page.text, (run_dir / "report.md").read_text()):
        assert "Its quality figures mean nothing for real text" in text
        assert "At most the first 1,500 rows of each split were used" in text
    assert page.text.index("Warning") < page.text.index("Best quality")


def test_a_full_run_on_real_data_carries_no_warning(report):
    page, *_ = report
    assert "Warning" not in page.text


def test_the_origin_is_complete(report):
    page, _, results, _ = report
    machine = page.tables["Code and machine of the results"]
    assert ["Commit", f"{results.environment.commit} with uncommitted changes"] in machine
    assert ["torch", "2.13.0"] in page.tables["Packages"]
    assert "cd" * 32 in page.text
    assert "name: made-up" in page.text
    assert "Training rows left out because their text is in validation or test: 66." in page.text


def test_one_arm_without_history_or_lengths_still_makes_a_report(make_run):
    run_dir, results = make_run(arms=("odd",), labels=("joy", "anger", "neutral"))
    arm = results.arms[0].model_copy(update={"history": (), "best_epoch": 0})
    splits = {
        name: split.model_copy(update={"lengths": None})
        for name, split in results.data.audit.splits.items()
    }
    audit = results.data.audit.model_copy(update={"splits": splits})
    data = results.data.model_copy(update={"audit": audit})
    page = Page(
        build_report(results.model_copy(update={"arms": (arm,), "data": data}), run_dir).read_text()
    )
    assert "Training" not in [link for tag, link in page.tags if tag == "h2"]
    assert "Loss by epoch" not in page.text
    assert "Length, mean" not in page.text


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(make_run):
    _, source, _, run_dir = write(make_run, arms=("odd",))
    assert write_report(run_dir).read_text() == source


def test_a_missing_results_file_is_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"results\.json"):
        write_report(tmp_path)


def test_an_older_run_without_evidence_still_makes_a_report(make_run):
    run_dir, results = make_run(task="multi_label")
    arms = tuple(
        arm.model_copy(update={"ladder": None, "confusions": None}) for arm in results.arms
    )
    older = results.model_copy(update={"arms": arms, "evidence": None})
    page = Page(build_report(older, run_dir).read_text())
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert "#labels" in links
    assert not links & {"#evidence", "#confusions"}
    assert not [caption for caption in page.tables if "setting the thresholds" in caption]
    assert "These results have no intervals or tests yet" in page.text


def test_the_evidence_stands_in_page_and_markdown(report):
    page, _, results, run_dir = report
    found = results.evidence.difference("even", "odd")
    matrix = page.tables["Exploratory: differences in weighted F1"]
    assert matrix[0] == ["", "lora", "odd", "even"]
    cell = next(row for row in matrix if row[0] == "even")[2]
    assert cell.startswith(f"{100 * found.mean:+.1f} p")
    assert page.row("Exploratory: all pairs, all metrics", "lora − odd")[1].startswith("-")
    assert "cover the test texts only" in page.text
    markdown = (run_dir / "report.md").read_text()
    assert "Exploratory: differences in weighted F1" in markdown
    assert "charts/intervals.svg" in markdown


def test_the_questions_come_before_intervals_and_pairs(make_run):
    page, _, results, run_dir = write(
        make_run, arms=("odd", "lora"), seeds=(0, 1, 2), contrasts=[("odd", "lora")]
    )
    (found,) = results.evidence.contrasts
    row = page.row("The questions of the recipe", "odd − lora")
    assert row[1] == "Does odd beat lora?"
    assert row[2].startswith(f"{100 * found.difference.mean:+.1f}")
    assert row[5] == f"{100 * found.detectable:.1f}"
    captions = list(page.tables)
    assert captions.index("The questions of the recipe") < captions.index(
        "Figures on test with their intervals"
    )
    assert "Does odd beat lora?" in (run_dir / "report.md").read_text()
