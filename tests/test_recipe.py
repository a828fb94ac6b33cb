from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from distillora.errors import RecipeError
from distillora.recipe import (
    Data,
    LoraTuning,
    bundled_recipes,
    load_recipe,
    parse_recipe,
    parse_setting,
)
from distillora.recipe.loading import _EXPERIMENTS

ROOT = Path(__file__).parents[1]

TEACHER: dict[str, Any] = {"init": {"backbone": "bundled"}}
VALID: dict[str, Any] = {
    "name": "mine",
    "data": {"source": "sample"},
    "arms": {
        "teacher": TEACHER,
        "odd": {"init": {"arm": "teacher", "layers": "odd"}, "objective": {"distillation": 1.0}},
    },
}

LORA = {"method": "lora"}


def changed(path: str, value: Any) -> dict[str, Any]:
    values = deepcopy(VALID)
    node = values
    *parents, last = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return values


EXPERIMENTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("name", [*sorted(bundled_recipes()), *map(str, EXPERIMENTS)])
def test_every_recipe_is_usable_and_named_like_its_file(name: str) -> None:
    assert load_recipe(name).name == Path(name).stem


def test_the_three_recipes_of_the_main_job_are_there() -> None:
    assert {"quickstart", "goemotions-minilm", "goemotions-bert"} <= set(bundled_recipes())


@pytest.mark.parametrize("name", [*sorted(bundled_recipes()), *map(str, EXPERIMENTS)])
def test_a_recipe_written_out_reads_back_as_itself(name: str) -> None:
    recipe = load_recipe(name)
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe


def test_the_original_study_has_the_same_figures_in_every_recipe() -> None:
    named = {
        name: load_recipe(name).published for name in [*bundled_recipes(), *map(str, EXPERIMENTS)]
    }
    found = {Path(name).stem: published for name, published in named.items() if published}
    assert set(found) == {"goemotions-bert", "goemotions-minilm", "twelve-to-six", "evidence"}
    (published,) = set(found.values())
    assert [(arm.arm, arm.accuracy, arm.f1_weighted) for arm in published.arms] == [
        ("lora", 0.5294, 0.4861),
        ("odd", 0.5720, 0.5574),
        ("even", 0.5777, 0.5671),
    ]
    results = Path(__file__).parents[1] / "results" / "evidence" / "results.json"
    data = json.loads(results.read_text("utf-8"))["data"]
    assert (published.task, published.test_sha256) == (data["task"], data["sha256"]["test"])


def test_an_arm_inherits_the_training_settings_and_overrides_single_ones() -> None:
    values = changed("training", {"epochs": 7, "learning_rate": 3e-4})
    values["arms"]["odd"]["training"] = {"learning_rate": 1e-5}
    odd = parse_recipe(values).arms["odd"].training
    assert (odd.epochs, odd.learning_rate) == (7, 1e-5)


def test_a_hybrid_is_an_arm_like_any_other() -> None:
    values = changed("arms.odd.tuning", {"method": "lora", "rank": 4})
    odd = parse_recipe(values).arms["odd"]
    assert isinstance(odd.tuning, LoraTuning)
    assert odd.teachers == ("teacher",)


