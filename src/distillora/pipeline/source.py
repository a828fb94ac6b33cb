"""The data of a run: read from its source, or from the run's own copy where the source is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from distillora.artifacts import RunLayout
from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
from distillora.data.stored import is_stored, read_stored
from distillora.errors import OfflineError, RecipeError
from distillora.pipeline.context import read_data, read_extra_texts, settle_recipe
from distillora.recipe import Data, Recipe, load_recipe

if TYPE_CHECKING:
    from pandas import DataFrame


class Source(NamedTuple):
    """The data of a run and its recipe, settled to suit it.

    Attributes:
        recipe: with what it left open chosen.
        chosen: what was chosen, in words.
        found: the data as it was found; None if it was read from the run.
        dataset: the data as it is used.
        extra: the texts without labels, by the path of their file.
    """

    recipe: Recipe
    chosen: tuple[str, ...]
    found: Dataset | None
    dataset: Dataset
    extra: Mapping[Path, ExtraText]


def read_source(
    recipe: Recipe,
    layout: RunLayout,
    warn: Callable[[str], None],
    frame: DataFrame | None = None,
) -> Source:
    """Read the data of a recipe; what is gone, from the run, if the run read it from there.

    Args:
        recipe: what to make.
        layout: of the run, which need not exist.
        warn: what to do with a line about a copy that is used.
        frame: the rows, where the recipe's source is ``dataframe``; without it the run's copy.

    Raises:
        DataError, InputError: the data cannot be used.
        OfflineError: the Hub cannot be reached, and the run has no copy.
    """
    found, dataset, stored = _read_dataset(recipe, layout, warn, frame)
    settled, chosen = settle_recipe(recipe, dataset)
    extra = read_extra_texts(settled, dataset, stored)
    return Source(settled, chosen, found, dataset, extra)


def _read_dataset(
    recipe: Recipe, layout: RunLayout, warn: Callable[[str], None], frame: DataFrame | None
) -> tuple[Dataset | None, Dataset, Mapping[Path, ExtraText]]:
    """Return the data as found (None: from the run) and as used, and copies of extra texts."""
    has_copy = _has_copy(recipe, layout)
    if has_copy and recipe.data.source == "dataframe" and frame is None:
        return None, *read_stored(layout.data)
    if has_copy and (gone := _find_gone(_paths_of(recipe.data))):
        warn(_use_copy(f"{gone} no longer exists.", layout))
        return None, *read_stored(layout.data)
    try:
        found, dataset = read_data(recipe, frame)
    except OfflineError as error:
        if not has_copy:
            raise
        warn(_use_copy(str(error), layout))
        return None, *read_stored(layout.data)
    gone = _find_gone(arm.objective.extra_text for arm in recipe.arms.values())
    if not has_copy or not gone:
        return found, dataset, {}
    before, extra = read_stored(layout.data)
    # beside other rows the copy could hold texts that are tested on now
    if before != dataset or gone not in extra:
        return found, dataset, {}
    warn(_use_copy(f"{gone} no longer exists.", layout))
    return found, dataset, extra


def _use_copy(reason: str, layout: RunLayout) -> str:
    return f"{reason} The run continues with its own copy of the data, in {layout.data}."


def _has_copy(recipe: Recipe, layout: RunLayout) -> bool:
    """Whether the run holds the data that this recipe reads, by the recipe's settings."""
    if not is_stored(layout.data) or not layout.recipe.is_file():
        return False
    try:
        return load_recipe(str(layout.recipe)).data == recipe.data
    except RecipeError:  # of another version
        return False


def _paths_of(data: Data) -> tuple[Path | None, ...]:
    return data.path, data.validation_path, data.test_path


def _find_gone(paths: Iterable[Path | None]) -> Path | None:
    """Return the first path at which there is nothing."""
    return next((path for path in paths if path is not None and not path.exists()), None)
