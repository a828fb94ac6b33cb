"""A run knows what it is made of, and never reports an arm that was made from something else."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from distillora.artifacts import RunLayout
from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.results import ArmResult, Results
from distillora.pipeline import compare
from distillora.pipeline.schedule import Task
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import VOCAB, save_tiny_backbone, tiny_recipe_values, tiny_tokenizer, write_tiny_data

pytestmark = pytest.mark.slow

Values = dict[str, Any]


def run(values: Values, out: Path, jobs: int = 1, *, retrain: bool = False) -> Results:
    results = compare(
        parse_recipe(values), out, Reporter(quiet=True), jobs, retrain_changed=retrain
    )
    assert results is not None
    return results


@pytest.fixture(scope="module", autouse=True)
def quick_ends() -> Iterator[None]:
    """Leave out the charts that every run ends with: nothing here is about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distillora.pipeline.run.write_report", lambda _: None)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Values]:
    """A finished run of a teacher, its student and a LoRA arm.

    Its backbone and its data are copies of its own, beside it.
    """
    place = tmp_path_factory.mktemp("identity")
    values = tiny_recipe_values(
        save_tiny_backbone(place / "backbone"), write_tiny_data(place / "data")
    )
    values["training"] |= {"epochs": 1}
    del values["arms"]["hybrid"]
    run(values, place / "run")
    return place, values


@pytest.fixture
def again(finished: tuple[Path, Values], tmp_path: Path) -> tuple[Path, Values]:
    """A copy of the finished run with its backbone, its data and its recipe, to change at will."""
    place, values = tmp_path / "copy", copy.deepcopy(finished[1])
    shutil.copytree(finished[0], place)
    values["data"]["path"] = str(place / "data")
    for arm in ("teacher", "lora"):
        values["arms"][arm]["init"]["backbone"] = str(place / "backbone")
    return place, values


def files_of(place: Path, arm: str) -> dict[str, int]:
    folder = place / "run" / "arms" / arm
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def change_words(lines: list[str], rows: int) -> list[str]:
    return [f"w9 {line}" if i < rows else line for i, line in enumerate(lines)]


def figures(results: Results) -> dict[tuple[str, int], tuple[float, str]]:
    return {(a.name, a.seed): (a.metrics.test.loss, a.weights_sha256) for a in results.arms}


def of(results: Results, name: str, seed: int = 0) -> ArmResult:
    return next(arm for arm in results.arms if (arm.name, arm.seed) == (name, seed))