def test_arms_are_made_after_those_that_they_need() -> None:
    values = deepcopy(VALID)
    values["arms"] = dict(reversed(values["arms"].items()))
    assert parse_recipe(values).arm_order() == ("teacher", "odd")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sedes", [1], ["sedes", "'seeds'"]),
        ("data.sauce", "hub", ["data.sauce", "'source'"]),
        ("data.source", "hug", ["data.source", "hug"]),
        ("data.max_length", 500, ["data.max_length", "128"]),
        ("data.max_length", True, ["data.max_length", "number"]),
        ("data.path", "here", ["data", "source 'folder'"]),
        ("training.epoch", 3, ["training.epoch", "'epochs'"]),
        ("training.epochs", "three", ["training.epochs", "three"]),
        ("training.epochs", 0, ["training.epochs"]),
        ("training.learning_rate", -1, ["training.learning_rate"]),
        ("arms", {}, ["arms"]),
        ("arms.odd.init", {}, ["arms.odd.init", "backbone, classifier, arm"]),
        ("arms.odd.init.backbone", "bundled", ["arms.odd.init", "not backbone and arm"]),
        ("arms.odd.init.layer", "odd", ["arms.odd.init.layer", "'layers'"]),
        ("arms.odd.init.layers", "off", ["arms.odd.init.layers", "odd"]),
        ("arms.odd.init.arm", "tecaher", ["arms.odd.init.arm", "'teacher'"]),
        ("arms.odd.init.count", 0, ["arms.odd.init.count"]),
        ("arms.teacher.init.count", 2, ["arms.teacher.init", "count goes with"]),
        ("arms.odd.tuning", {"method": "lorra"}, ["arms.odd.tuning", "lora"]),
        ("arms.odd.tuning", {"method": "lora", "rnk": 8}, ["arms.odd.tuning.rnk", "'rank'"]),
        ("arms.odd.tuning", {"method": "full", "rank": 8}, ["arms.odd.tuning.rank"]),
        ("arms.odd.tuning", {"method": "lora", "dropout": 1.5}, ["arms.odd.tuning.dropout"]),
        ("arms.odd.tuning", LORA | {"targets": "atention"}, ["tuning.targets", "'attention'?"]),
        ("arms.odd.tuning", LORA | {"targets": "query"}, ["tuning.targets", "[query]"]),
        ("arms.odd.tuning", LORA | {"targets": []}, ["tuning.targets", "empty", "attention"]),
        ("arms.odd.tuning", LORA | {"dora": "maybe"}, ["tuning.dora", "boolean"]),
        ("arms.odd.tuning", {"method": "full", "dora": True}, ["tuning.dora", "unknown key"]),
        ("arms.odd.objective", {"labels": 0}, ["arms.odd.objective", "nothing to learn"]),
        ("arms.odd.objective.teacher", "tutor", ["arms.odd.objective.teacher", "tutor"]),
        ("arms.teacher.objective", {"distillation": 1}, ["arms.teacher.objective.teacher"]),
        ("arms.teacher.objective", {"teacher": "odd"}, ["arms.teacher.objective", "no distil"]),
        ("arms.teacher.init", {"arm": "odd"}, ["need each other", "teacher"]),
        ("arms.teacher.tuning", {"method": "none"}, ["arms.odd", "never tuned"]),
        ("arms.odd.objective.label_loss", "fokal", ["arms.odd.objective.label_loss", "focal"]),
        ("arms.odd.objective.focal_gamma", 3, ["arms.odd.objective.focal_gamma", "'focal'"]),
        (
            "arms.odd.objective",
            {"labels": 0, "distillation": 1, "label_loss": "focal"},
            ["arms.odd.objective.label_loss", "weight of labels is 0"],
        ),
        (
            "arms.teacher.objective.extra_text",
            "more.txt",
            ["arms.teacher.objective.extra_text", "only a teacher"],
        ),
        (
            "arms.teacher.objective.teacher_precision",
            "bf16",
            ["arms.teacher.objective.teacher_precision", "no teacher's outputs", "bf16"],
        ),
        (
            "arms.odd.objective.teacher_precision",
            "fp16",
            ["arms.odd.objective.teacher_precision", "'bf16' or 'fp32'"],
        ),
        ("arms.odd.init.weights", "random", ["arms.odd.init", "weights", "not with arm"]),
        ("arms.teacher.init.weights", "none", ["arms.teacher.init.weights", "'random'"]),
        ("arms.teacher.init", {"baseline": "bm25"}, ["arms.teacher.init.baseline", "'tfidf'"]),
        ("arms.odd.init", {"baseline": "tfidf", "layers": "odd"}, ["arms.odd.init", "layers is"]),
        ("arms.odd.init", {"baseline": "tfidf", "weights": "random"}, ["arms.odd.init", "weights"]),
        ("arms.odd.init", {"baseline": "tfidf"}, ["arms.odd", "no objective"]),
        ("arms.teacher.init", {"baseline": "tfidf"}, ["arms.odd.init.arm", "is a baseline"]),
        ("training.best_metric", "average_precision", ["best_metric", "multi_label"]),
        ("seeds", [1, 1], ["seeds", "twice"]),
        ("published", {"note": "n", "arms": [{"am": "odd"}]}, ["published.arms.0.am", "'arm'"]),
        ("published", {"nte": "n"}, ["published.nte", "'note'"]),
        ("seeds", [], ["seeds"]),
        ("name", "../up", ["name"]),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_path_of_the_key(
    path: str, value: Any, words: list[str]
) -> None:
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(changed(path, value))
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"label_loss": "focal", "focal_gamma": 0.5},
        {"label_loss": "weighted"},
        {"distillation": 1, "extra_text": "more.txt"},
    ],
)
def test_settings_of_the_label_loss_and_extra_text_read_back_as_they_were(
    settings: dict[str, Any],
) -> None:
    values = changed("arms.odd.objective", settings) | {"task": "multi_label"}
    recipe = parse_recipe(values)
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe
    chosen = recipe.arms["odd"].objective.model_dump(mode="json", exclude_unset=True)
    assert chosen == settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tuning.initialisation", "pissa"),
        ("tuning.plus_ratio", 4),
        ("tuning.full_layers", [1]),
        ("objective.label_smoothing", 0.1),
        ("objective.margin", 0),
        ("objective.label_loss", "asymmetric"),
        ("init.layers", "searched"),
    ],
)
def test_a_removed_setting_is_refused_with_the_commit_that_has_it(key: str, value: Any) -> None:
    values = deepcopy(VALID)
    values["arms"]["odd"]["tuning"] = dict(LORA)
    section, name = key.split(".")
    values["arms"]["odd"][section][name] = value
    with pytest.raises(
        RecipeError, match=rf"arms\.odd\.{key}: .*It was removed.*bd36da9"
    ) as refusal:
        parse_recipe(values)
    assert str(refusal.value).count("It was removed") == 1


