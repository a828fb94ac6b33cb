"""The options that say which data a command reads, and the recipe that they lead to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

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

    Raises:
        InputError: no such recipe or data, or settings that contradict each other.
    """
    from distillora.data.places import locate

    given = {key: value for key, value in keys.items() if value is not None}
    own = recipe is None and _is_own(place, given)
    name = recipe or (_OWN if own else _GOEMOTIONS)
    values = read_recipe(name, overrides)
    data = values.get("data") or {}
    if isinstance(data, Mapping):
        data = {**data, **given}
        # again on top: another data set drops the recipe's configuration and revision, not these
        values["data"] = data if place is None else {**locate(place, data), **given}
    if own and place is not None:
        values["name"] = _run_name(place)
    if seeds is not None:
        values["seeds"] = list(range(seeds))
    if task is not None:
        values["task"] = task
    return parse_recipe(values, name)


def _is_own(place: str | None, given: Mapping[str, str]) -> bool:
    """Whether the data is in any format but GoEmotions' own."""
    from distillora.data.places import locate

    if place is None:
        return False
    found = locate(place, given)
    return found["source"] == "table" or "hub_id" in found


def _run_name(place: str) -> str:
    """Return the data's name as that of a run.

    >>> _run_name("data/My tickets.csv"), _run_name("owner/name")
    ('My-tickets', 'name')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(place).stem).strip("-._") or _OWN
