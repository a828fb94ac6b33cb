"""Reading a recipe by its name or from a file, with single settings changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from distillora.errors import RecipeError, did_you_mean
from distillora.recipe.contrasts import Contrast
from distillora.recipe.data import Data
from distillora.recipe.objective import Objective
from distillora.recipe.published import Published, PublishedArm
from distillora.recipe.removed import explain_removal
from distillora.recipe.schema import Arm, Recipe
from distillora.recipe.sections import (
    FullTuning,
    Init,
    LayerRule,
    LoraTuning,
    NoTuning,
    Settings,
    TargetGroup,
    Training,
)

# the recipes in the folder experiments/ of a checkout
_EXPERIMENTS = (
    *("ablation-distillation", "ablation-layers", "ablation-learning-rate", "ablation-lora"),
    *("ablation-loss", "defaults-emotion-en", "evidence", "evidence-multi"),
    "twelve-to-six-rates",
)


def bundled_recipes() -> dict[str, str]:
    """Map the name of each recipe that comes with the package to its YAML text."""
    folder = resources.files("distillora") / "recipes"
    return {
        entry.name.removesuffix(".yaml"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def load_recipe(name_or_path: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Recipe:
    """Read a recipe by its bundled name or from a file, with single settings changed.

    Args:
        name_or_path: ``quickstart``, ``my-recipe.yaml``.
        settings: key path -> value, such as ``{"arms.lora.tuning.rank": 16}``.

    Raises:
        RecipeError: not found, not YAML, or refused; the message has the path of the key.
    """
    return parse_recipe(read_recipe(name_or_path, settings), name_or_path)


def read_recipe(
    name_or_path: str, settings: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Read a recipe as ``load_recipe`` does, but leave it as keys and values, not validated.

    Raises:
        RecipeError: not found, or not YAML.
    """
    return change_settings(_parse_yaml(_read_recipe_text(name_or_path), name_or_path), settings)


def change_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a recipe with some changed, each given by the path of its key.

    Raises:
        RecipeError: a path goes through a value that has no keys.
    """
    changed = deepcopy(dict(values))
    for path, value in settings.items():
        parts = path.split(".")
        node = changed
        for depth, part in enumerate(parts[:-1]):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise RecipeError(f"{path}: {'.'.join(parts[: depth + 1])} has no keys")
        node[parts[-1]] = value
    return changed


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``key.path=value``; the value is YAML, and numbers such as 1e-3 are numbers.

    >>> parse_setting("training.learning_rate=1e-3")
    ('training.learning_rate', 0.001)

    Raises:
        RecipeError: it is not of this form.
    """
    key, sign, value = text.partition("=")
    if not sign or not all(key.strip().split(".")):
        raise RecipeError(f"{text}: write a setting as key.path=value")
    return key.strip(), _parse_scalar(value)


def parse_recipe(values: Any, where: str = "recipe") -> Recipe:
    """Validate a parsed YAML document as a recipe.

    Raises:
        RecipeError: with one line for each mistake.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        # each branch of a union may refuse a removed value, in the same words
        described = dict.fromkeys(_describe(item) for item in error.errors())
        lines = "\n".join(f"  {line}" for line in described)
        raise RecipeError(f"{where} is not a usable recipe:\n{lines}") from None


def _read_recipe_text(name_or_path: str) -> str:
    bundled = bundled_recipes()
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if name_or_path in _EXPERIMENTS and not path.exists():
        raise RecipeError(
            f"'{name_or_path}' is a recipe of an experiment, which is not in the package. From a "
            f"checkout of distillora, give experiments/{name_or_path}.yaml"
        )
    if not path.is_file():
        raise RecipeError(
            f"'{name_or_path}' is neither a recipe of distillora nor a file."
            + did_you_mean(name_or_path, bundled)
        )
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 text: {error}") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that occurs twice, of which YAML would drop the first one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' occurs twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{where} must hold keys and values, such as `name: my-run`")
    return values


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
        removed = explain_removal(location, given=None)
        hint = removed or did_you_mean(location[-1], _known_keys(location[:-1]))
        return f"{path}: unknown key.{hint}"
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    if removed := explain_removal(location, given):
        return f"{path}: {given!r} cannot be used.{removed}"
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
    sections: dict[str, type[Settings] | tuple[type[Settings], ...]] = {
        "data": Data,
        "training": Training,
        "init": Init,
        "tuning": (LoraTuning, FullTuning, NoTuning),
        "objective": Objective,
        "published": Published,
    }
    if not path:
        return set(Recipe.model_fields)
    if len(path) == 2 and path[0] == "arms":
        return set(Arm.model_fields)
    if len(path) == 2 and path[0] == "contrasts":
        return set(Contrast.model_fields)
    if path[:2] == ["published", "arms"]:
        return set(PublishedArm.model_fields)
    found = sections.get(path[-1], ())
    models = found if isinstance(found, tuple) else (found,)
    return {key for model in models for key in model.model_fields}
