"""The options that say which data a command reads, and which settings change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from distillora.recipe import parse_setting

PLACES = "FILE|FOLDER|OWNER/NAME|hub|sample"
PLACES_HELP = (
    "a table (.csv, .tsv, .jsonl, .parquet), a folder with a file for each split, a data set of "
    "the Hub, 'hub' (GoEmotions), or 'sample' (the bundled one)."
)
_PANEL = "Data of your own"

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


def read_settings(
    override: Sequence[str] | None, config: str | None = None, revision: str | None = None
) -> dict[str, Any]:
    """Return what ``--set``, ``--config`` and ``--revision`` change, by key path.

    Raises:
        RecipeError: an override is not ``KEY=VALUE``.
    """
    settings = dict(map(parse_setting, override or ()))
    named = {"data.hub_config": config, "data.hub_revision": revision}
    return settings | {key: value for key, value in named.items() if value is not None}
