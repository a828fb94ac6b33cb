"""A run that is continued: what is kept, what is set aside, what is damaged, what is gone."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from rich.console import Console

from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.results import Results
from distillora.pipeline import compare
from distillora.pipeline.context import Task
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.recipe.removed import DEFAULTS
from identity import ARMS, Made, change_words, figures, of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_ends")]


def files_of_all(made: Made) -> dict[str, dict[str, int]]:
    return {arm: made.files(arm) for arm in ARMS}


def lines_of(made: Made, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Continue a run, and return what it says."""
    capsys.readouterr()
    compare(parse_recipe(made.values), made.layout.root, Reporter(Console(width=400)))
    return capsys.readouterr().out.splitlines()


def test_changed_files_under_the_same_names_are_not_reported_as_the_old_run(again: Made) -> None:
    before = Results.load(again.layout.results)
    for name in ("data/train.tsv", "data/test.tsv"):
        again.rewrite(name, change_words(2))
    refusal = again.refusal()
    assert "train: 2 of 24 texts differ" in refusal and "test: 2 of 8 texts differ" in refusal
    # nothing was touched: the old results still go with the old data
    assert Results.load(again.layout.results) == before


def test_a_run_without_a_change_reuses_every_arm(again: Made) -> None:
    before = files_of_all(again)
    again.run()
    assert files_of_all(again) == before


def test_settings_that_change_no_weights_change_no_fingerprint(again: Made) -> None:
    before = files_of_all(again)
    again.values["training"]["checkpoint_minutes"] = 3
    again.values["description"] = "the same, told better"
    moved = again.place / "elsewhere"
    shutil.move(again.place / "backbone", moved)
    again.values["arms"]["teacher"]["init"]["backbone"] = str(moved)
    again.run()
    assert files_of_all(again) == before


def test_arms_whose_fingerprints_name_removed_settings_are_reused(again: Made) -> None:
    removed = {f"objective.{key}": value for key, value in DEFAULTS["objective"].items()}
    of_lora = {f"tuning.{key}": value for key, value in DEFAULTS["tuning"].items()}
    for arm, settings in (("teacher", removed), ("odd", removed), ("lora", removed | of_lora)):
        for path in (again.arm(arm).fingerprint, again.arm(arm).result):
            values = json.loads(path.read_text())
            values["fingerprint"]["settings"] |= settings
            path.write_text(json.dumps(values))
        record = json.loads(again.arm(arm).training.read_text())
        del record["fingerprint_sha256"]  # which such runs do not have
        again.arm(arm).training.write_text(json.dumps(record))
    recipe = yaml.safe_load(again.layout.recipe.read_text())
    for values in recipe["arms"].values():
        values["objective"] |= DEFAULTS["objective"]
        if values["tuning"]["method"] == "lora":
            values["tuning"] |= DEFAULTS["tuning"]
    again.layout.recipe.write_text(yaml.safe_dump(recipe))
    before = files_of_all(again)
    again.run()
    assert files_of_all(again) == before
    path = again.arm("lora").fingerprint
    path.write_text(
        path.read_text().replace('"tuning.plus_ratio": 1.0', '"tuning.plus_ratio": 4.0')
    )
    assert "lora (seed 0): tuning.plus_ratio 4 -> none" in again.refusal()


