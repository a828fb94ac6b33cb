"""The questions that a recipe names: which are refused, and with what help."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from distillora.errors import RecipeError
from distillora.recipe import bundled_recipes, load_recipe, parse_recipe

RECIPE: dict[str, Any] = {
    "name": "mine",
    "data": {"source": "sample"},
    "arms": {
        "teacher": {"init": {"backbone": "bundled"}},
        "odd": {"init": {"arm": "teacher", "layers": "odd"}, "objective": {"distillation": 1.0}},
    },
}
ASKED = {"question": "Is it as good?", "first": "odd", "second": "teacher"}


def asking(*contrasts: dict[str, str]) -> dict[str, Any]:
    return deepcopy(RECIPE) | {"contrasts": list(contrasts)}


@pytest.mark.parametrize(
    ("contrasts", "words"),
    [
        ([ASKED | {"first": "tecaher"}], ["contrasts.0.first", "'teacher'?"]),
        ([ASKED | {"second": "tutor"}], ["contrasts.0.second", "'tutor'"]),
        ([ASKED, ASKED | {"second": "odd"}], ["contrasts.1", "'odd'", "itself"]),
        ([ASKED, ASKED], ["contrasts.1", "twice"]),
        ([ASKED, ASKED | {"first": "teacher", "second": "odd"}], ["contrasts.1", "twice"]),
        ([ASKED | {"frist": "odd"}], ["contrasts.0.frist: unknown key", "'first'?"]),
        ([ASKED | {"metric": "f1"}], ["contrasts.0.metric", "'f1_macro'"]),
        ([ASKED | {"question": ""}], ["contrasts.0.question"]),
        ([{"first": "odd", "second": "teacher"}], ["contrasts.0.question"]),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_path_of_the_key(
    contrasts: list[dict[str, str]], words: list[str]
) -> None:
    with pytest.raises(RecipeError) as refusal:
        parse_recipe(asking(*contrasts))
    for word in words:
        assert word in str(refusal.value)


def test_contrasts_name_arms_of_a_grid_and_are_written_out_and_read_again() -> None:
    values = asking(ASKED | {"first": "odd-2", "metric": "accuracy"})
    values["arms"]["odd"]["grid"] = {"objective.temperature": [1, 2]}
    recipe = parse_recipe(values)
    (found,) = recipe.contrasts
    assert (found.first, found.second, found.metric) == ("odd-2", "teacher", "accuracy")
    assert parse_recipe(yaml.safe_load(recipe.dump())) == recipe
    with pytest.raises(RecipeError, match=r"contrasts\.0\.first.*name one of them: odd-1, odd-2"):
        parse_recipe(values | {"contrasts": [ASKED]})


def test_two_metrics_of_two_arms_are_two_questions() -> None:
    recipe = parse_recipe(asking(ASKED, ASKED | {"metric": "f1_macro"}))
    assert [contrast.metric for contrast in recipe.contrasts] == ["auto", "f1_macro"]


@pytest.mark.parametrize("name", sorted(bundled_recipes()))
def test_every_recipe_of_the_package_asks_a_few_questions(name: str) -> None:
    contrasts = load_recipe(name).contrasts
    assert 1 <= len(contrasts) <= 6
    assert all(contrast.question.endswith("?") for contrast in contrasts)


def averaging(**init: Any) -> dict[str, Any]:
    values = asking(ASKED | {"first": "both"})
    values["arms"]["both"] = {"init": {"ensemble": ["teacher", "odd"], **init}}
    return values | {"seeds": [0, 1, 2]}


@pytest.mark.parametrize("key", ["first", "second"])
def test_an_ensemble_of_all_seeds_has_one_score_and_is_refused_with_the_remedy(key: str) -> None:
    values = averaging()
    values["contrasts"] = [ASKED | {key: "both"}]
    with pytest.raises(RecipeError, match=rf"contrasts\.0\.{key}: 'both'.*one score") as refusal:
        parse_recipe(values)
    assert "set arms.both.init.ensemble_seeds to own" in str(refusal.value)
    assert parse_recipe(averaging(ensemble_seeds="own")).contrasts[0].first == "both"


def test_where_the_remedy_would_be_refused_another_one_is_named() -> None:
    with pytest.raises(RecipeError, match="leave the contrast out"):
        parse_recipe(averaging(ensemble=["teacher"]))


def test_a_contrast_with_an_arm_of_one_seed_may_be_asked() -> None:
    values = asking(ASKED) | {"seeds": [0, 1, 2]}
    values["arms"]["teacher"]["seeds"] = [0]
    assert parse_recipe(values).contrasts[0].second == "teacher"
