"""An arm with a grid, and the arms that it stands for."""

from __future__ import annotations

from typing import Any

import pytest

from distillora.errors import RecipeError
from distillora.recipe import Recipe, parse_recipe

TEACHER: dict[str, Any] = {"init": {"backbone": "bundled"}}


def parse(arm: dict[str, Any], name: str = "try") -> Recipe:
    return parse_recipe({"name": "mine", "arms": {"teacher": TEACHER, name: arm}})


def test_a_grid_makes_an_arm_of_every_combination() -> None:
    student = {
        "init": {"arm": "teacher", "layers": "even"},
        "objective": {"labels": 0.5, "distillation": 0.5},
        "grid": {"objective.temperature": [1.0, 2.5], "init.layers": ["odd", [0, 5]]},
    }
    arms = parse(student).arms
    assert list(arms) == ["teacher", "try-1-odd", "try-1-0.5", "try-2.5-odd", "try-2.5-0.5"]
    chosen = {name: (arm.objective.temperature, arm.init.layers) for name, arm in arms.items()}
    assert chosen["try-1-odd"] == (1.0, "odd")
    assert chosen["try-2.5-0.5"] == (2.5, (0, 5))
    assert all(arm.objective.labels == 0.5 for name, arm in arms.items() if name != "teacher")


def test_a_grid_reaches_keys_that_the_arm_does_not_name_and_the_inherited_ones() -> None:
    recipe = parse_recipe(
        {
            "name": "mine",
            "training": {"epochs": 7},
            "arms": {"lr": {**TEACHER, "grid": {"training.learning_rate": [1e-3, 2e-3]}}},
        }
    )
    assert list(recipe.arms) == ["lr-0.001", "lr-0.002"]
    assert [a.training.learning_rate for a in recipe.arms.values()] == [1e-3, 2e-3]
    assert {a.training.epochs for a in recipe.arms.values()} == {7}


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({}, ["arms.try.grid", "list of values"]),
        ([1], ["arms.try.grid", "list of values"]),
        ({"training.epochs": 3}, ["arms.try.grid.training.epochs", "list"]),
        ({"training.epochs": []}, ["arms.try.grid.training.epochs", "list"]),
        ({"training.epoch": [1, 2]}, ["arms.try-1.training.epoch", "'epochs'"]),
        ({"init.layers.x": [1]}, ["arms.try.grid.init.layers.x", "no keys"]),
    ],
)
def test_a_grid_that_cannot_be_is_refused_with_its_path(grid: Any, words: list[str]) -> None:
    with pytest.raises(RecipeError) as error:
        parse({"init": {"backbone": "bundled", "layers": "odd"}, "grid": grid})
    assert all(word in str(error.value) for word in words)


def test_a_grid_may_not_make_an_arm_that_is_there() -> None:
    arms = {"try-3": TEACHER, "try": {**TEACHER, "grid": {"training.epochs": [3]}}}
    with pytest.raises(RecipeError, match="an arm 'try-3' already"):
        parse_recipe({"name": "mine", "arms": arms})