def test_a_recipe_of_an_experiment_is_looked_for_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
    assert names == set(_EXPERIMENTS)
    for name in names:
        with pytest.raises(RecipeError, match=rf"give experiments/{name}\.yaml"):
            load_recipe(name)


def test_a_recipe_that_an_earlier_version_wrote_out_reads_without_removed_defaults() -> None:
    values = deepcopy(VALID)
    values["arms"]["odd"]["tuning"] = dict(LORA)
    expected = parse_recipe(values)
    values["arms"]["odd"]["tuning"] |= {"initialisation": "default", "full_layers": []}
    values["arms"]["odd"]["tuning"]["plus_ratio"] = 1.0
    values["arms"]["odd"]["objective"] |= {"gamma_pos": 0.0, "gamma_neg": 4.0, "margin": 0.05}
    values["arms"]["odd"]["objective"]["label_smoothing"] = 0.0
    assert parse_recipe(values) == expected


def test_an_arm_called_like_a_tuning_method_keeps_its_name_in_the_path() -> None:
    values = changed("arms.lora", {"init": TEACHER["init"], "tuning": {"method": "lora", "rnk": 4}})
    with pytest.raises(RecipeError, match=r"arms\.lora\.tuning\.rnk: unknown key\..*'rank'"):
        parse_recipe(values)


def test_an_untrained_teacher_is_let_pass_when_the_recipe_says_so() -> None:
    values = changed("arms.teacher.tuning", {"method": "none"})
    values["arms"]["odd"]["objective"]["allow_untrained_teacher"] = True
    assert parse_recipe(values).arms["odd"].teachers == ("teacher",)


def test_a_recipe_that_was_written_out_reads_the_same() -> None:
    values = changed("arms.teacher", {"init": {"classifier": "x"}, "tuning": {"method": "none"}})
    recipe = parse_recipe(values)
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe


def test_data_can_be_read_from_another_place_with_everything_else_as_it_was() -> None:
    data = Data(taxonomy="ekman", limit=5)
    folder = data.moved("path/to/data")
    assert (folder.source, folder.path) == ("folder", Path("path/to/data"))
    assert folder.moved("sample").moved("hub") == data


def test_several_arms_may_teach_one_student() -> None:
    values = changed("arms.odd.objective.teacher", ["teacher", "tutor"])
    values["arms"]["tutor"] = values["arms"]["teacher"]
    recipe = parse_recipe(values)
    assert recipe.arms["odd"].teachers == ("teacher", "tutor")
    assert recipe.arm_order().index("odd") == 2
    values["arms"]["odd"]["objective"]["hidden_cosine"] = 0.5
    with pytest.raises(RecipeError, match="hidden_cosine learns from one teacher"):
        parse_recipe(values)


