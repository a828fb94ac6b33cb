"""Choose the recipe for a source, and apply the caller's settings to it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from distillora.data.sources import PLACE_KEYS, locate, recall
from distillora.errors import InputError, RecipeError
from distillora.readers.columnar import is_dataframe
from distillora.recipe import (
    Recipe,
    bundled_recipes,
    change_settings,
    parse_recipe,
    read_recipe,
)

if TYPE_CHECKING:
    from pandas import DataFrame

_OWN, _GOEMOTIONS = "your-data", "goemotions-minilm"

RecipeLike: TypeAlias = "str | Path | Mapping[str, Any] | Recipe"
Place: TypeAlias = "str | Path | DataFrame"
_Find = Callable[[Place, Mapping[str, Any]], dict[str, Any]]


def choose_recipe(
    source: Place | RecipeLike | None,
    recipe: RecipeLike | None = None,
    *,
    text: str | None = None,
    label: str | None = None,
    label_separator: str | None = None,
    split: str | None = None,
    task: str | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    resume: bool = False,
) -> Recipe:
    """Read a recipe, and apply the given data and settings to it.

    Args:
        source: data, or a recipe; see ``distillora.compare``.
        recipe: by default ``your-data``, named after the data, for the user's own data, and
            ``goemotions-minilm`` otherwise.
        text, label, label_separator, split: describe the data; see ``distillora.compare``.
        task: overrides the recipe's.
        seeds: their number, counted from 0, or a list.
        out: the run's folder; by default ``runs/`` and the recipe's name.
        settings: key path -> value.
        resume: if the data is gone, use the copy in the run's folder.

    Raises:
        InputError: no such recipe or data, or contradictory settings.
    """
    place, named = _tell_apart(source, recipe)
    columns = {"text_column": text, "label_column": label, "split_column": split}
    given = {**columns, "label_separator": label_separator}
    given = {key: value for key, value in given.items() if value is not None}
    given |= _data_settings(settings)
    find = _finder(named, settings, out, resume=resume)
    own = named is None and place is not None and _is_own(find(place, given))
    default = _OWN if own else _GOEMOTIONS
    values = _read(default if named is None else named, settings)
    data = values.get("data") or {}
    if isinstance(data, Mapping):
        data = {**data, **given}
        # given settings go last: another data set resets the recipe's configuration and revision
        values["data"] = data if place is None else {**find(place, data), **given}
    if own and place is not None:
        values["name"] = _run_name(place)
    if seeds is not None:
        values["seeds"] = _list_seeds(seeds)
    if task is not None:
        values["task"] = task
    return parse_recipe(values, named if isinstance(named, str) else "the recipe")


def run_folder(out: str | Path | None, name: str) -> Path:
    """Return the folder of a run: the given one, or ``runs/`` and the recipe's name."""
    return Path("runs") / name if out is None else Path(out).expanduser()


def _tell_apart(
    source: Place | RecipeLike | None, recipe: RecipeLike | None
) -> tuple[Place | None, RecipeLike | None]:
    """Return the data, if any is given, and the recipe, if any is named."""
    if isinstance(recipe, Path):
        recipe = str(recipe)
    if source is None or is_dataframe(source):
        return source, recipe
    if isinstance(source, Mapping | Recipe):
        if recipe is not None:
            raise InputError("There are two recipes. Give the data first, and one `recipe`.")
        return None, source
    if not isinstance(source, str | Path):
        raise InputError(
            f"`data` cannot be of type {type(source).__name__}. Give a file, a folder, the "
            "owner/name of a data set on the Hub, a pandas DataFrame, or a recipe."
        )
    if recipe is None and _is_recipe(str(source)):
        return None, str(source)
    return source, recipe


def _is_recipe(source: str) -> bool:
    is_yaml = Path(source).suffix.lower() in (".yaml", ".yml")
    return is_yaml or (source in bundled_recipes() and not Path(source).exists())


def _read(recipe: RecipeLike, settings: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(recipe, Recipe):
        # unset settings must stay unset, because their defaults depend on the data
        return change_settings(recipe.model_dump(mode="json", exclude_unset=True), settings)
    if isinstance(recipe, Mapping):
        return change_settings(recipe, settings)
    return read_recipe(str(recipe), settings)


def _data_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for reading the data, but not its location, by their last key."""
    found = {
        path.removeprefix("data."): value
        for path, value in settings.items()
        if path.startswith("data.")
    }
    return {key: value for key, value in found.items() if key not in (*PLACE_KEYS, "hub_id")}


def _list_seeds(seeds: int | Sequence[int]) -> list[int]:
    if _is_whole(seeds):
        if seeds < 1:
            raise InputError(f"`seeds` must be 1 or more, not {seeds}.")
        return list(range(seeds))
    if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes | Mapping):
        listed = list(seeds)
        if all(map(_is_whole, listed)):
            return [int(seed) for seed in listed]
    raise InputError(f"`seeds` must be a whole number or a list of them, not {seeds!r}.")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _locate(place: Place, settings: Mapping[str, Any]) -> dict[str, Any]:
    return locate(place if isinstance(place, str) or is_dataframe(place) else str(place), settings)


def _finder(
    recipe: RecipeLike | None,
    settings: Mapping[str, Any],
    out: str | Path | None,
    *,
    resume: bool,
) -> _Find:
    """Return a function like ``locate``; with ``resume``, it finds the copy in a run's folder."""

    def find(place: Place, data: Mapping[str, Any]) -> dict[str, Any]:
        names = [_run_name(place), _GOEMOTIONS]
        if recipe is not None:
            names = [str(_read(recipe, settings).get("name"))]
        for name in names if resume and not is_dataframe(place) else []:
            if found := recall(str(place), run_folder(out, name)):
                return {**data, **found}
        if recipe is None and not is_dataframe(place):
            _refuse_misspelt_recipe(str(place))
        return _locate(place, data)

    return find


def _refuse_misspelt_recipe(source: str) -> None:
    """Refuse a word that is not the name of data, but nearly that of a recipe.

    Raises:
        RecipeError: with the recipe's name.
    """
    if source in ("hub", "sample") or Path(source).name != source or Path(source).suffix:
        return
    near = difflib.get_close_matches(source, bundled_recipes(), n=1, cutoff=0.75)
    if near and not Path(source).exists():
        raise RecipeError(f"{source} does not exist. Did you mean the recipe '{near[0]}'?")


def _is_own(data: Mapping[str, Any]) -> bool:
    """Whether data is the user's own, rather than in GoEmotions' format."""
    return data["source"] in ("table", "dataframe") or "hub_id" in data


def _run_name(place: Place) -> str:
    """Return a name for a run, from that of its data.

    >>> _run_name("data/My tickets.csv"), _run_name("owner/name")
    ('My-tickets', 'name')
    """
    if is_dataframe(place):
        return "dataframe"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(str(place)).stem).strip("-._") or _OWN
