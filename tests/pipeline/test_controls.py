"""Runs with the arms that show what distillation is worth: no encoder, no pretrained weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from distillora.artifacts import is_sealed
from distillora.data.sources import load_dataset
from distillora.evaluation.results import ArmResult, Results
from distillora.models.tfidf import TfidfClassifier
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)
FLOOR = {"init": {"baseline": "tfidf"}}


def run(values: dict[str, Any], out: Path) -> Results:
    results = compare(parse_recipe(values), out, QUIET)
    assert results is not None
    return results


def sample(arms: dict[str, Any], **changes: Any) -> dict[str, Any]:
    data = {"source": "sample", "limit": 140}
    return {"name": "controls", "data": data, "arms": arms, **changes}


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, backbone: Path
) -> tuple[Path, dict[str, ArmResult]]:
    """A run whose first arm is the floor, beside a student from scratch."""
    out = tmp_path_factory.mktemp("runs") / "controls"
    scratch = {"init": {"backbone": str(backbone), "weights": "random", "layers": "even"}}
    results = run(sample({"floor": FLOOR, "scratch": scratch}, training={"epochs": 1}), out)
    return out, {arm.name: arm for arm in results.arms}


def test_the_floor_is_a_full_entry_of_the_results(
    finished: tuple[Path, dict[str, ArmResult]],
) -> None:
    out, arms = finished
    floor = arms["floor"]
    model = TfidfClassifier.load(out / "arms/floor/seed-0/model")
    numbers = model.coefficients.size + model.intercept.size
    assert (floor.layers, floor.history, floor.best_epoch) == ((), (), 0)
    assert floor.parameters.trainable == floor.parameters.total == numbers
    assert floor.weights_sha256 == model.sha256
    assert floor.temperature is not None and floor.metrics.test.calibration_error is not None
    assert floor.cost.training_seconds > 0
    assert floor.cost.latency_ms is not None and floor.cost.latency_ms > 0
    assert 4 * numbers < floor.cost.model_bytes < 4 * numbers + 100_000
    assert is_sealed(out / "arms/floor/seed-0/model")


def test_what_is_judged_is_what_is_on_disk(finished: tuple[Path, dict[str, ArmResult]]) -> None:
    out, arms = finished
    model = TfidfClassifier.load(out / "arms/floor/seed-0/model")
    dataset = load_dataset(parse_recipe(sample({"floor": FLOOR})).data)
    table = pq.read_table(out / arms["floor"].predictions).to_pydict()
    logits = np.array(table["logits"], np.float32)[np.array(table["split"]) == "test"]
    texts, truth = dataset.splits["test"].texts, dataset.splits["test"].classes()
    assert np.array_equal(logits, model.predict_logits(texts))
    assert arms["floor"].metrics.test.f1_weighted == pytest.approx(
        f1_score(truth, logits.argmax(axis=1), average="weighted")
    )


def test_the_regularisation_that_was_chosen_and_the_others_are_told(
    finished: tuple[Path, dict[str, ArmResult]],
) -> None:
    out, arms = finished
    config = json.loads((out / "arms/floor/seed-0/model/config.json").read_text())
    best = arms["floor"].metrics.validation.f1_weighted
    assert f"C = {config['c']:g} of 1 (" in arms["floor"].tuning
    assert f"{config['c']:g} ({best:.4f})" in arms["floor"].tuning
    assert arms["floor"].best_metric == "f1_weighted"


def test_the_report_shows_the_floor_without_layers_and_without_a_loss_curve(
    finished: tuple[Path, dict[str, ArmResult]],
) -> None:
    report = (finished[0] / "report.md").read_text()
    assert "| floor | – |" in report
    assert "scratch ends at" in report and "floor ends at" not in report
    assert "a baseline: from the text" in report
    assert "random weights in the shape of" in report
    assert "‘floor’" in (finished[0] / "report.html").read_text()


def test_a_baseline_is_not_exported(
    finished: tuple[Path, dict[str, ArmResult]], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    outcome = run_cli("export", finished[0] / "arms/floor/seed-0", "--out", tmp_path / "bundle")
    assert outcome.code == 2
    assert "cannot be exported" in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "bundle").exists()


def test_the_floor_alone_makes_a_run_with_thresholds_at_the_first_seed(tmp_path: Path) -> None:
    values = sample({"floor": FLOOR}, task="multi_label", seeds=[4, 1])
    (one,) = run(values, tmp_path / "run").arms
    assert one.seed == 4
    assert one.best_metric == "average_precision"
    assert one.thresholds is not None and len(one.thresholds) == 28
    assert one.ladder is not None and one.metrics.test.tuned is not None
    assert (tmp_path / "run/report.html").is_file()


def test_the_loss_may_choose_the_regularisation_and_then_the_smallest_wins(
    tmp_path: Path,
) -> None:
    arm = {**FLOOR, "training": {"best_metric": "loss"}}
    (floor,) = run(sample({"floor": arm}), tmp_path / "run").arms
    told = [float(word.strip("(),")) for word in floor.tuning.split() if word.startswith("(")]
    assert len(told) == 4
    assert floor.metrics.validation.loss == pytest.approx(min(told), abs=1e-4)


def test_an_older_run_whose_recipe_lacks_newer_keys_takes_more_arms(tmp_path: Path) -> None:
    run(sample({"floor": FLOOR}), tmp_path / "run")
    recipe = tmp_path / "run/recipe.yaml"
    older = [line for line in recipe.read_text().splitlines() if "weights: pretrained" not in line]
    recipe.write_text("\n".join(older))
    both = sample({"floor": FLOOR, "another": FLOOR})
    assert len(run(both, tmp_path / "run").arms) == 2
