"""Text without labels in a run, from end to end; label losses named in a recipe."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from distillora.errors import DataError
from distillora.evaluation.results import ArmResult, Results
from distillora.pipeline import compare, show_plan
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.report import write_report

TEXTS = [f"w{first} w{first + 1} w{second}" for first in range(5, 40) for second in (50, 60)]


@pytest.fixture
def extra_text(tmp_path: Path, data_folder: Path) -> Path:
    """70 new texts, and one each of validation and test."""
    known = [(data_folder / name).read_text().split("\t")[0] for name in ("dev.tsv", "test.tsv")]
    path = tmp_path / "extra.txt"
    path.write_text("\n".join([known[0], *TEXTS, "", known[1], TEXTS[0]]))
    return path


@pytest.fixture
def values(tiny_recipe: dict[str, Any], extra_text: Path) -> dict[str, Any]:
    """A teacher, and a student that learns logits and hidden states, from extra text as well."""
    arms = tiny_recipe["arms"]
    del arms["lora"], arms["hybrid"]
    arms["odd"]["objective"] |= {"hidden_cosine": 0.5, "extra_text": str(extra_text)}
    return tiny_recipe


def run(values: dict[str, Any], out: Path) -> Results:
    results = compare(parse_recipe(values), out, Reporter(quiet=True))
    assert results is not None
    return results


def arm(results: Results, name: str) -> ArmResult:
    return next(a for a in results.arms if a.name == name)


def plan_of(values: dict[str, Any]) -> str:
    console = Console(width=160, record=True, quiet=True)
    with console.capture() as shown:
        console.quiet = False
        console.print(show_plan(parse_recipe(values), Path("nowhere")))
    return shown.get()


def test_the_plan_counts_the_extra_texts_and_their_steps(values: dict[str, Any]) -> None:
    shown = " ".join(plan_of(values).split())  # a long path breaks the line
    assert "70 texts; left out: 2 in validation or test, 1 in training or repeated" in shown
    assert "hidden cosine from teacher, also on 70 extra texts" in shown
    # 2 epochs of 60 rows in batches of 8, and of 60 + 70
    assert f" {2 * math.ceil(60 / 8)} " in shown and f" {2 * math.ceil(130 / 8)} " in shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"label_loss": "weighted"}, "0.5 x labels (weighted) + "),
        ({"label_loss": "focal", "focal_gamma": 1.5}, "0.5 x labels (focal, gamma 1.5) + "),
    ],
)
def test_the_plan_names_the_label_loss_in_one_line(
    values: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    values["arms"]["odd"]["objective"] |= settings
    assert words in plan_of(values)


def test_a_file_that_is_not_there_is_refused_with_the_key_before_anything_is_written(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["arms"]["odd"]["objective"]["extra_text"] = str(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match=r"^arms\.odd\.objective\.extra_text: .* does not exist"):
        run(values, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_student_learns_from_extra_text_and_the_results_say_so(
    values: dict[str, Any], extra_text: Path, tmp_path: Path
) -> None:
    results = run(values, tmp_path / "run")
    record = results.data.extra_text[str(extra_text)]
    assert (record.rows, record.evaluated, record.repeated) == (70, 2, 1)
    assert "also on 70 extra texts" in arm(results, "odd").objective
    assert all(math.isfinite(epoch.train_loss) for epoch in arm(results, "odd").history)
    abouts = (tmp_path / "run/cache/teacher-outputs").glob("*/about.json")
    seconds = [json.loads(about.read_text())["seconds"] for about in abouts]
    assert len(seconds) == 2
    spent = arm(results, "teacher").cost.training_seconds + sum(seconds)
    assert arm(results, "odd").cost.teacher_seconds == pytest.approx(spent)
    write_report(tmp_path / "run")
    report = (tmp_path / "run/report.md").read_text()
    assert "for the teachers to label: 70 texts; left out: 2 in validation or test" in report
    assert record.sha256 in report


@pytest.mark.slow
def test_extra_text_changes_the_student_and_not_its_teacher(
    values: dict[str, Any], tmp_path: Path
) -> None:
    with_text = run(values, tmp_path / "with")
    del values["arms"]["odd"]["objective"]["extra_text"]
    without = run(values, tmp_path / "without")
    hashes = [
        [arm(results, name).weights_sha256 for results in (with_text, without)]
        for name in ("teacher", "odd")
    ]
    assert hashes[0][0] == hashes[0][1] and hashes[1][0] != hashes[1][1]


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["weighted", "focal"])
def test_every_label_loss_trains_with_extra_text_on_multi_label_data(
    values: dict[str, Any], loss: str, tmp_path: Path
) -> None:
    values["task"] = "multi_label"
    values["arms"]["odd"]["objective"]["label_loss"] = loss
    values["training"]["batch_size"] = 2  # batches of extra texts alone
    odd = arm(run(values, tmp_path / "run"), "odd")
    assert all(0 < epoch.train_loss < 2 for epoch in odd.history)
    # the validation loss stays plain binary cross-entropy
    best = odd.history[odd.best_epoch - 1]
    assert best.validation_loss == pytest.approx(odd.metrics.validation.loss, rel=1e-4)
