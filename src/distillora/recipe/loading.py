"""Reading a recipe: by name or from a file, with overrides, and with errors that help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import ValidationError

from distillora.errors import RecipeError, did_you_mean
from distillora.recipe.contrasts import Contrast
from distillora.recipe.data import Data
from distillora.recipe.objective import Objective
from distillora.recipe.schema import Arm, Recipe
from distillora.recipe.sections import (
    FullTuning,
    Init,
    LayerRule,
    LoraTuning,
    NoTuning,
    Section,
    TargetGroup,
    Training,
)


def bundled_recipes() -> dict[str, str]:
    """Map the name of each recipe that comes with the package to its YAML text."""
    folder = resources.files("distillora") / "recipes"
    return {
        entry.name.removesuffix(".yaml"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its bundled name or from a file, with ``key.path=value`` overrides.

    Raises:
        RecipeError: not found, not YAML, or refused; the message has the path of the key.
    """
    return parse_recipe(read_recipe(name_or_path, overrides), name_or_path)


def read_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe as ``load_recipe`` does, but leave it as keys and values, not validated.

    Raises:
        RecipeError: not found, or not YAML.
    """
    values = _parse_yaml(_read_recipe_text(name_or_path), name_or_path)
    for override in overrides:
        _apply_override(values, override)
    return values


def parse_recipe(values: Any, where: str = "recipe") -> Recipe:
    """Validate a parsed YAML document as a recipe.

    Raises:
        RecipeError: with one line for each thing that is wrong.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        lines = "\n".join(f"  {_describe(item)}" for item in error.errors())
        raise RecipeError(f"{where} is not a usable recipe:\n{lines}") from None


def _read_recipe_text(name_or_path: str) -> str:
    bundled = bundled_recipes()
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(
            f"'{name_or_path}' is neither a recipe of distillora nor a file."
            + did_you_mean(name_or_path, bundled)
        )
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 text: {error}") from None


