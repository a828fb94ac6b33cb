"""The recorded results follow the schema, and the README tells what they say."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from distillora.errors import RecipeError
from distillora.evaluation.results import Results
from distillora.pipeline.plan import plan_tasks
from distillora.recipe import Recipe, flatten, load_recipe, parse_recipe
from distillora.report import build_report
from distillora.report.summary import ArmSummary, summarise

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("results/*/results.json"))
FINDINGS = ROOT / "docs" / "findings.md"


# the recipe of this name has better settings by now than the recorded run had
SUPERSEDED = {"goemotions-minilm"}

# arms of recorded runs that need a setting which was removed
REMOVED = {
    "ablation-layers": {"keep-searched"},
    "ablation-lora": {"pissa", "plus", "top-in-full"},
    "ablation-loss": {"loss-asymmetric", "smoothing"},
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_recorded_results_are_those_of_the_recipe_of_their_name(folder: Path) -> None:
    results = Results.load(folder / "results.json")
    assert results.environment.commit is not None and results.environment.dirty is False
    removed = REMOVED.get(folder.name, set())
    if removed:
        with pytest.raises(RecipeError, match="It was removed") as refusal:
            parse_recipe(results.recipe)
        assert all(f"arms.{name}." in str(refusal.value) for name in removed)
    # read anew, so that a setting which is younger than the run counts with its default
    ran = parse_recipe(without(results.recipe, removed))
    kept = {(arm.name, arm.seed) for arm in results.arms if arm.name not in removed}
    assert kept == {*plan_tasks(ran)}
    written = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
    assert parse_recipe(without(written, removed)) == ran
    if folder.name not in SUPERSEDED:
        assert settled(ran) == settled(load_recipe(find_recipe(folder.name)))


def without(recipe: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a recipe without some arms, and without the questions about them."""
    arms = {name: arm for name, arm in recipe["arms"].items() if name not in names}
    contrasts = [c for c in recipe["contrasts"] if not {c["first"], c["second"]} & names]
    return {**recipe, "arms": arms, "contrasts": contrasts}


def find_recipe(name: str) -> str:
    experiment = ROOT / "experiments" / f"{name}.yaml"
    return str(experiment) if experiment.is_file() else name


def test_the_table_of_experiments_names_each_recipe_and_its_recorded_run() -> None:
    page = (ROOT / "experiments" / "README.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| \[([\w-]+)\]\(\1\.yaml\) \|.*\| (.*) \|$", page, re.MULTILINE))
    assert set(listed) == {path.stem for path in ROOT.glob("experiments/*.yaml")}
    recorded = {folder.name for folder in FOLDERS}
    for name, run in listed.items():
        assert (f"](../results/{name}/README.md)" in run) == (name in recorded)
    for arms in REMOVED.values():
        assert all(f"| `{arm}` |" in page for arm in arms)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_report_can_be_written_from_recorded_results(folder: Path, tmp_path: Path) -> None:
    results = Results.load(folder / "results.json")
    report = build_report(results, tmp_path).with_suffix(".md").read_text("utf-8")
    assert all(arm.name.replace("_", "\\_") in report for arm in results.arms)
    assert ("Layer search" in report) == (folder.name == "ablation-layers")


def settled(recipe: Recipe) -> dict[str, object]:
    """Return what the arms are made with, whether the recipe says it or leaves it to us."""
    settings = flatten({name: arm.model_dump() for name, arm in recipe.arms.items()})
    for name, arm in recipe.arms.items():
        settings[f"{name}.training.head_learning_rate"] = arm.head_learning_rate
        if arm.init.output_bias == "auto":
            bias = "frequencies" if arm.init.backbone else "zero"
            settings[f"{name}.init.output_bias"] = bias
    return {"task": recipe.task, **settings}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_report_stands_with_its_charts_and_without_any_text_of_the_data(
    folder: Path,
) -> None:
    report = (folder / "report.md").read_text("utf-8")
    for chart in re.findall(r"\]\((charts/[^)]+)\)", report):
        assert (folder / chart).is_file()
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert not [*folder.rglob("*.tsv"), *folder.rglob("*.safetensors")]


Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that checks pages: the exit status, and what was said."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    make_findings = importlib.import_module("make_findings")

    def run(*pages: Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["make_findings.py", "--check", *map(str, pages)])
        with pytest.raises(SystemExit) as end:
            make_findings.main()
        return int(end.value.code or 0), capsys.readouterr().out

    return run