def test_a_ready_classifier_counts_as_a_trained_teacher() -> None:
    values = changed("arms.teacher", {"init": {"classifier": "x"}, "tuning": {"method": "none"}})
    assert parse_recipe(values).arms["odd"].teachers == ("teacher",)


def test_overrides_reach_any_depth_and_read_numbers_as_numbers(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(VALID))
    overrides = ["training.learning_rate=1e-3", "arms.odd.init.layers=[0, 2]", "seeds=[3,4]"]
    recipe = load_recipe(str(file), dict(map(parse_setting, overrides)))
    assert recipe.arms["odd"].training.learning_rate == 1e-3
    assert recipe.arms["odd"].init.layers == (0, 2)
    assert recipe.seeds == (3, 4)


@pytest.mark.parametrize(
    ("floor", "words"),
    [
        ({"tuning": {"method": "lora"}}, ["arms.floor", "tuning 'lora'"]),
        ({"tuning": {"method": "none"}}, ["arms.floor", "tuning 'none'"]),
        ({"objective": {"labels": 0.5}}, ["arms.floor", "no objective"]),
        ({"training": {"epochs": 9}}, ["arms.floor.training", "best_metric alone"]),
    ],
)
def test_a_baseline_refuses_what_is_for_encoders(floor: dict[str, Any], words: list[str]) -> None:
    values = changed("arms.floor", {"init": {"baseline": "tfidf"}, **floor})
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(values)
    assert all(word in str(refusal.value) for word in words)


def test_a_baseline_cannot_teach() -> None:
    values = changed("arms.floor", {"init": {"baseline": "tfidf"}})
    values["arms"]["odd"]["objective"]["teacher"] = ["teacher", "floor"]
    with pytest.raises(RecipeError, match=r"arms\.odd\.objective\.teacher: 'floor' is a baseline"):
        parse_recipe(values)


def test_a_baseline_inherits_training_chooses_its_metric_and_is_written_out_and_read_again() -> (
    None
):
    values = changed("training", {"epochs": 7})
    values["arms"]["floor"] = {"init": {"baseline": "tfidf"}, "training": {"best_metric": "loss"}}
    recipe = parse_recipe(values)
    assert recipe.arms["floor"].training.best_metric == "loss"
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe


