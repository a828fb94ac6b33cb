"""The main job from end to end, on a tiny encoder and a few dozen texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForSequenceClassification

from distillora.evaluation.results import ArmResult, Results
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import tiny_recipe_values

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)


def run(values: dict[str, Any], out: Path) -> Results:
    results = compare(parse_recipe(values), out, QUIET)
    assert results is not None
    return results


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, backbone: Path, data_folder: Path
) -> tuple[Path, Results]:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    values = tiny_recipe_values(backbone, data_folder)
    del values["arms"]["hybrid"]
    values["seeds"] = [0, 1]
    return out, run(values, out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, backbone: Path, data_folder: Path) -> Results:
    """The results of the whole tiny recipe, at one seed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return run(tiny_recipe_values(backbone, data_folder), out)


def arm(results: Results, name: str, seed: int = 0) -> ArmResult:
    return next(a for a in results.arms if (a.name, a.seed) == (name, seed))


def without_speed(result: ArmResult) -> ArmResult:
    """Leave out what is measured again when an arm of another shape is added."""
    unknown = {"latency_ms": None, "throughput": None}
    return result.model_copy(update={"cost": result.cost.model_copy(update=unknown)})


def test_every_arm_is_made_at_every_seed(finished: tuple[Path, Results]) -> None:
    assert [(a.name, a.seed) for a in finished[1].arms] == [
        (name, seed) for seed in (0, 1) for name in ("teacher", "odd", "lora")
    ]


def test_the_results_on_disk_are_those_returned_and_follow_the_schema(
    finished: tuple[Path, Results],
) -> None:
    out, results = finished
    assert Results.load(out / "results.json") == results
    raw = json.loads((out / "results.json").read_text())
    assert set(raw) == {
        "schema_version", "recipe", "data", "environment", "measurement", "arms", "evidence",
    }  # fmt: skip
    assert {"accuracy", "f1_weighted", "f1_macro", "loss"} <= set(raw["arms"][0]["metrics"]["test"])


def test_an_odd_student_keeps_the_odd_layers_and_names_its_teacher(
    finished: tuple[Path, Results],
) -> None:
    odd = arm(finished[1], "odd")
    assert odd.layers == (1, 3, 5)
    assert odd.teachers == ("teacher",)
    assert odd.cost.teacher_seconds is not None
    assert odd.cost.teacher_seconds > arm(finished[1], "teacher").cost.training_seconds


def test_lora_trains_few_parameters_and_ships_merged_weights_and_its_adapter(
    finished: tuple[Path, Results],
) -> None:
    out, results = finished
    lora, teacher = arm(results, "lora"), arm(results, "teacher")
    assert lora.parameters.trainable < lora.parameters.total / 4
    assert lora.cost.model_bytes == teacher.cost.model_bytes
    assert lora.cost.adapter_bytes is not None
    assert lora.cost.adapter_bytes < lora.cost.model_bytes
    assert (out / "arms/lora/seed-0/adapter/adapter_model.safetensors").is_file()


def test_the_model_of_an_arm_loads_in_plain_transformers_with_the_right_labels(
    finished: tuple[Path, Results],
) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(
        finished[0] / "arms" / "odd" / "seed-0" / "model"
    )
    assert tuple(model.config.id2label.values()) == finished[1].data.labels
    assert model.config.num_hidden_layers == 3


def test_nothing_that_a_run_ships_is_a_pickle(finished: tuple[Path, Results]) -> None:
    kinds = {path.suffix for path in finished[0].rglob("*") if path.is_file()}
    assert not kinds & {".bin", ".pt", ".pth", ".pkl", ".pickle"}