def test_changed_files_under_the_same_names_are_not_reported_as_the_old_run(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    before = Results.load(RunLayout(place / "run").results)
    for name in ("train.tsv", "test.tsv"):
        rewrite(place / "data" / name, lambda lines: change_words(lines, 2))
    with pytest.raises(RunFolderError) as stop:
        run(values, place / "run")
    assert stop.value.exit_code == 2
    assert "train: 2 of 60 texts differ" in str(stop.value)
    assert "test: 2 of 20 texts differ" in str(stop.value)
    # nothing was touched: the old results still go with the old data
    assert Results.load(RunLayout(place / "run").results) == before


def test_a_run_without_a_change_reuses_every_arm(again: tuple[Path, Values]) -> None:
    place, values = again
    before = {arm: files_of(place, arm) for arm in values["arms"]}
    run(values, place / "run")
    assert {arm: files_of(place, arm) for arm in values["arms"]} == before


def _train(place: Path, values: Values) -> None:
    rewrite(place / "data" / "train.tsv", lambda lines: change_words(lines, 2))


def _validation(place: Path, values: Values) -> None:
    rewrite(place / "data" / "dev.tsv", lambda lines: lines[:-1])


def _labels_of_rows(place: Path, values: Values) -> None:
    def relabel(lines: list[str]) -> list[str]:
        text, label, id_ = lines[0].split("\t")
        return [f"{text}\t{(int(label) + 1) % 4}\t{id_}", *lines[1:]]

    rewrite(place / "data" / "train.tsv", relabel)


def _label_names(place: Path, values: Values) -> None:
    rewrite(place / "data" / "labels.txt", lambda lines: ["delight", *lines[1:]])


def _order(place: Path, values: Values) -> None:
    rewrite(place / "data" / "train.tsv", lambda lines: [lines[1], lines[0], *lines[2:]])


def _setting(place: Path, values: Values) -> None:
    values["training"] |= {"learning_rate": 2e-3}


def _length(place: Path, values: Values) -> None:
    values["data"]["max_length"] = 8


def _backbone(place: Path, values: Values) -> None:
    path = place / "backbone" / "model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    weights[name] = weights[name] + 0.5
    save_file(weights, path, {"format": "pt"})


def _tokenizer(place: Path, values: Values) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = None
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary["w5"], vocabulary["w6"] = vocabulary["w6"], vocabulary["w5"]
    assert len(vocabulary) == VOCAB
    path = place / "backbone" / "tokenizer.json"
    path.write_text(json.dumps(state))


EVERY = ("teacher", "odd", "lora")


@pytest.mark.parametrize(
    ("change", "message", "retrained"),
    [
        (_train, "train: 2 of 60 texts differ", EVERY),
        (_validation, "validation: 20 -> 19 rows (1 texts removed, 0 added)", EVERY),
        (_labels_of_rows, "train: 1 of 60 rows have other labels", EVERY),
        (_label_names, "labels: now without joy and with delight", EVERY),
        (_order, "train: the same 60 rows in another order", EVERY),
        (_setting, "training.learning_rate 0.001 -> 0.002", EVERY),
        (_length, "data.max_length 32 -> 8", EVERY),
        (_backbone, "the files of the pretrained model that it starts from are others", EVERY),
        (_tokenizer, "the tokenizer is another one", EVERY),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_all_arms_depend_on_is_named_and_all_are_trained_again(
    again: tuple[Path, Values],
    tmp_path: Path,
    change: Callable[[Path, Values], None],
    message: str,
    retrained: tuple[str, ...],
) -> None:
    place, values = again
    before = {arm: files_of(place, arm) for arm in values["arms"]}
    change(place, values)
    with pytest.raises(RunFolderError) as stop:
        run(values, place / "run")
    assert message in str(stop.value)
    renewed = run(values, place / "run", retrain=True)
    for arm in values["arms"]:
        same = files_of(place, arm) == before[arm]
        assert same == (arm not in retrained)
    assert figures(renewed) == figures(run(values, tmp_path / "fresh"))
    assert figures(run(values, place / "run")) == figures(renewed)  # and now it fits


def test_other_test_rows_are_scored_anew_with_the_same_weights(
    again: tuple[Path, Values], tmp_path: Path
) -> None:
    place, values = again
    before = Results.load(RunLayout(place / "run").results)
    rewrite(place / "data" / "test.tsv", lambda lines: change_words(lines, 5))
    with pytest.raises(RunFolderError, match=r"test: 5 of 20 texts differ\n.*scores those again"):
        run(values, place / "run")
    renewed = run(values, place / "run", retrain=True)
    for arm in renewed.arms:
        old = of(before, arm.name)
        assert (arm.weights_sha256, arm.history) == (old.weights_sha256, old.history)
        assert arm.metrics.validation == old.metrics.validation
        assert arm.metrics.test != old.metrics.test
    assert figures(renewed) == figures(run(values, tmp_path / "fresh"))


def test_a_setting_of_one_arm_retrains_it_and_what_depends_on_it_alone(
    again: tuple[Path, Values], tmp_path: Path
) -> None:
    place, values = again
    before = files_of(place, "lora")
    values["arms"]["teacher"]["training"] = {"warmup": 0.2}
    with pytest.raises(RunFolderError) as stop:
        run(values, place / "run")
    assert "teacher (seed 0): training.warmup 0.1 -> 0.2" in str(stop.value)
    assert "odd (seed 0): 'teacher, seed 0', which it needs, is trained again" in str(stop.value)
    assert "lora (" not in str(stop.value)
    renewed = run(values, place / "run", retrain=True)
    assert files_of(place, "lora") == before
    assert figures(renewed) == figures(run(values, tmp_path / "fresh"))


def test_more_seeds_of_a_teacher_that_teaches_at_all_of_them_change_its_students(
    finished: tuple[Path, Values], tmp_path: Path
) -> None:
    values = copy.deepcopy(finished[1])
    values["arms"]["odd"]["objective"]["teacher_seeds"] = "all"
    run(values, tmp_path / "run")
    values["seeds"] = [0, 1, 2]
    with pytest.raises(RunFolderError) as stop:
        run(values, tmp_path / "run")
    assert "odd (seed 0): teacher teacher: seeds 0 -> 0, 1, 2" in str(stop.value)
    assert "teacher (" not in str(stop.value)
    renewed = run(values, tmp_path / "run", retrain=True)
    assert figures(renewed) == figures(run(values, tmp_path / "fresh"))


def test_more_seeds_and_more_arms_that_change_nothing_else_are_added(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    before = {arm: files_of(place, arm) for arm in values["arms"]}
    values["seeds"] = [0, 1]
    values["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    values["arms"]["even"]["seeds"] = [0]
    results = run(values, place / "run")
    assert {(arm.name, arm.seed) for arm in results.arms} == {
        *((name, seed) for name in EVERY for seed in (0, 1)),
        ("even", 0),
    }
    for arm, files in before.items():
        assert files.items() <= files_of(place, arm).items()


def test_weights_of_a_parent_that_came_from_elsewhere_are_noticed(
    again: tuple[Path, Values], tmp_path: Path
) -> None:
    place, values = again
    other = copy.deepcopy(values)
    other["seeds"] = [7]
    run(other, tmp_path / "other")
    theirs = RunLayout(tmp_path / "other").arm("teacher", 7)
    ours = RunLayout(place / "run").arm("teacher", 0)
    shutil.rmtree(ours.model)
    shutil.copytree(theirs.model, ours.model)
    shutil.copy(theirs.training, ours.training)
    with pytest.raises(RunFolderError, match=r"odd .*the weights of 'teacher, seed 0' are others"):
        run(values, place / "run")


def test_damaged_weights_of_a_finished_arm_are_noticed_and_made_again(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    before = Results.load(RunLayout(place / "run").results)
    weights = RunLayout(place / "run").arm("teacher", 0).model / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    with pytest.raises(RunFolderError, match=r"teacher .*weights on disk are damaged"):
        run(values, place / "run")
    assert figures(run(values, place / "run", retrain=True)) == figures(before)


def test_a_half_trained_arm_does_not_go_on_with_other_settings(
    tiny_recipe: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_recipe["arms"] = {"teacher": tiny_recipe["arms"]["teacher"]}
    saved = "distillora.pipeline.make.save_arm"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(saved, stop)
        run(tiny_recipe, tmp_path / "run")
    assert any(RunLayout(tmp_path / "run").arm("teacher", 0).checkpoints.iterdir())
    tiny_recipe["training"]["learning_rate"] = 2e-3
    with pytest.raises(RunFolderError, match=r"learning_rate 0\.001 -> 0\.002"):
        run(tiny_recipe, tmp_path / "run")
    renewed = run(tiny_recipe, tmp_path / "run", retrain=True)
    assert figures(renewed) == figures(run(tiny_recipe, tmp_path / "fresh"))


def test_settings_that_change_no_weights_change_no_fingerprint(again: tuple[Path, Values]) -> None:
    place, values = again
    before = {arm: files_of(place, arm) for arm in values["arms"]}
    values["training"]["checkpoint_minutes"] = 3
    values["description"] = "the same, told better"
    moved = place / "elsewhere"
    shutil.move(place / "backbone", moved)
    for arm in ("teacher", "lora"):
        values["arms"][arm]["init"]["backbone"] = str(moved)
    run(values, place / "run")
    assert {arm: files_of(place, arm) for arm in values["arms"]} == before


def test_every_stage_reads_the_splits_that_the_run_holds(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    before = run(values, place / "run")
    shutil.rmtree(place / "data")
    values["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    results = run(values, place / "run", jobs=2)
    assert results.data.sha256 == before.data.sha256
    assert results.data.audit == before.data.audit
    assert of(results, "even").metrics.test.rows == 20


def test_each_arm_says_what_it_was_made_from_and_by_what(again: tuple[Path, Values]) -> None:
    place, values = again
    values["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    results = run(values, place / "run", jobs=2)
    teacher, odd, even = (of(results, name) for name in ("teacher", "odd", "even"))
    for arm in (teacher, odd, even):
        assert arm.fingerprint is not None and arm.environment is not None
        assert set(arm.fingerprint.data) == {"train", "validation", "test"}
        assert arm.fingerprint.data == results.data.sha256
        assert arm.environment.created <= arm.environment.ended
        assert arm.environment.threads >= 1
        assert arm.environment.other_load is not None
    assert odd.fingerprint.parents == {str(Task("teacher", 0)): teacher.weights_sha256}
    assert teacher.fingerprint.backbone is not None and odd.fingerprint.backbone is None
    assert (odd.environment.jobs, even.environment.jobs) == (1, 2)


def test_a_run_from_before_fingerprints_is_refused_and_left_alone(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    for path in (place / "run" / "arms").rglob("fingerprint.json"):
        path.unlink()
    shutil.rmtree(place / "run" / "data")
    before = {arm: files_of(place, arm) for arm in values["arms"]}
    for retrain in (False, True):
        with pytest.raises(RunFolderError, match="earlier version"):
            run(values, place / "run", retrain=retrain)
    assert {arm: files_of(place, arm) for arm in values["arms"]} == before


def test_an_arm_with_a_single_seed_serves_all_seeds_of_its_students(
    finished: tuple[Path, Values], tmp_path: Path
) -> None:
    values = copy.deepcopy(finished[1])
    values["seeds"] = [0, 1]
    values["arms"]["teacher"]["seeds"] = [1]
    del values["arms"]["lora"]
    results = run(values, tmp_path / "run")
    assert [(arm.name, arm.seed) for arm in results.arms] == [
        ("odd", 0),
        ("teacher", 1),
        ("odd", 1),
    ]
    shas = {arm.fingerprint.parents["teacher, seed 1"] for arm in results.arms if arm.teachers}
    assert shas == {of(results, "teacher", 1).weights_sha256}
    assert not torch.equal(
        *(
            load_file(RunLayout(tmp_path / "run").arm("odd", seed).model / "model.safetensors")[
                "classifier.weight"
            ]
            for seed in (0, 1)
        )
    )


def test_an_ensemble_that_becomes_a_trained_arm_is_trained(again: tuple[Path, Values]) -> None:
    place, values = again
    values["arms"]["x"] = {"init": {"ensemble": ["teacher", "lora"]}}
    assert of(run(values, place / "run"), "x").is_ensemble
    values["arms"]["x"] = {"init": {"arm": "teacher", "layers": "even"}}
    assert of(run(values, place / "run"), "x").layers == (0, 2, 4)
    values["arms"]["x"] = {"init": {"ensemble": ["teacher", "lora"]}}
    with pytest.raises(RunFolderError, match="holds a trained arm"):
        run(values, place / "run")


def test_the_side_on_which_texts_are_cut_is_part_of_the_tokenizer(
    again: tuple[Path, Values],
) -> None:
    place, values = again
    path = place / "backbone" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"truncation_side": "left"}))
    with pytest.raises(RunFolderError, match="the tokenizer is another one"):
        run(values, place / "run")


def test_a_torn_result_and_missing_predictions_are_made_again(again: tuple[Path, Values]) -> None:
    place, values = again
    before = figures(run(values, place / "run"))
    odd, lora = (RunLayout(place / "run").arm(name, 0) for name in ("odd", "lora"))
    odd.result.write_bytes(odd.result.read_bytes()[:100])
    lora.predictions.unlink()
    weights = {arm: (arm.model / "model.safetensors").stat().st_mtime_ns for arm in (odd, lora)}
    assert figures(run(values, place / "run")) == before
    for arm, stamp in weights.items():  # scored again, not trained
        assert (arm.model / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_damaged_split_is_an_error_with_its_path(again: tuple[Path, Values]) -> None:
    place, values = again
    path = place / "run" / "data" / "train.jsonl.gz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(IntegrityError, match=r"train\.jsonl\.gz does not hold the data"):
        run(values, place / "run")


def test_a_deletion_that_was_cut_off_still_shows_what_changed(
    again: tuple[Path, Values], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, values = again
    values["arms"]["lora"]["training"] = {"learning_rate": 3e-3}

    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.changes.shutil.rmtree", stop)
        run(values, place / "run", retrain=True)
    with pytest.raises(RunFolderError, match=r"lora .*learning_rate 0\.001 -> 0\.003"):
        run(values, place / "run")
    assert of(run(values, place / "run", retrain=True), "lora").is_encoder
