"""How fast the arms of a run are: one session, one figure a shape."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Outcome
from distillora.artifacts import lock_folder
from distillora.data.stored import read_stored
from distillora.evaluation.results import Results
from distillora.models.tfidf import TfidfConfig
from distillora.pipeline import compare
from distillora.pipeline.context import open_context
from distillora.pipeline.measure import fill_in, measure_arms
from distillora.pipeline.methods.encoder_plan import EncoderPlan
from distillora.pipeline.methods.tfidf import TfidfPlan
from distillora.pipeline.plan import plan_run
from distillora.progress import Reporter
from distillora.recipe import Arm, load_recipe, parse_recipe
from distillora.runtime import OtherLoad
from tiny import ARCHITECTURES, tiny_config, tiny_recipe_values

QUIET = Reporter(quiet=True)
RECORDED = Path(__file__).parents[2] / "results" / "evidence"
FIGURES = ("latency_ms", "throughput", "device")


def shape(config: Any, architecture: str) -> str:
    arm = Arm.model_validate({"init": {"backbone": "bundled"}})
    return EncoderPlan(
        name="arm", arm=arm, config=config, architecture=architecture, layers=None, available=6,
        trainable=1000, total=1000, targets=(), steps=0, extra_texts=0,
        tokenizer=("bundled", None),
    ).describe_shape()  # fmt: skip


def baseline_shape(config: TfidfConfig, total: int) -> str:
    arm = Arm.model_validate({"init": {"baseline": "tfidf"}})
    return TfidfPlan(
        name="arm", arm=arm, config=config, architecture="TfidfClassifier", trainable=total,
        total=total, tokenizer=None,
    ).describe_shape()  # fmt: skip


def test_a_shape_is_told_in_words() -> None:
    config = tiny_config(num_hidden_layers=3)
    assert shape(config, "BertForSequenceClassification") == (
        "BertForSequenceClassification, 3 layers, 16 and 32 wide, 200 tokens, 5 labels"
    )
    floor = baseline_shape(TfidfConfig(num_labels=4), 4 * 301)
    assert floor == "TfidfClassifier, 300 features, 4 labels"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_depth_widths_and_vocabulary_make_another_shape_whatever_the_architecture(
    architecture: str,
) -> None:
    changes: list[dict[str, int]] = [
        {}, {"num_hidden_layers": 4}, {"hidden_size": 32}, {"intermediate_size": 48},
        {"vocab_size": 300},
    ]  # fmt: skip
    shapes = [shape(tiny_config(architecture, **c), "Some") for c in changes]
    assert len(set(shapes)) == len(changes)
    assert shape(tiny_config(architecture), "Some") == shapes[0]


def test_layers_with_full_attention_are_another_shape_than_those_with_a_window() -> None:
    kinds = [["full_attention", "sliding_attention"], ["sliding_attention"] * 2]
    one, two = (
        shape(tiny_config("modernbert", num_hidden_layers=2, layer_types=k), "Some") for k in kinds
    )
    assert one != two


def values(backbone: Path, data_folder: Path) -> dict[str, Any]:
    recipe = tiny_recipe_values(backbone, data_folder)
    del recipe["arms"]["hybrid"]
    recipe["arms"]["floor"] = {"init": {"baseline": "tfidf"}}
    recipe["training"]["epochs"] = 1
    return {**recipe, "seeds": [0, 1]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, backbone: Path, data_folder: Path) -> Path:
    """A run of four arms in three shapes, two of them encoders; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "made"
    compare(parse_recipe(values(backbone, data_folder)), out, QUIET)
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def load(run: Path) -> Results:
    return Results.load(run / "results.json")


def speeds(results: Results) -> dict[str, set[tuple[float | None, ...]]]:
    """Return latency and throughput by arm, those of all seeds."""
    return {
        name: {(a.cost.latency_ms, a.cost.throughput) for a in results.arms if a.name == name}
        for name in {arm.name for arm in results.arms}
    }


def age(run: Path) -> None:
    """Set what ``measurement.json`` says about its origin back to long ago."""
    path = run / "measurement.json"
    measured = json.loads(path.read_text())
    measured["measurement"]["created"] = "2001-01-01T00:00:00+00:00"
    path.write_text(json.dumps(measured))