def changed(folder: Path, page: Path, old: str, new: str) -> Path:
    """Write a copy of a page with one change."""
    text = page.read_text("utf-8")
    assert old in text
    copy = folder / page.name
    copy.write_text(text.replace(old, new, 1), "utf-8")
    return copy


def test_tables_and_numbers_of_findings_and_readme_say_what_the_results_say(check: Check) -> None:
    status, said = check()
    assert status == 0, f"python docs/make_findings.py writes them anew\n{said}"


@pytest.mark.parametrize("page", [FINDINGS, ROOT / "README.md"], ids=lambda page: page.name)
def test_a_changed_number_in_a_sentence_is_named_with_its_line(
    check: Check, tmp_path: Path, page: Path
) -> None:
    mark = "<!--= points evidence one three -->"
    copy = changed(tmp_path, page, f"{mark}-2.4", f"{mark}-1.4")
    line = next(
        n for n, text in enumerate(copy.read_text().splitlines(), 1) if f"{mark}-1.4" in text
    )
    fault = f"{copy}:{line}: -1.4 should be -2.4 (points evidence one three)\n"
    assert check(copy) == (1, fault)


@pytest.mark.parametrize("number", ["99.4%", "95.8 %", "40%", "0.576", "-2.4"])
def test_a_number_that_is_not_marked_is_named(check: Check, tmp_path: Path, number: str) -> None:
    heading = "## What would you ship?\n"
    copy = changed(tmp_path, FINDINGS, heading, f"{heading}\nThree layers keep {number} of it.\n")
    status, said = check(copy)
    assert status == 1
    assert said.endswith(f": {number.lstrip('-')} is not marked with where it comes from\n")


def test_settings_code_and_links_need_no_mark(check: Check, tmp_path: Path) -> None:
    heading = "## What would you ship?\n"
    prose = "At 2e-4 the 95% interval, with `--set a=0.25`, is in [the report](v1.2/report.md).\n"
    assert check(changed(tmp_path, FINDINGS, heading, f"{heading}\n{prose}")) == (0, "")


def test_the_readme_may_have_other_numbers_outside_its_section_of_findings(
    check: Check, tmp_path: Path
) -> None:
    readme = ROOT / "README.md"
    assert check(changed(tmp_path, readme, "## Limits\n", "## Limits\n\nAt 12.5%.\n")) == (0, "")
    section = "## What it found\n"
    assert check(changed(tmp_path, readme, section, f"{section}\nAt 12.5%.\n"))[0] == 1


def test_a_changed_cell_of_a_table_is_named(check: Check, tmp_path: Path) -> None:
    copy = changed(tmp_path, FINDINGS, "| not shown |", "| shown |")
    status, said = check(copy)
    assert status == 1
    assert "the table 'contrasts evidence' is out of date" in said


@pytest.mark.parametrize(
    ("mark", "fault"),
    [
        ("A <!--= points evidence odd none -->1.0<!--/-->.", "cannot evaluate"),
        ("A <!--= guess evidence odd even -->1.0<!--/-->.", "cannot evaluate"),
        ("A <!--= detectable ablation-lora dora targets-all -->1.0<!--/-->.", "too few seeds"),
        ("A <!--= p_holm ablation-lora dora targets-all -->1.000<!--/-->.", "too few seeds"),
        ("<!--= trained evidence lora -->2.0%<!--/--> of it.", "must not begin a line"),
    ],
)
def test_a_mark_that_cannot_be_used_is_named(
    check: Check, tmp_path: Path, mark: str, fault: str
) -> None:
    heading = "## What would you ship?\n"
    status, said = check(changed(tmp_path, FINDINGS, heading, f"{heading}\n{mark}\n"))
    assert status == 1
    assert fault in said


def test_the_readme_shows_the_figures_of_the_recorded_run() -> None:
    arms = summarise(Results.load(ROOT / "results" / "evidence" / "results.json"))
    readme = (ROOT / "README.md").read_text("utf-8")
    for arm in arms:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{arm.name}` |"))
        for figure in shown(arm):
            assert figure in row, f"{arm.name}: {figure} is not in {row}"


def shown(arm: ArmSummary) -> tuple[str, ...]:
    return (
        " ".join(map(str, arm.first.layers)),
        f"{arm.mean(lambda run: run.metrics.test.accuracy):.4f}",
        f"{arm.mean(lambda run: run.metrics.test.f1_weighted):.4f}",
        f"{arm.mean(lambda run: run.metrics.test.f1_macro):.4f}",
        f"{arm.first.parameters.trainable:,}",
        f"{arm.first.parameters.total:,}",
        f"{arm.first.cost.model_bytes / 1e6:.1f} MB",
    )