BOTH: dict[str, Any] = {"init": {"ensemble": ["teacher", "odd"]}}


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ({"ensemble": []}, ["init.ensemble", "at least 1"]),
        ({"ensemble": ["teacher", "teacher"]}, ["arms.both.init", "names an arm twice"]),
        ({"ensemble": ["teacher", "ood"]}, ["arms.both.init.ensemble", "Did you mean 'odd'"]),
        ({"ensemble": ["floor", "odd"]}, ["arms.both.init.ensemble", "'floor' is a baseline"]),
        ({"ensemble": ["pair", "odd"]}, ["init.ensemble: 'pair' is an ensemble", "(teacher, odd)"]),
        ({"ensemble": ["odd"], "ensemble_seeds": "own"}, ["arms.both.init", "that arm itself"]),
        ({"ensemble": ["odd"], "ensemble_seeds": "each"}, ["ensemble_seeds", "'own' or 'all'"]),
        ({"ensemble": ["odd"], "arm": "odd"}, ["arms.both.init", "not arm and ensemble"]),
        ({"ensemble": ["odd"], "layers": "odd"}, ["arms.both.init", "layers is for an encoder"]),
        ({"ensemble": ["odd"], "weights": "random"}, ["arms.both.init", "weights"]),
        ({"ensemble": ["odd"], "output_bias": "frequencies"}, ["arms.both.init", "output_bias"]),
        ({"arm": "odd", "ensemble_seeds": "own"}, ["arms.both.init", "goes with an ensemble"]),
    ],
)
def test_an_ensemble_averages_other_arms_and_nothing_else(
    init: dict[str, Any], words: list[str]
) -> None:
    values = changed("arms.both", {"init": init})
    values["arms"] |= {"pair": BOTH, "floor": {"init": {"baseline": "tfidf"}}}
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(values)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tuning": LORA}, ["arms.both", "tuning 'lora'"]),
        ({"objective": {"labels": 0.5}}, ["arms.both", "no objective"]),
        ({"training": {"best_metric": "loss"}}, ["arms.both.training", "not trained"]),
    ],
)
def test_an_ensemble_is_not_trained(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(changed("arms.both", {**BOTH, **settings}))
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


@pytest.mark.parametrize(
    ("arm", "key"),
    [
        ({"init": {"arm": "both"}}, "init.arm"),
        (
            {"init": {"arm": "odd"}, "objective": {"distillation": 1, "teacher": ["odd", "both"]}},
            "objective.teacher",
        ),
    ],
)
def test_nothing_starts_or_learns_from_an_ensemble(arm: dict[str, Any], key: str) -> None:
    values = changed("arms.both", BOTH)
    values["arms"]["late"] = arm
    with pytest.raises(RecipeError, match=rf"arms\.late\.{key}: 'both' is an ensemble"):
        parse_recipe(values)


@pytest.mark.parametrize("tuning", ["full", "none"])
@pytest.mark.parametrize("seeds", ["own", "all"])
def test_an_ensemble_is_written_out_and_read_again(tuning: str, seeds: str) -> None:
    values = changed("training", {"epochs": 7})
    init = {**BOTH["init"], "ensemble_seeds": seeds}
    values["arms"]["both"] = {"init": init, "tuning": {"method": tuning}}
    recipe = parse_recipe(values)
    assert recipe.arms["both"].init.ensemble == ("teacher", "odd")
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe


@pytest.mark.parametrize("override", ["epochs", "=3", "training..epochs=3", "name.first=x"])
def test_an_override_that_is_not_a_key_and_a_value_is_refused(override: str) -> None:
    with pytest.raises(RecipeError, match=r"key\.path=value|has no keys"):
        load_recipe("quickstart", dict([parse_setting(override)]))


def test_an_unknown_recipe_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'goemotions-minilm'"):
        load_recipe("goemotion-minilm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "not YAML"),
        (b"- a\n- b", "keys and values"),
        (b"name: \xff", "UTF-8"),
        (b"name: x\narms:\n  a: {}\n  a: {}", "the key 'a' occurs twice"),
        (b"? [a]\n: 1\n? [b]\n: 2", "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(file))


def test_a_new_head_learns_ten_times_as_fast_unless_it_is_told_otherwise() -> None:
    rate = {"learning_rate": 2e-4}
    arms: dict[str, Any] = {
        "full": {"init": {"backbone": "bundled"}},
        "own": {"init": {"backbone": "bundled"}, "training": {"head_learning_rate": 5e-3}},
        "same": {"init": {"backbone": "bundled"}, "training": {"head_learning_rate": None}},
        "student": {"init": {"arm": "full", "layers": "odd"}},
        "lora": {"init": {"backbone": "bundled"}, "tuning": {"method": "lora"}},
        "scratch": {"init": {"backbone": "bundled", "weights": "random"}},
    }
    recipe = parse_recipe({"name": "x", "training": rate, "arms": arms})
    assert {name: arm.head_learning_rate for name, arm in recipe.arms.items()} == {
        "full": 2e-3,
        "own": 5e-3,
        "same": None,
        "student": None,
        "lora": None,
        "scratch": None,
    }


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ({"teacher": [0, 9]}, "arms.teacher.seeds: [0, 9] must be some of the recipe's seeds"),
        ({"teacher": [0, 0]}, "each once"),
        ({"teacher": [0, 1]}, "arms.odd.seeds: [0, 1, 2] includes seeds that 'teacher'"),
        ({"teacher": []}, "arms.teacher.seeds"),
    ],
)
def test_seeds_of_an_arm_that_do_not_fit_are_refused(
    seeds: dict[str, list[int]], message: str
) -> None:
    arms: dict[str, Any] = {
        "teacher": {"init": {"backbone": "bundled"}},
        "odd": {"init": {"arm": "teacher", "layers": "odd"}},
    }
    for name, own in seeds.items():
        arms[name]["seeds"] = own
    with pytest.raises(RecipeError) as stop:
        parse_recipe({"name": "x", "seeds": [0, 1, 2], "arms": arms})
    assert message in str(stop.value)