def files(run: Path) -> dict[str, str]:
    """Return the hash of every file by its path."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.rglob("*")
        if path.is_file()
    }


@contextmanager
def _load_of(cores: float) -> Iterator[OtherLoad]:
    load = OtherLoad()
    load.cores = cores
    yield load


@pytest.mark.slow
def test_arms_of_one_shape_share_one_figure_at_every_seed(made: Path) -> None:
    found = speeds(load(made))
    assert all(len(own) == 1 for own in found.values())
    assert found["teacher"] == found["lora"]
    assert len({*map(frozenset, found.values())}) == 3
    shapes = {arm.name: arm.cost.shape for arm in load(made).arms}
    assert shapes["teacher"] == shapes["lora"] != shapes["odd"]
    assert str(shapes["odd"]).startswith("BertForSequenceClassification, 3 layers, 16 and 32 wide")


@pytest.mark.slow
def test_the_figures_stand_in_a_file_of_their_own_and_in_no_arm(made: Path) -> None:
    results, measured = load(made), json.loads((made / "measurement.json").read_text())
    assert results.measurement is not None
    assert measured["measurement"] == results.measurement.model_dump()
    for arm in results.arms:
        own = measured["figures"][arm.cost.shape]
        assert own == {key: getattr(arm.cost, key) for key in FIGURES}
        kept = json.loads((made / f"arms/{arm.name}/seed-{arm.seed}/result.json").read_text())
        assert [kept["cost"][key] for key in ("shape", *FIGURES)] == [None] * 4
    assert results.measurement.rounds == 5
    assert results.measurement.commit == results.environment.commit


@pytest.mark.slow
def test_measuring_again_replaces_the_figures_and_their_origin_and_nothing_else(
    run: Path, run_cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kept = json.loads((run / "results.json").read_text()), files(run)
    monkeypatch.setattr("distillora.pipeline.measure.timestamp", lambda: "2030-05-06T07:08:09Z")
    outcome = run_cli("measure", run)
    assert outcome.code == 0, outcome.err
    assert "ms/text" in outcome.out
    after, now = json.loads((run / "results.json").read_text()), files(run)
    assert after["measurement"]["created"] == "2030-05-06T07:08:09Z"
    for old, new in zip(before["arms"], after["arms"], strict=True):
        assert [old["cost"].pop(key) for key in FIGURES] != [new["cost"].pop(k) for k in FIGURES]
    del before["measurement"], after["measurement"]
    assert before == after
    changed = {path for path in now if now[path] != kept.get(path)} - {".lock"}
    assert {path for path in changed if not path.startswith("charts/")} == {
        "measurement.json", "results.json", "report.html", "report.md",
    }  # fmt: skip
    assert "2030-05-06T07:08:09Z" in (run / "report.md").read_text()


@pytest.mark.slow
def test_a_run_that_gets_no_new_shape_is_not_measured_again(
    run: Path, backbone: Path, data_folder: Path
) -> None:
    age(run)
    recipe = values(backbone, data_folder)
    recipe["arms"]["copy"] = recipe["arms"]["odd"]
    compare(parse_recipe(recipe), run, QUIET)
    results = load(run)
    assert results.measurement is not None
    assert results.measurement.created.startswith("2001")
    assert speeds(results)["copy"] == speeds(results)["odd"]


@pytest.mark.slow
def test_an_arm_of_a_new_shape_has_all_shapes_measured_again(
    run: Path, backbone: Path, data_folder: Path
) -> None:
    age(run)
    before, recipe = speeds(load(run)), values(backbone, data_folder)
    recipe["arms"]["one"] = {"init": {"arm": "teacher", "layers": [2]}}
    compare(parse_recipe(recipe), run, QUIET)
    results = load(run)
    assert results.measurement is not None
    assert not results.measurement.created.startswith("2001")
    after = speeds(results)
    assert len(after.pop("one")) == 1
    assert all(after[name] != before[name] for name in before)


@pytest.mark.slow
def test_an_ensemble_has_no_shape_and_no_figures(run: Path) -> None:
    results = load(run)
    teacher = results.arms[0]
    bare = teacher.cost.model_copy(update=dict.fromkeys(("shape", *FIGURES)))
    both = teacher.model_copy(
        update={"name": "both", "members": ("teacher, seed 0", "lora, seed 0"), "cost": bare}
    )
    recipe = load_recipe(str(run / "recipe.yaml")).model_dump(mode="json")
    recipe["arms"]["both"] = {"init": {"ensemble": ["teacher", "lora"]}}
    plan = plan_run(parse_recipe(recipe), read_stored(run / "data")[0])
    context = open_context(plan, run, QUIET)
    arms = (*results.arms, both)
    measured = measure_arms(context, arms, results.environment)
    assert measured.measurement == results.measurement
    assert fill_in(context, arms, measured) == arms


@pytest.mark.slow
@pytest.mark.parametrize(("cores", "busy"), [(1.3, True), (0.2, False)])
def test_a_busy_machine_is_warned_of_and_recorded(
    run: Path,
    run_cli: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
    cores: float,
    busy: bool,
) -> None:
    monkeypatch.setattr("distillora.pipeline.measure.watch_load", lambda: _load_of(cores))
    err = run_cli("measure", run).err
    warning = f"other programs kept 1.3 cores busy: repeat with `distillora measure {run}` on"
    assert (warning in err) is busy
    measurement = load(run).measurement
    assert measurement is not None
    assert (measurement.busy, measurement.other_load) == (busy, cores)
    report = (run / "report.md").read_text()
    assert ("used 1.30 processor cores while speed was measured" in report) is busy


@pytest.mark.slow
def test_a_run_without_the_weights_of_an_arm_is_refused_and_left_as_it_is(
    run: Path, run_cli: Callable[..., Outcome]
) -> None:
    for model in run.glob("arms/odd/seed-*/model"):
        shutil.rmtree(model)
    before = files(run)
    outcome = run_cli("measure", run)
    assert outcome.code == 2
    assert "does not hold the weights of odd" in outcome.err
    assert files(run) == before


@pytest.mark.slow
def test_a_run_in_use_is_not_measured(run: Path, run_cli: Callable[..., Outcome]) -> None:
    with lock_folder(run):
        outcome = run_cli("measure", run)
    assert outcome.code == 2
    assert "in use by another run" in outcome.err


def test_a_recorded_run_is_refused_and_left_as_it_is(run_cli: Callable[..., Outcome]) -> None:
    before = sorted(RECORDED.iterdir())
    outcome = run_cli("measure", RECORDED)
    assert outcome.code == 2
    assert "does not hold the weights of" in outcome.err
    assert "there is nothing to measure" in outcome.err
    assert sorted(RECORDED.iterdir()) == before


def test_a_folder_without_a_run_is_refused_and_not_made(
    tmp_path: Path, run_cli: Callable[..., Outcome]
) -> None:
    outcome = run_cli("measure", tmp_path / "nothing")
    assert outcome.code == 2
    assert "is not a finished run" in outcome.err
    assert not (tmp_path / "nothing").exists()