def test_predictions_hold_the_logits_and_labels_of_both_splits(
    finished: tuple[Path, Results],
) -> None:
    out, results = finished
    table = pq.read_table(out / arm(results, "odd").predictions).to_pydict()
    assert set(table) == {"split", "row", "id", "labels", "logits"}
    for split in ("validation", "test"):
        rows = [i for i, name in enumerate(table["split"]) if name == split]
        right = [
            max(range(4), key=table["logits"][i].__getitem__) == table["labels"][i][0] for i in rows
        ]
        metrics = getattr(arm(results, "odd").metrics, split)
        assert len(rows) == metrics.rows
        assert sum(right) / len(rows) == pytest.approx(metrics.accuracy)


def test_the_best_epoch_is_the_one_with_the_best_validation_metric(
    finished: tuple[Path, Results],
) -> None:
    for result in finished[1].arms:
        scores = [epoch.f1_weighted for epoch in result.history]
        assert result.best_metric == "f1_weighted"
        assert result.history[result.best_epoch - 1].f1_weighted == max(scores)
        assert result.metrics.validation.f1_weighted == pytest.approx(max(scores), abs=1e-6)


def test_the_evidence_is_on_the_figures_of_the_arms(finished: tuple[Path, Results]) -> None:
    evidence = finished[1].evidence
    assert evidence is not None and len(evidence.pairs) == 3
    for own in evidence.arms:
        tests = [arm(finished[1], own.name, seed).metrics.test for seed in own.seeds]
        mean = sum(test.f1_weighted for test in tests) / 2
        assert own.metrics["f1_weighted"].mean == pytest.approx(mean)


def test_confusions_count_every_test_row_and_those_on_the_diagonal_are_right(
    finished: tuple[Path, Results],
) -> None:
    for one in finished[1].arms:
        assert one.confusions is not None
        counted = sum(map(sum, one.confusions))
        right = sum(row[label] for label, row in enumerate(one.confusions))
        assert counted == one.metrics.test.rows
        assert right / counted == pytest.approx(one.metrics.test.accuracy)


def test_seeds_differ_and_the_report_is_written(finished: tuple[Path, Results]) -> None:
    out, results = finished
    assert arm(results, "teacher", 0).weights_sha256 != arm(results, "teacher", 1).weights_sha256
    assert (out / "report.html").is_file() and (out / "report.md").is_file()
    assert (out / "audit.json").is_file()


