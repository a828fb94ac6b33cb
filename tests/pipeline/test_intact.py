"""What lies in a run's folder is what was recorded, or the commands that read it say so."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from conftest import Outcome
from distillora.artifacts import seal_folder, sha256_file
from distillora.errors import RunFolderError
from distillora.evaluation.results import Results
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import tiny_recipe_values

pytestmark = pytest.mark.slow

Values = dict[str, Any]


class Log(Reporter):
    """Keeps what a run says."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, message: Any) -> None:
        self.lines.append(str(message))


@pytest.fixture(scope="module", autouse=True)
def quick_ends() -> Iterator[None]:
    """Leave out the charts and the clock: nothing here is about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distillora.pipeline.run.write_report", lambda _: None)
        patch.setattr("distillora.pipeline.measure.ROUNDS", 1)
        patch.setattr("distillora.pipeline.measure.LATENCY_TEXTS", 2)
        yield


@pytest.fixture(scope="module")
def values(backbone: Path, data_folder: Path) -> Values:
    found = tiny_recipe_values(backbone, data_folder)
    del found["arms"]["hybrid"]
    found["arms"]["floor"] = {"init": {"baseline": "tfidf"}}
    found["training"]["epochs"] = 1
    return found


@pytest.fixture(scope="module")
def made(values: Values, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, not to be changed."""
    out = tmp_path_factory.mktemp("intact") / "run"
    compare(parse_recipe(copy.deepcopy(values)), out, Reporter(quiet=True))
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def again(values: Values, run: Path, *, retrain: bool = False) -> list[str]:
    """Give the run's command again, and return what it says."""
    log = Log()
    assert compare(parse_recipe(copy.deepcopy(values)), run, log, retrain_changed=retrain)
    return log.lines


def load(run: Path) -> Results:
    return Results.load(run / "results.json")


def swap_weights(run: Path) -> None:
    """Put the weights of LoRA into the teacher's folder, whole and sealed."""
    ours = run / "arms" / "teacher" / "seed-0" / "model"
    shutil.rmtree(ours)
    shutil.copytree(run / "arms" / "lora" / "seed-0" / "model", ours)


def nudge_weights(run: Path) -> None:
    """Change one number of the teacher, and seal its folder again."""
    model = run / "arms" / "teacher" / "seed-0" / "model"
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"][0] += 1e-3
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    seal_folder(model)


def cut_weights(run: Path) -> None:
    path = run / "arms" / "teacher" / "seed-0" / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def swap_baseline(run: Path) -> None:
    model = run / "arms" / "floor" / "seed-0" / "model"
    path = next(iter(model.glob("*.safetensors")))
    weights = load_file(path)
    weights["intercept"][0] += 1
    save_file(weights, path)
    seal_folder(model)


def change_predictions(run: Path) -> None:
    path = run / "arms" / "odd" / "seed-0" / "predictions.parquet"
    table = pq.read_table(path)
    turned = table.column("logits").take(list(range(len(table)))[::-1])
    pq.write_table(table.set_column(table.column_names.index("logits"), "logits", turned), path)


def change_result(run: Path) -> None:
    path = run / "arms" / "odd" / "seed-0" / "result.json"
    result = json.loads(path.read_text())
    result["metrics"]["test"]["accuracy"] = 1.0
    path.write_text(json.dumps(result))


def change_data(run: Path) -> None:
    path = run / "data" / "about.json"
    about = json.loads(path.read_text())
    about["sha256"]["test"] = "0" * 64
    path.write_text(json.dumps(about))


TEACHER = "teacher, seed 0: arms/teacher/seed-0/model/model.safetensors: the weights on disk are "
CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (swap_weights, f"{TEACHER}not those that were trained"),
    (nudge_weights, f"{TEACHER}not those that were trained"),
    (cut_weights, f"{TEACHER}damaged"),
    (swap_baseline, "floor, seed 0: arms/floor/seed-0/model/"),
    (change_predictions, "odd, seed 0: arms/odd/seed-0/predictions.parquet changed"),
    (change_result, "odd, seed 0: arms/odd/seed-0/result.json differs from results.json"),
    (change_data, "data/ holds another test split"),
]


