"""The recorded results follow the schema, and the README tells what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from distillora.evaluation.results import Results
from distillora.pipeline.ensembles import plan_ensembles
from distillora.pipeline.schedule import plan_tasks
from distillora.recipe import Recipe, flatten, load_recipe, parse_recipe
from distillora.report.summary import ArmSummary, summarise

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("results/*/results.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_recorded_results_are_those_of_the_recipe_of_their_name(folder: Path) -> None:
    results = Results.load(folder / "results.json")
    assert results.environment.commit is not None and results.environment.dirty is False
    # read anew, so that a setting which is younger than the run counts with its default
    ran = parse_recipe(results.recipe)
    ensembles = {(plan.name, seed) for plan in plan_ensembles(ran) for seed in plan.members}
    assert {(arm.name, arm.seed) for arm in results.arms} == {*plan_tasks(ran), *ensembles}
    assert load_recipe(str(folder / "recipe.yaml")) == ran
    if folder.name not in SUPERSEDED:
        assert settled(ran) == settled(load_recipe(folder.name))


# the recipe of this name has better settings by now than the recorded run had
SUPERSEDED = {"goemotions-minilm"}


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


def test_the_tables_of_the_findings_say_what_the_results_say() -> None:
    script = ROOT / "docs" / "make_findings.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False)
    assert done.returncode == 0, "python docs/make_findings.py writes them anew"


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