def test_a_finished_run_is_not_trained_again_and_takes_more_seeds(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    tiny_recipe["arms"] = {"teacher": tiny_recipe["arms"]["teacher"]}
    first = run(tiny_recipe, tmp_path / "run")
    written = (tmp_path / "run/arms/teacher/seed-0/result.json").stat().st_mtime_ns
    both = run({**tiny_recipe, "seeds": [0, 1]}, tmp_path / "run")
    assert arm(both, "teacher", 0) == arm(first, "teacher", 0)
    assert (tmp_path / "run/arms/teacher/seed-0/result.json").stat().st_mtime_ns == written
    assert [a.seed for a in both.arms] == [0, 1]


def test_a_finished_run_takes_more_arms(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    arms = dict(tiny_recipe["arms"])
    tiny_recipe["arms"] = {"teacher": arms["teacher"]}
    first = run(tiny_recipe, tmp_path / "run")
    tiny_recipe["arms"] = {"teacher": arms["teacher"], "odd": arms["odd"]}
    both = run(tiny_recipe, tmp_path / "run")
    assert without_speed(arm(both, "teacher")) == without_speed(arm(first, "teacher"))
    assert arm(both, "odd").teachers == ("teacher",)


def test_the_same_recipe_gives_the_same_numbers_again(
    whole: Results, tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    for a, b in zip(whole.arms, run(tiny_recipe, tmp_path / "again").arms, strict=True):
        assert (a.name, a.metrics, a.weights_sha256) == (b.name, b.metrics, b.weights_sha256)


def test_the_hybrid_distils_hidden_states_through_adapters(whole: Results) -> None:
    hybrid = arm(whole, "hybrid")
    assert hybrid.layers == (1, 3, 5)
    assert "LoRA" in hybrid.tuning and "hidden cosine" in hybrid.objective


def test_an_arm_that_needs_two_others_counts_the_time_of_each_once(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    arms = tiny_recipe["arms"]
    arms["odd"]["objective"] = {"labels": 1.0}
    arms["first"] = {
        "init": {"arm": "odd", "layers": "first", "count": 1},
        "objective": {"distillation": 1.0, "teacher": "teacher"},
    }
    del arms["lora"], arms["hybrid"]
    results = run(tiny_recipe, tmp_path / "run")
    made = sum(arm(results, name).cost.training_seconds for name in ("teacher", "odd"))
    (about,) = (tmp_path / "run/cache/teacher-outputs").glob("*/about.json")
    outputs = json.loads(about.read_text())["seconds"]
    assert arm(results, "first").cost.teacher_seconds == pytest.approx(made + outputs)


def test_multi_label_data_gets_thresholds_from_validation(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(tiny_recipe["data"]["path"])
    both = tmp_path / "data"
    both.mkdir()
    (both / "labels.txt").write_text((folder / "labels.txt").read_text())
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        rows = [line.split("\t") for line in (folder / name).read_text().splitlines()]
        lines = [f"{t}\t{k},{(int(k) + 1) % 4}\t{i}" if n % 3 else f"{t}\t{k}\t{i}"
                 for n, (t, k, i) in enumerate(rows)]  # fmt: skip
        (both / name).write_text("\n".join(lines) + "\n")
    tiny_recipe |= {"task": "multi_label"}
    tiny_recipe["data"]["path"] = str(both)
    odd = arm(run(tiny_recipe, tmp_path / "run"), "odd")
    assert odd.best_metric == "average_precision"
    assert odd.thresholds is not None and len(odd.thresholds) == 4
    test = odd.metrics.test
    assert test.tuned is not None
    assert test.accuracy == test.subset_accuracy
    assert test.average_precision is not None and test.hamming_loss is not None
    assert odd.ladder is not None
    for metric in ("accuracy", "f1_weighted", "f1_macro", "f1_micro"):
        assert getattr(odd.ladder.fixed, metric) == pytest.approx(getattr(test, metric))
        assert getattr(odd.ladder.tuned, metric) == pytest.approx(getattr(test.tuned, metric))


def test_a_ready_classifier_teaches_without_being_trained(
    finished: tuple[Path, Results], tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    ready = finished[0] / "arms" / "teacher" / "seed-0" / "model"
    tiny_recipe["arms"]["teacher"] = {
        "init": {"classifier": str(ready)},
        "tuning": {"method": "none"},
    }
    del tiny_recipe["arms"]["lora"], tiny_recipe["arms"]["hybrid"]
    results = run(tiny_recipe, tmp_path / "run")
    before, now = arm(finished[1], "teacher"), arm(results, "teacher")
    assert now.weights_sha256 == before.weights_sha256
    assert now.metrics == before.metrics
    assert now.parameters.trainable == 0 and now.history == ()


def test_a_lora_tuned_teacher_is_merged_before_students_start_from_it(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    tiny_recipe["arms"]["teacher"]["tuning"] = {"method": "lora", "rank": 4}
    del tiny_recipe["arms"]["lora"], tiny_recipe["arms"]["hybrid"]
    odd = arm(run(tiny_recipe, tmp_path / "run"), "odd")
    assert odd.parameters.trainable == odd.parameters.total


def test_a_bert_teacher_gives_a_real_distilbert(
    tiny_recipe: dict[str, Any], tmp_path: Path
) -> None:
    tiny_recipe["arms"]["odd"]["init"]["architecture"] = "distilbert"
    del tiny_recipe["arms"]["lora"], tiny_recipe["arms"]["hybrid"]
    odd = arm(run(tiny_recipe, tmp_path / "run"), "odd")
    assert odd.architecture == "DistilBertForSequenceClassification"