def _parse_yaml(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{where} must hold keys and values, such as `name: my-run`")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise RecipeError(f"--set {override}: write it as key.path=value")
    node = values
    for depth, part in enumerate(parts[:-1]):
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise RecipeError(f"--set {override}: {'.'.join(parts[: depth + 1])} has no keys")
    node[parts[-1]] = _parse_scalar(text)


def _parse_scalar(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 reads 1e-3 as a string
        except ValueError:
            return value
    return value


def _describe(item: Any) -> str:
    parts = [str(part) for part in item["loc"]]
    # an arm may be called like a branch, so a branch only counts right after its union's key
    location = [
        part
        for before, part in zip(["", *parts], parts, strict=False)
        if part not in _BRANCHES.get(before, ())
    ]
    path = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key.{did_you_mean(location[-1], _known_keys(location[:-1]))}"
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return (f"{path}: " if path else "") + message + shown


# what pydantic adds to a location for a branch of a union, after the key that holds the union
_BRANCHES = {
    "tuning": {"full", "lora", "none"},
    "layers": {f"literal[{','.join(map(repr, get_args(LayerRule)))}]", "tuple[int, ...]"},
    "targets": {
        f"literal[{','.join(map(repr, get_args(TargetGroup)))}]",
        "tuple[str, ...]",
    },
}


def _known_keys(path: Sequence[str]) -> set[str]:
    """Return the valid keys of the section at ``path``."""
    sections: dict[str, type[Section] | tuple[type[Section], ...]] = {
        "data": Data,
        "training": Training,
        "init": Init,
        "tuning": (LoraTuning, FullTuning, NoTuning),
        "objective": Objective,
    }
    if not path:
        return set(Recipe.model_fields)
    if len(path) == 2 and path[0] == "arms":
        return set(Arm.model_fields)
    if len(path) == 2 and path[0] == "contrasts":
        return set(Contrast.model_fields)
    found = sections.get(path[-1], ())
    models = found if isinstance(found, tuple) else (found,)
    return {key for model in models for key in model.model_fields}


_STEPS = 600
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 12


def training_for_size(rows: int, method: Literal["full", "lora"] = "full") -> dict[str, Any]:
    """Return ``epochs``, ``batch_size`` and ``learning_rate`` for that many training texts.

    A new head on a pretrained encoder needs some hundred optimizer steps to leave its random
    start, however few texts there are. So:

    - ``batch_size`` is 8 below 1,000 texts, which doubles the steps of an epoch; 16 up to 50,000;
      then 32, since larger batches go through many texts faster and steps abound.
    - ``epochs`` makes about 600 steps: at least 3, at most 12, beyond which a small data set is
      learnt by heart. The epoch that is kept is chosen on validation, so one too many does no harm.
    - ``learning_rate`` is for the bundled encoder, with a new head at ten times as much (see
      ``Training``): 1e-4 up to 3,000 texts, the best on ``emotion-en`` (1,900 texts), and 2e-4
      from 30,000 on, the best on GoEmotions, in between on a straight line over the logarithm of
      the number of texts. LoRA on all linear modules trains fewer weights, which start from zero,
      and takes ten times as much.

    >>> training_for_size(500)
    {'epochs': 10, 'batch_size': 8, 'learning_rate': 0.0001}
    >>> training_for_size(40_000, "lora")
    {'epochs': 3, 'batch_size': 16, 'learning_rate': 0.002}
    """
    batch_size = 8 if rows < 1_000 else 16 if rows <= 50_000 else 32
    epochs = math.ceil(_STEPS / math.ceil(rows / batch_size))
    rate = 1e-4 if method == "full" else 1e-3
    # 0 up to 3,000 texts, 1 from 30,000 on
    place = min(max(math.log10(rows / 3_000), 0.0), 1.0)
    return {
        "epochs": min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS),
        "batch_size": batch_size,
        "learning_rate": float(f"{rate * 2**place:.2g}"),
    }


def suit_recipe(recipe: Recipe, rows: int, *, multi_label: bool) -> tuple[Recipe, tuple[str, ...]]:
    """Fill in what a recipe leaves open from what its data is like; what it says stays.

    This is for data in any format but GoEmotions' own, whose recipes have their own defaults. The
    learning rate is only chosen if every arm begins with the bundled encoder.

    Args:
        recipe: with the keys that were set known as such.
        rows: training texts.
        multi_label: whether a row has several labels.

    Returns:
        The recipe, and in words what was chosen.
    """
    if recipe.data.is_goemotions:
        return recipe, ()
    values = recipe.model_dump(mode="json", exclude_unset=True)
    notes: list[str] = []
    if "task" not in recipe.model_fields_set:
        values["task"] = "multi_label" if multi_label else "single_label"
        notes.append(
            f"{'Some rows have several labels' if multi_label else 'Each row has one label'}"
            f": task {values['task']}."
        )
    elif multi_label and not recipe.multi_label:
        notes.append("The task is single_label, so of a row's labels only the first counts.")
    chosen = _choose_training(recipe, rows)
    if chosen:
        values["training"] = {**values.get("training", {}), **chosen}
    rates = _choose_lora_rates(recipe, rows)
    for name, rate in rates.items():
        own = values["arms"][name].get("training", {})
        values["arms"][name]["training"] = {**own, "learning_rate": rate}
    if chosen or rates:
        notes.append(_describe_choice(rows, chosen, rates))
    return parse_recipe(values, recipe.name), tuple(notes)


def _choose_training(recipe: Recipe, rows: int) -> dict[str, Any]:
    wanted = training_for_size(rows)
    if not _begins_with_bundled(recipe):
        del wanted["learning_rate"]
    return {k: v for k, v in wanted.items() if k not in recipe.training.model_fields_set}


def _choose_lora_rates(recipe: Recipe, rows: int) -> dict[str, float]:
    """Return the learning rate of each LoRA arm that is given none, not by the recipe either."""
    if not _begins_with_bundled(recipe):
        return {}
    rate = training_for_size(rows, "lora")["learning_rate"]
    return {
        name: rate
        for name, arm in recipe.arms.items()
        if arm.tuning.method == "lora" and "learning_rate" not in arm.training.model_fields_set
    }


def _begins_with_bundled(recipe: Recipe) -> bool:
    return all(
        arm.init.arm or arm.init.ensemble or arm.init.backbone == "bundled"
        for arm in recipe.arms.values()
    )


def _describe_choice(rows: int, chosen: dict[str, Any], rates: dict[str, float]) -> str:
    parts = [f"{key} {value:g}" for key, value in chosen.items()]
    parts += [f"learning_rate {rate:g} for {name}" for name, rate in rates.items()]
    return (
        f"Chosen for {rows:,} training texts: {', '.join(parts)}. "
        "To choose yourself: --set training.epochs=5 and so on."
    )
