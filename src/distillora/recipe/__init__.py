"""Recipes: what an experiment is made of, as frozen and validated data."""

from distillora.recipe.loading import bundled_recipes, load_recipe, parse_recipe
from distillora.recipe.objective import LabelLoss, Objective
from distillora.recipe.schema import Arm, Recipe
from distillora.recipe.sections import (
    GOEMOTIONS_ID,
    Data,
    Init,
    Layers,
    LoraTuning,
    Section,
    Training,
)

__all__ = [
    "GOEMOTIONS_ID",
    "Arm",
    "Data",
    "Init",
    "LabelLoss",
    "Layers",
    "LoraTuning",
    "Objective",
    "Recipe",
    "Section",
    "Training",
    "bundled_recipes",
    "load_recipe",
    "parse_recipe",
]