@pytest.mark.parametrize(
    ("change", "message"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_measure_and_report_refuse_what_was_not_recorded(
    run: Path, run_cli: Callable[..., Outcome], change: Callable[[Path], None], message: str
) -> None:
    before = (run / "results.json").read_bytes()
    change(run)
    for command in ("measure", "report"):
        outcome = run_cli(command, run)
        assert outcome.code == 2
        assert message in outcome.err
        assert "run the same `distillora compare` command again" in outcome.err
    assert (run / "results.json").read_bytes() == before
    assert not (run / "report.html").exists()


def test_compare_does_not_reuse_swapped_weights(run: Path, values: Values) -> None:
    before = load(run)
    swap_weights(run)
    with pytest.raises(RunFolderError, match=r"teacher .*weights on disk are not those"):
        again(values, run)
    again(values, run, retrain=True)
    after = load(run)
    assert [a.weights_sha256 for a in after.arms] == [a.weights_sha256 for a in before.arms]


def test_results_whose_weights_are_gone_are_reported_with_a_note(
    run: Path, run_cli: Callable[..., Outcome]
) -> None:
    shutil.rmtree(run / "arms" / "odd" / "seed-0" / "model")
    outcome = run_cli("report", run)
    assert outcome.code == 0
    note = "no longer holds the weights of odd, seed 0"
    assert note in outcome.err
    assert note in (run / "report.md").read_text()


def test_results_recorded_without_weights_are_reported_without_a_note(
    run: Path, run_cli: Callable[..., Outcome]
) -> None:
    for name in ("arms", "data"):
        shutil.rmtree(run / name)
    outcome = run_cli("report", run)
    assert (outcome.code, outcome.err) == (0, "")
    assert "no longer holds" not in (run / "report.md").read_text()


def test_a_run_that_was_not_finished_with_more_arms_says_so_in_its_old_report(
    run: Path, run_cli: Callable[..., Outcome], values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = copy.deepcopy(values)
    larger["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    interrupt(larger, run, monkeypatch, retrain=False)
    outcome = run_cli("report", run)
    assert outcome.code == 0
    assert "recipe.yaml asks for other arms or seeds" in outcome.err
    assert run_cli("measure", run).code == 0


def interrupt(
    values: Values, run: Path, monkeypatch: pytest.MonkeyPatch, *, retrain: bool = True
) -> None:
    """Give the run's command and stop it where the first arm is trained and not saved."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("distillora.pipeline.methods.encoder.save_encoder", stop)
        again(values, run, retrain=retrain)


def test_an_interrupted_retraining_is_named_until_it_is_finished(
    run: Path, run_cli: Callable[..., Outcome], values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = copy.deepcopy(values)
    changed["arms"]["odd"]["training"] = {"learning_rate": 2e-3}
    interrupt(changed, run, monkeypatch)
    for command in (("measure", run), ("report", run)):
        outcome = run_cli(*command)
        assert outcome.code == 2
        assert "odd, seed 0 is being trained again" in outcome.err
        assert "Run the same `distillora compare` command to finish" in outcome.err
    lora = run / "arms" / "lora" / "seed-0"
    outcome = run_cli("export", lora, "--out", run.parent / "bundle")
    assert outcome.code == 2
    assert "odd, seed 0 is being trained again" in outcome.err
    # another arm changes before the first one is finished: both are named
    changed["arms"]["lora"]["training"] = {"learning_rate": 2e-3}
    interrupt(changed, run, monkeypatch)
    said = run_cli("report", run).err
    assert "lora, seed 0; odd, seed 0 are being trained again" in said
    again(changed, run)
    assert not (run / "renewal.json").exists()
    assert run_cli("report", run).code == 0


def test_an_arm_deleted_by_hand_and_half_made_again_is_named(
    run: Path, run_cli: Callable[..., Outcome], values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run / "arms" / "odd" / "seed-0")
    interrupt(values, run, monkeypatch, retrain=False)
    for command in ("measure", "report"):
        outcome = run_cli(command, run)
        assert outcome.code == 2
        assert "odd, seed 0 is being trained again" in outcome.err


def test_predictions_have_a_checksum_and_changed_ones_are_made_anew(
    run: Path, values: Values
) -> None:
    results = load(run)
    for arm in results.arms:
        assert arm.predictions_sha256 == sha256_file(run / arm.predictions)
    change_predictions(run)
    said = again(values, run)
    assert any("its predictions are gone, or changed" in line for line in said)
    assert [a.metrics for a in load(run).arms] == [a.metrics for a in results.arms]
    odd = next(arm for arm in results.arms if arm.name == "odd")
    assert sha256_file(run / odd.predictions) == odd.predictions_sha256


@pytest.mark.parametrize("made_by", ["another version", "an earlier version"])
def test_an_arm_scored_by_another_evaluation_code_is_scored_anew_and_not_trained(
    run: Path, values: Values, monkeypatch: pytest.MonkeyPatch, made_by: str
) -> None:
    before = load(run)
    assert {arm.evaluation_code for arm in before.arms} == {1}
    if made_by == "another version":
        for module in ("evaluate", "changes"):
            monkeypatch.setattr(f"distillora.pipeline.{module}.EVALUATION_CODE", 2)
        anew, reason = {arm.name for arm in before.arms}, "made by version 1 of the evaluation"
    else:
        path = run / "arms" / "odd" / "seed-0" / "result.json"
        result = json.loads(path.read_text())
        del result["evaluation_code"], result["predictions_sha256"]
        path.write_text(json.dumps(result))
        anew, reason = {"odd"}, "made by an earlier version of the evaluation code"
    trained = {path: path.stat().st_mtime_ns for path in run.glob("arms/*/*/training.json")}
    said = again(values, run)
    assert sum("scored again, not retrained" in line and reason in line for line in said) == len(
        anew
    )
    scored = [line for line in said if ", seed 0: scoring" in line]
    assert {line.removeprefix("[bold]").split(",")[0] for line in scored} == anew
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    after = load(run)
    assert {a.evaluation_code for a in after.arms} == {2 if len(anew) > 1 else 1}
    assert [a.metrics for a in after.arms] == [a.metrics for a in before.arms]


def test_speed_is_measured_again_after_an_arm_was_trained_again(run: Path, values: Values) -> None:
    path = run / "measurement.json"
    measured = json.loads(path.read_text())
    measured["measurement"]["created"] = "2001-01-01T00:00:00+00:00"
    path.write_text(json.dumps(measured))
    # an arm of a shape that is known shares its figure ...
    larger = copy.deepcopy(values)
    larger["arms"]["even"] = {"init": {"arm": "teacher", "layers": "even"}}
    again(larger, run)
    measurement = load(run).measurement
    assert measurement is not None and measurement.created.startswith("2001")
    # ... until it, or any other of that shape, is trained again
    larger["arms"]["even"]["training"] = {"learning_rate": 2e-3}
    said = again(larger, run, retrain=True)
    assert any("speed is measured again" in line and "3 layers" in line for line in said)
    measurement = load(run).measurement
    assert measurement is not None and not measurement.created.startswith("2001")


def test_speed_is_measured_again_when_the_test_texts_are_others(run: Path, values: Values) -> None:
    path = run / "measurement.json"
    measured = json.loads(path.read_text())
    assert measured["measurement"]["test_sha256"] == load(run).data.sha256["test"]
    measured["measurement"] |= {"test_sha256": "0" * 64, "created": "2001-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(measured))
    said = again(values, run)
    assert any("speed is measured again" in line and "test texts" in line for line in said)
    measurement = load(run).measurement
    assert measurement is not None and not measurement.created.startswith("2001")
    assert measurement.test_sha256 == load(run).data.sha256["test"]
