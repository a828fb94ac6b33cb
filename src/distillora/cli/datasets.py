"""The options for a command's data and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from distillora.recipe import parse_setting

PLACES = "FILE|FOLDER|OWNER/NAME|hub|sample"
PLACES_HELP = (
    "a table (.csv, .tsv, .jsonl, .parquet), a folder with one file per split, a data set on "
    "the Hub, 'hub' (GoEmotions) or 'sample' (the bundled sample)."
)
_PANEL = "Your own data"

PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar=PLACES,
        help=f"Use this data instead of the recipe's: {PLACES_HELP}",
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the texts. By default found by its name.", rich_help_panel=_PANEL
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the labels. By default found by its name.", rich_help_panel=_PANEL
    ),
]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Separator of several labels in one cell, such as |.",
        rich_help_panel=_PANEL,
    ),
]
SplitColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the split: train, validation or test. By default 'split' if there is "
        "one; otherwise the splits are drawn.",
        rich_help_panel=_PANEL,
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="single_label|multi_label",
        help="One label per text, or several. By default the recipe's, or detected.",
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
    """Return the changes of ``--set``, ``--config`` and ``--revision``, by key path.

    Raises:
        RecipeError: an override is not ``KEY=VALUE``.
    """
    settings = dict(map(parse_setting, override or ()))
    named = {"data.hub_config": config, "data.hub_revision": revision}
    return settings | {key: value for key, value in named.items() if value is not None}
