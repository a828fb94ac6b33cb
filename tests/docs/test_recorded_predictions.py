"""The headline figures of recorded runs come out again from the predictions that they keep."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from distillora.artifacts import RunLayout, sha256_file
from distillora.errors import RunFolderError
from distillora.evaluation.integrity import check_run
from distillora.evaluation.results import ArmResult, Results, SplitMetrics, TunedMetrics
from report.conftest import build_run

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("results/*/results.json"))
# recorded before predictions were kept; their figures cannot be recomputed
WITHOUT = {
    "ablation-distillation",
    "ablation-layers",
    "ablation-learning-rate",
    "ablation-lora",
    "ablation-loss",
    "evidence",
    "evidence-multi",
}


def load_script() -> ModuleType:
    path = ROOT / "results" / "record.py"
    spec = importlib.util.spec_from_file_location("record_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


record = load_script()


def kept(folder: Path, arm: ArmResult, task: str):  # type: ignore[no-untyped-def]
    path = folder / arm.predictions
    if "logits" in pq.read_schema(path).names:
        return record.keep(folder, arm, task)["test"]
    return record.read_kept(path)


def arms_kept(folder: Path) -> dict[str, bool]:
    """Map each arm of a recorded run to whether its predictions are there."""
    arms = Results.load(folder / "results.json").arms
    return {arm.name: (folder / arm.predictions).is_file() for arm in arms}


def test_only_runs_from_before_predictions_were_kept_lack_them() -> None:
    found = {folder.name: arms_kept(folder) for folder in FOLDERS}
    # of the starter's run, the arm that ships keeps them
    assert {arm for arm, there in found.pop("starter").items() if there} == {"student-wide"}
    assert {name for name, arms in found.items() if not any(arms.values())} == WITHOUT
    assert {name for name, arms in found.items() if not all(arms.values())} == WITHOUT
    for name in WITHOUT:
        assert "recomputed" in (ROOT / "results" / name / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "folder", [f for f in FOLDERS if f.name not in WITHOUT], ids=lambda folder: folder.name
)
def test_the_headline_figures_come_out_of_the_recorded_predictions(folder: Path) -> None:
    results = Results.load(folder / "results.json")
    task = results.data.task
    size = 0
    for arm in (arm for arm in results.arms if (folder / arm.predictions).is_file()):
        found = kept(folder, arm, task)
        size += (folder / arm.predictions).stat().st_size
        assert len(found.labels) == arm.metrics.test.rows
        truth = np.zeros(found.decided.shape, dtype=bool)
        for row, labels in enumerate(found.labels):
            truth[row, labels if task == "multi_label" else labels[:1]] = True
        shown: SplitMetrics | TunedMetrics = arm.metrics.test.tuned or arm.metrics.test
        # macro F1 over the labels that occur in the truth or the decisions
        own = np.flatnonzero((truth | found.decided).any(axis=0))
        for metric, value in {
            "accuracy": accuracy_score(truth, found.decided),
            "f1_weighted": f1_score(truth, found.decided, average="weighted", zero_division=0),
            "f1_macro": f1_score(
                truth, found.decided, average="macro", labels=own, zero_division=0
            ),
        }.items():
            assert getattr(shown, metric) == pytest.approx(value, abs=1e-9), (arm.name, metric)
        if task == "single_label":
            agreeing = (found.logits.argmax(axis=1) == found.decided.argmax(axis=1)).mean()
            assert agreeing > 0.98  # the rest are ties within the rounding of the logits
            scores = np.exp(found.logits - found.logits.max(axis=1, keepdims=True))
            loss = log_loss(
                truth.argmax(axis=1),
                scores / scores.sum(axis=1, keepdims=True),
                labels=range(truth.shape[1]),
            )
            assert arm.metrics.test.loss == pytest.approx(loss, abs=1e-3)
    assert size <= 6_000_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_folder_fits_its_results(folder: Path) -> None:
    assert check_run(RunLayout(folder), Results.load(folder / "results.json")) == ()


def test_the_checksums_of_recorded_results_are_those_of_the_recorded_predictions(
    tmp_path: Path,
) -> None:
    run, results = build_run(tmp_path / "run")
    arms = tuple(
        arm.model_copy(update={"predictions_sha256": sha256_file(run / arm.predictions)})
        for arm in results.arms
    )
    results = results.model_copy(update={"arms": arms})
    target = tmp_path / "recorded"
    record.record_predictions(run, target, results)
    recorded = record.with_checksums(target, results)
    assert check_run(RunLayout(target), recorded) == ()
    with pytest.raises(RunFolderError, match="changed after it was written"):
        check_run(RunLayout(target), results)


def test_paths_of_one_machine_are_written_as_names(tmp_path: Path) -> None:
    _, results = build_run(tmp_path / "run")
    folder = str(tmp_path / "mpnet")
    arms = {name: {"init": {"backbone": "bundled", "revision": None}} for name in ("one", "other")}
    arms["other"]["init"]["backbone"] = folder
    first = results.arms[0].model_copy(update={"init": f"pretrained encoder {folder}"})
    results = results.model_copy(
        update={"recipe": {**results.recipe, "arms": arms}, "arms": (first, *results.arms[1:])}
    )
    renamed = record.rename_backbone(results, "owner/encoder@abc")
    assert renamed.recipe["arms"]["one"] == arms["one"]
    assert renamed.recipe["arms"]["other"]["init"] == {
        "backbone": "owner/encoder",
        "revision": "abc",
    }
    assert renamed.arms[0].init == "pretrained encoder owner/encoder"
    assert renamed.arms[1:] == results.arms[1:]


def test_logits_come_back_to_the_nearest_step_and_decisions_exactly(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (50, 4))
    decided = random.random((50, 4)) > 0.5
    labels = [[int(label)] for label in random.integers(0, 4, 50)]
    splits = {"validation": record.Kept(labels[:20], decided[:20], logits[:20])}
    splits["test"] = record.Kept(labels[20:], decided[20:], logits[20:])
    record.write_kept(tmp_path / "predictions.parquet", splits)
    for name, own in splits.items():
        found = record.read_kept(tmp_path / "predictions.parquet", name)
        assert found.labels == own.labels
        assert np.array_equal(found.decided, own.decided)
        assert np.abs(found.logits - own.logits).max() <= record.STEP / 2
