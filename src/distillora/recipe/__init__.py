"""Recipes: what an experiment is made of, as frozen and validated data."""

from distillora.recipe.contrasts import Contrast
from distillora.recipe.data import GOEMOTIONS_CONFIG, GOEMOTIONS_ID, Data
from distillora.recipe.loading import (
    bundled_recipes,
    load_recipe,
    parse_recipe,
    read_recipe,
    suit_recipe,
)
from distillora.recipe.objective import LabelLoss, Objective
from distillora.recipe.schema import Arm, Recipe
from distillora.recipe.sections import (
    Init,
    Layers,
    LoraTuning,
    Section,
    Training,
    flatten,
)

__all__ = [
    "GOEMOTIONS_CONFIG",
    "GOEMOTIONS_ID",
    "Arm",
    "Contrast",
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
    "flatten",
    "load_recipe",
    "parse_recipe",
    "read_recipe",
    "suit_recipe",
]
