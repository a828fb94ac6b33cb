"""The options that say which data a command reads, and the recipe that they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from distillora.recipe import Recipe, parse_recipe, read_recipe

PLACES = "FILE|FOLDER|OWNER/NAME|hub|sample"
PLACES_HELP = (
    "a table (.csv, .tsv, .jsonl, .parquet), a folder with a file for each split, a data set of "
    "the Hub, 'hub' (GoEmotions), or 'sample' (the bundled one)."
)
_PANEL = "Data of your own"
_OWN, _GOEMOTIONS = "your-data", "goemotions-minilm"

PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar=PLACES,
        help=f"Read the data from here instead of where the recipe says: {PLACES_HELP}",
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Which column holds the texts, if its name does not tell.", rich_help_panel=_PANEL
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        help="Which column holds the labels, if its name does not tell.", rich_help_panel=_PANEL
    ),
]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What stands between several labels, such as |.",
        rich_help_panel=_PANEL,
    ),
]
SplitColumn = Annotated[
    str | None,
    typer.Option(
        help="Which column tells train, validation and test; without it the rows are divided.",
        rich_help_panel=_PANEL,
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="single_label|multi_label",
        help="By default what the data is.",
        rich_help_panel=_PANEL,
    ),
]
ConfigOption = Annotated[
    str | None, typer.Option(help="Configuration of a Hub data set.", rich_help_panel=_PANEL)
]
RevisionOption = Annotated[
    str | None,
    typer.Option(help="Commit, tag or branch of a Hub data set.", rich_help_panel=_PANEL),
]


def choose_recipe(
    recipe: str | None,
    place: str | None,
    keys: Mapping[str, str | None],
    overrides: Sequence[str],
    *,
    seeds: int | None = None,
    task: str | None = None,
    out: Path | None = None,
    resume: bool = False,
) -> Recipe:
    """Read the recipe and lay the options of the command line over it.

    Args:
        recipe: its name or file; by default ``your-data``, named after the data, where the data
            is the user's own, and ``goemotions-minilm`` elsewhere.
        place: where the data is, if not where the recipe says.
        keys: keys of the recipe's ``data``; those that are None stay as they are.
        overrides: ``key.path=value``.
        seeds: how many, counted from 0.
        task: instead of the recipe's.
        out: the run's folder, if not the one that is called like the recipe.
        resume: whether a place that is gone may be one of which that run holds a copy.

    Raises:
        InputError: no such recipe or data, or settings that contradict each other.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    find = _finder(recipe, overrides, out) if resume else _locate
    own = recipe is None and place is not None and _is_own(find(place, given))
    name = recipe or (_OWN if own else _GOEMOTIONS)
    values = read_recipe(name, overrides)
    data = values.get("data") or {}
    if isinstance(data, Mapping):
        data = {**data, **given}
        # again on top: another data set drops the recipe's configuration and revision, not these
        values["data"] = data if place is None else {**find(place, data), **given}
    if own and place is not None:
        values["name"] = _run_name(place)
    if seeds is not None:
        values["seeds"] = list(range(seeds))
    if task is not None:
        values["task"] = task
    return parse_recipe(values, name)


def run_folder(out: Path | None, name: str) -> Path:
    """Return the folder of a run: the one that is given, or the default of a recipe's name."""
    return out or Path("runs") / name


_Find = Callable[[str, Mapping[str, Any]], dict[str, Any]]


def _locate(place: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    from distillora.data.sources import locate

    return locate(place, settings)


def _finder(recipe: str | None, overrides: Sequence[str], out: Path | None) -> _Find:
    """Return what finds a place as ``locate`` does, or else by the run that read its data there."""
    from distillora.data.sources import recall

    def find(place: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = [_run_name(place), _GOEMOTIONS]
        if recipe is not None:
            names = [str(read_recipe(recipe, overrides).get("name"))]
        for name in names:
            if found := recall(place, run_folder(out, name)):
                return {**settings, **found}
        return _locate(place, settings)

    return find


def _is_own(data: Mapping[str, Any]) -> bool:
    """Whether data is in any format but GoEmotions' own."""
    return data["source"] == "table" or "hub_id" in data


def _run_name(place: str) -> str:
    """Return the data's name as that of a run.

    >>> _run_name("data/My tickets.csv"), _run_name("owner/name")
    ('My-tickets', 'name')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(place).stem).strip("-._") or _OWN
