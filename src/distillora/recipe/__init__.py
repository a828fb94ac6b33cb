"""Recipes: the settings of an experiment, as frozen and validated data."""

from distillora.recipe.contrasts import Contrast
from distillora.recipe.data import GOEMOTIONS_CONFIG, GOEMOTIONS_ID, Data
from distillora.recipe.loading import (
    bundled_recipes,
    change_settings,
    load_recipe,
    parse_recipe,
    parse_setting,
    read_recipe,
)
from distillora.recipe.objective import LabelLoss, Objective
from distillora.recipe.published import Published, PublishedArm
from distillora.recipe.removed import drop_flat_defaults
from distillora.recipe.schema import Arm, Recipe
from distillora.recipe.sections import (
    Init,
    Layers,
    LoraTuning,
    Settings,
    Training,
    flatten,
)
from distillora.recipe.suiting import suit_recipe

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
    "Published",
    "PublishedArm",
    "Recipe",
    "Settings",
    "Training",
    "bundled_recipes",
    "change_settings",
    "drop_flat_defaults",
    "flatten",
    "load_recipe",
    "parse_recipe",
    "parse_setting",
    "read_recipe",
    "suit_recipe",
]