def test_more_seeds_and_more_arms_that_change_nothing_else_are_added(again: Made) -> None:
    before = files_of_all(again)
    again.values["seeds"] = [0, 1]
    again.values["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}, "seeds": [0]}
    for name in ("teacher", "odd"):
        again.values["arms"][name]["seeds"] = [0]
    results = again.run()
    added = {("even", 0), ("lora", 1)}
    assert {(arm.name, arm.seed) for arm in results.arms} == added | {(name, 0) for name in ARMS}
    for arm, files in before.items():
        assert files.items() <= again.files(arm).items()


def test_the_old_model_stays_until_the_run_is_complete_again(
    again: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    again.values["arms"] = {"lora": again.arms["lora"]}
    old = {path.name: path.read_bytes() for path in again.arm("lora").model.iterdir()}
    again.values["arms"]["lora"]["training"] = {"learning_rate": 3e-3}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.methods.encoder.save_encoder", stop)
        again.run(retrain=True)
    kept = again.arm("lora").replaced / "model"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == old
    assert not again.layout.results.exists()

    # with yet another setting, what was begun since makes way, and the old model stays
    again.values["arms"]["lora"]["training"] = {"learning_rate": 4e-3}
    assert "lora (seed 0): training.learning_rate 0.003 -> 0.004\n" in again.refusal()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.run.compare_runs", stop)
        again.run(retrain=True)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == old
    renewed = again.run()
    assert not kept.exists() and not again.arm("lora").replaced.exists()
    assert figures(renewed) == figures(again.fresh(frozenset({"lora"})))


def test_an_old_model_that_is_moved_back_serves_the_old_command_again(
    again: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, old = files_of_all(again), figures(Results.load(again.layout.results))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    again.values["arms"]["teacher"]["training"] = {"warmup": 0.2}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.executors.train_arm", stop)
        again.run(retrain=True)
    for name in ("teacher", "odd"):
        again.arm(name).replaced.rename(again.arm(name).root)
    del again.values["arms"]["teacher"]["training"]
    assert figures(again.run()) == old
    assert files_of_all(again) == before


def test_a_half_trained_arm_does_not_go_on_with_other_settings(
    again: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    again.values["arms"] = {"lora": again.arms["lora"]}
    shutil.rmtree(again.arm("lora").root)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.methods.encoder.save_encoder", stop)
        again.run()
    assert any(again.arm("lora").checkpoints.iterdir())
    again.values["training"]["learning_rate"] = 2e-3
    assert "learning_rate 0.001 -> 0.002" in again.refusal()
    renewed = again.run(retrain=True)
    assert figures(renewed) == figures(again.fresh(frozenset({"lora"})))


@pytest.mark.parametrize("file", ["model/model.safetensors", "fingerprint.json", "training.json"])
def test_a_damaged_arm_is_named_and_made_again_with_what_depends_on_it(
    again: Made, file: str
) -> None:
    before = Results.load(again.layout.results)
    path = again.arm("teacher").root / file
    path.write_bytes(path.read_bytes()[:-2])
    what = {"model.safetensors": "weights on disk are"}.get(path.name, f"{path.name} is")
    refusal = again.refusal()
    assert f"teacher (seed 0): its {what} damaged\n" in refusal
    assert "odd (seed 0): 'teacher, seed 0', which it needs, is trained again\n" in refusal
    if path.name == "model.safetensors":
        assert figures(again.run(retrain=True)) == figures(before)


def test_an_arm_that_was_deleted_takes_its_students_with_it(again: Made) -> None:
    shutil.rmtree(again.arm("teacher").root)
    assert "odd (seed 0): 'teacher, seed 0', which it needs, is not finished\n" in again.refusal()


def test_a_torn_result_and_missing_predictions_are_made_again(again: Made) -> None:
    before = figures(Results.load(again.layout.results))
    odd, lora = again.arm("odd"), again.arm("lora")
    odd.result.write_bytes(odd.result.read_bytes()[:100])
    lora.predictions.unlink()
    weights = {arm: (arm.model / "model.safetensors").stat().st_mtime_ns for arm in (odd, lora)}
    assert figures(again.run()) == before
    for arm, stamp in weights.items():  # scored again, not trained
        assert (arm.model / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_run_from_before_fingerprints_is_refused_and_left_alone(again: Made) -> None:
    for path in (again.place / "run" / "arms").rglob("fingerprint.json"):
        path.unlink()
    shutil.rmtree(again.layout.data)
    before = files_of_all(again)
    for retrain in (False, True):
        with pytest.raises(RunFolderError, match="earlier version"):
            again.run(retrain=retrain)
    assert files_of_all(again) == before


def test_every_stage_and_every_worker_reads_the_splits_that_the_run_holds(again: Made) -> None:
    before = Results.load(again.layout.results)
    shutil.rmtree(again.place / "data")
    again.values["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    results = again.run(jobs=2)
    assert results.data == before.data
    teacher, odd, even = (of(results, name) for name in ("teacher", "odd", "even"))
    assert even.metrics.test.rows == 8
    # each says what it was made from, and by what
    for arm in (teacher, odd, even):
        assert arm.fingerprint is not None and arm.environment is not None
        assert {**arm.fingerprint.data, **results.data.sha256} == arm.fingerprint.data
        assert arm.environment.created <= arm.environment.ended
        assert arm.environment.threads >= 1
        assert arm.environment.other_load is not None
    assert odd.fingerprint.parents == {str(Task("teacher", 0)): teacher.weights_sha256}
    assert teacher.fingerprint.backbone is not None and odd.fingerprint.backbone is None
    assert (odd.environment.jobs, even.environment.jobs) == (1, 2)


def test_a_source_that_is_gone_is_said_and_one_that_comes_back_changed_is_noticed(
    again: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    source, away = again.place / "data", again.place / "away"
    source.rename(away)
    (again.place / "extra.txt").unlink()
    before = files_of_all(again)
    said = [line for line in lines_of(again, capsys) if "no longer exists" in line]
    assert said == [
        f"  warning: {source} no longer exists. The run continues with its own copy of the data, "
        f"in {again.layout.data}."
    ]
    assert files_of_all(again) == before
    away.rename(source)
    said = [line for line in lines_of(again, capsys) if "no longer exists" in line]
    assert len(said) == 1 and f"{again.place / 'extra.txt'} no longer exists." in said[0]
    (again.place / "extra.txt").write_text("".join(f"w{i} w{i + 1}\n" for i in range(20, 28)))
    again.run()
    again.rewrite("data/train.tsv", change_words(1))
    assert "train: 1 of 24 texts differ" in again.refusal()


def test_a_copy_that_other_settings_would_not_have_made_is_not_used(again: Made) -> None:
    shutil.rmtree(again.place / "data")
    again.values["data"]["limit"] = 4
    with pytest.raises(Exception, match="does not exist"):
        again.run()


def test_a_damaged_split_is_an_error_with_its_path(again: Made) -> None:
    path = again.layout.data / "train.jsonl.gz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(IntegrityError, match=r"train\.jsonl\.gz does not hold the data"):
        again.run()


def test_arms_that_are_no_longer_in_the_recipe_are_mentioned_in_one_line(
    again: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of_all(again)
    again.values["arms"] = {name: again.arms[name] for name in ("teacher", "floor")}
    said = [line for line in lines_of(again, capsys) if "not in the recipe" in line]
    assert said == ["  not in the recipe, and left as they are: lora (seed 0), odd (seed 0)"]
    assert files_of_all(again) == before
    assert [arm.name for arm in Results.load(again.layout.results).arms] == ["teacher", "floor"]


def test_an_ensemble_that_becomes_a_trained_arm_is_trained(again: Made) -> None:
    again.values["arms"]["x"] = {"init": {"ensemble": ["teacher", "lora"]}}
    assert of(again.run(), "x").is_ensemble
    again.values["arms"]["x"] = {"init": {"arm": "teacher", "layers": "even"}}
    assert of(again.run(), "x").layers == (0,)
    again.values["arms"]["x"] = {"init": {"ensemble": ["teacher", "lora"]}}
    with pytest.raises(RunFolderError, match="holds a trained arm"):
        again.run()


def test_an_arm_with_a_single_seed_serves_all_seeds_of_its_students(again: Made) -> None:
    again.values["arms"] = {name: again.arms[name] for name in ("teacher", "odd")}
    again.values["seeds"] = [0, 1]
    again.values["arms"]["teacher"]["seeds"] = [1]
    results = again.run(out=again.place / "fresh")
    made = [("odd", 0), ("teacher", 1), ("odd", 1)]
    assert [(arm.name, arm.seed) for arm in results.arms] == made
    records = [
        json.loads((again.place / "fresh/arms/odd" / f"seed-{seed}/fingerprint.json").read_text())
        for seed in (0, 1)
    ]
    teacher = of(results, "teacher", 1).weights_sha256
    assert [r["fingerprint"]["parents"]["teacher, seed 1"] for r in records] == [teacher, teacher]
    assert of(results, "odd", 0).weights_sha256 != of(results, "odd", 1).weights_sha256
