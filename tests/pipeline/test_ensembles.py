"""Ensembles: arms that average the logits of others, and are evaluated like any arm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, log_loss

from distillora.evaluation.results import ArmResult, Results
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import tiny_recipe_values

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)


def run(values: dict[str, Any], out: Path, jobs: int = 1) -> Results:
    results = compare(parse_recipe(values), out, QUIET, jobs)
    assert results is not None
    return results


def recipe(backbone: Path, data_folder: Path, **changes: Any) -> dict[str, Any]:
    values = tiny_recipe_values(backbone, data_folder)
    odd = values["arms"]["odd"]
    odd["objective"] = {"labels": 0.5, "distillation": 0.5, "teacher_seeds": "all"}
    init = {"ensemble": ["teacher", "odd"]}
    values["arms"] = {
        "both": {"init": init},
        "teacher": values["arms"]["teacher"],
        "odd": odd,
        "pair": {"init": {**init, "ensemble_seeds": "own"}},
    }
    values["seeds"] = [0, 1]
    return values | changes


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, backbone: Path, data_folder: Path
) -> tuple[Path, dict[tuple[str, int], ArmResult]]:
    """A run of two arms at two seeds, made side by side, and of two ensembles of them."""
    out = tmp_path_factory.mktemp("runs") / "ensembles"
    results = run(recipe(backbone, data_folder), out, jobs=2)
    return out, {(arm.name, arm.seed): arm for arm in results.arms}


def logits_of(out: Path, arm: ArmResult, split: str) -> np.ndarray[Any, Any]:
    table = pq.read_table(out / arm.predictions, filters=[("split", "=", split)])
    return np.array(table["logits"].to_pylist())


def classes_of(out: Path, arm: ArmResult, split: str) -> np.ndarray[Any, Any]:
    table = pq.read_table(out / arm.predictions, filters=[("split", "=", split)])
    return np.array([labels[0] for labels in table["labels"].to_pylist()])


def test_it_is_evaluated_once_over_all_seeds_or_at_each_of_its_own(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
) -> None:
    _, arms = finished
    assert [key for key in arms if key[0] in ("both", "pair")] == [
        ("both", 0),
        ("pair", 0),
        ("pair", 1),
    ]
    everyone = ("teacher, seed 0", "teacher, seed 1", "odd, seed 0", "odd, seed 1")
    assert arms["both", 0].members == everyone
    assert arms["pair", 1].members == ("teacher, seed 1", "odd, seed 1")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_its_logits_are_the_mean_of_its_members(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]], split: str
) -> None:
    out, arms = finished
    for key, members in {
        ("both", 0): [("teacher", 0), ("teacher", 1), ("odd", 0), ("odd", 1)],
        ("pair", 1): [("teacher", 1), ("odd", 1)],
    }.items():
        mean = sum(logits_of(out, arms[member], split) for member in members) / len(members)
        assert logits_of(out, arms[key], split) == pytest.approx(mean, abs=1e-6)


def test_its_figures_are_those_of_its_logits(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
) -> None:
    out, arms = finished
    both = arms["both", 0]
    logits, classes = logits_of(out, both, "test"), classes_of(out, both, "test")
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    measured = both.metrics.test
    assert measured.loss == pytest.approx(log_loss(classes, shares, labels=range(4)), abs=1e-6)
    assert measured.accuracy == (logits.argmax(axis=1) == classes).mean()
    assert measured.f1_weighted == pytest.approx(
        f1_score(classes, logits.argmax(axis=1), average="weighted")
    )
    assert both.temperature is not None and measured.calibration_error is not None
    assert np.trace(np.array(both.confusions)) == round(measured.accuracy * measured.rows)


def test_it_costs_what_its_members_cost_and_has_no_model(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
) -> None:
    out, arms = finished
    both = arms["both", 0]
    members = [arms[key] for key in (("teacher", 0), ("teacher", 1), ("odd", 0), ("odd", 1))]
    assert (both.architecture, both.layers, both.history) == ("Ensemble", (), ())
    assert both.is_ensemble and not both.is_encoder and not both.is_baseline
    assert both.parameters.trainable == 0
    assert both.parameters.total == sum(arm.parameters.total for arm in members)
    assert both.cost.model_bytes == sum(arm.cost.model_bytes for arm in members)
    assert (both.cost.latency_ms, both.cost.throughput, both.cost.shape) == (None, None, None)
    hashes = "\n".join(arm.weights_sha256 for arm in members)
    assert both.weights_sha256 == hashlib.sha256(hashes.encode()).hexdigest()
    assert {path.name for path in (out / "arms/both/seed-0").iterdir()} == {
        "predictions.parquet",
        "result.json",
    }


def test_what_its_members_share_is_counted_once(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
) -> None:
    out, arms = finished
    trained = sum(arms[key].cost.training_seconds for key in arms if key[0] in ("teacher", "odd"))
    about = [json.loads(p.read_text()) for p in out.glob("cache/teacher-outputs/*/about.json")]
    assert len(about) == 2  # the teachers of both seeds, each of which taught both students
    outputs = sum(one["seconds"] for one in about)
    assert arms["both", 0].cost.training_seconds == 0
    assert arms["both", 0].cost.teacher_seconds == pytest.approx(trained + outputs)


def test_the_report_calls_it_an_ensemble_and_no_baseline(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
) -> None:
    report = (finished[0] / "report.md").read_text()
    told = "The ensemble ‘both’ (mean of the logits of teacher and odd, all seeds)"
    assert told in report
    assert "floor" not in report and "baseline: from the text" not in report
    assert "| pair | mean of the logits of teacher and odd, of one seed | nothing | - | Ensemble |"


def test_a_run_that_goes_on_keeps_the_members_and_averages_the_same(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]], backbone: Path, data_folder: Path
) -> None:
    out, before = finished
    kept = [out / f"arms/odd/seed-{seed}/result.json" for seed in (0, 1)]
    times = [path.stat().st_mtime_ns for path in kept]
    (out / "arms/both/seed-0/result.json").unlink()
    results = run(recipe(backbone, data_folder), out)
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert {(arm.name, arm.seed): arm for arm in results.arms} == before


def test_a_seed_that_is_added_joins_an_ensemble_of_all_seeds(
    backbone: Path, data_folder: Path, tmp_path: Path
) -> None:
    values = recipe(backbone, data_folder, seeds=[0])
    arms = values["arms"]
    values["arms"] = {"teacher": arms["teacher"], "both": {"init": {"ensemble": ["teacher"]}}}
    alone = run(values, tmp_path / "run").arms[-1]
    assert alone.members == ("teacher, seed 0",)
    two = run(values | {"seeds": [0, 1]}, tmp_path / "run").arms
    (both,) = (arm for arm in two if arm.name == "both")
    assert both.members == ("teacher, seed 0", "teacher, seed 1")
    assert both.weights_sha256 != alone.weights_sha256


def test_members_whose_predictions_were_changed_are_scored_again_before_they_are_averaged(
    backbone: Path, data_folder: Path, tmp_path: Path
) -> None:
    values = recipe(backbone, data_folder, seeds=[0])
    del values["arms"]["odd"], values["arms"]["pair"]
    values["arms"]["both"]["init"] = {"ensemble": ["teacher"]}
    before = run(values, tmp_path / "run")
    path = tmp_path / "run/arms/teacher/seed-0/predictions.parquet"
    table = pq.read_table(path).to_pandas()
    table["labels"] = [[(labels[0] + 1) % 4] for labels in table["labels"]]
    table.to_parquet(path)
    after = run(values, tmp_path / "run")
    assert {arm.name: arm.metrics for arm in after.arms} == {
        arm.name: arm.metrics for arm in before.arms
    }


def test_it_cannot_be_exported(
    finished: tuple[Path, dict[tuple[str, int], ArmResult]],
    run_cli: Callable[..., Any],
    tmp_path: Path,
) -> None:
    folder = finished[0] / "arms/pair/seed-1"
    outcome = run_cli("export", folder, "--out", tmp_path / "bundle")
    assert outcome.code == 2
    assert "ensemble" in outcome.err and "teacher, seed 1; odd, seed 1" in outcome.err
    assert not (tmp_path / "bundle").exists()


def test_the_plan_shows_it(
    backbone: Path,
    data_folder: Path,
    write_recipe: Callable[[dict[str, Any]], Path],
    run_cli: Callable[..., Any],
) -> None:
    file = write_recipe(recipe(backbone, data_folder))
    outcome = run_cli("compare", "--recipe", file, "--dry-run")
    assert outcome.code == 0
    shown = " ".join((outcome.out + outcome.err).split())
    assert "both mean of the logits of teacher and odd, all seeds" in shown
    assert "nothing: it is only evaluated" in shown


def test_several_labels_get_thresholds_of_the_ensembles_own(
    backbone: Path, data_folder: Path, tmp_path: Path
) -> None:
    values = recipe(backbone, data_folder, seeds=[0], task="multi_label")
    del values["arms"]["pair"]
    arms = {arm.name: arm for arm in run(values, tmp_path / "run").arms}
    both = arms["both"]
    assert both.thresholds is not None and both.temperature is not None
    assert both.threshold_method in ("exact", "smoothed", "shrunk") and both.metrics.test.tuned
    logits = logits_of(tmp_path / "run", both, "test")
    decided = 1 / (1 + np.exp(-logits / both.temperature)) >= np.array(both.thresholds)
    truth = np.eye(4)[classes_of(tmp_path / "run", both, "test")]
    assert both.metrics.test.tuned.f1_micro == pytest.approx(
        f1_score(truth, decided, average="micro", zero_division=0)
    )
