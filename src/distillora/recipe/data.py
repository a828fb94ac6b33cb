"""The section ``data`` of a recipe: where the texts come from and how they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distillora.recipe.sections import Count, Number, Settings

GOEMOTIONS_ID = "google-research-datasets/go_emotions"
GOEMOTIONS_CONFIG = "simplified"
GOEMOTIONS_REVISION = "add492243ff905527e67aeb8b80c082af02207c3"

Share = Annotated[Number, Field(gt=0, lt=1)]

# keys for data whose columns are found or named; in the other formats they are fixed
_OF_COLUMNS = ("text_column", "label_column", "label_separator")
_OF_SPLITTING = ("split_shares", "split_seed", "drop_incomplete")
_OF_FILES = ("validation_path", "test_path")


class Data(Settings):
    """Where the texts come from and how they are read.

    Attributes:
        source: ``hub``, ``folder`` (with ``path``: the format of the GoEmotions release),
            ``table`` (with ``path``: CSV, TSV, JSON Lines or Parquet with columns of any name) or
            ``sample`` (the bundled one), ``dataframe`` (rows given in Python, of which the run
            keeps the only copy).
        path: the folder; for ``table`` a file, or a folder with a file for each split.
        validation_path, test_path: ``table``: files of these splits, beside ``path`` for train.
        text_column, label_column: by default found by their names.
        label_separator: what separates the labels in a cell, such as ``|``.
        split_column: the column with the split of each row; by default ``split``, if there is one.
        split_shares: train, validation, test: how rows without a given split are divided.
        split_seed: of the draw that divides them.
        drop_incomplete: leave out rows without text or label instead of refusing them.
        hub_id, hub_config, hub_revision: the data set on the Hub and its pinned revision.
        taxonomy: ``goemotions`` (the labels as they are), ``ekman`` (7) or ``sentiment`` (4).
        max_length: tokens per text at most, special tokens included.
        drop_shared: leave out training texts that are also in validation or test.
        limit: rows per split at most, for a quick trial; the report says so.
    """

    source: Literal["hub", "folder", "table", "sample", "dataframe"] = "hub"
    path: Path | None = None
    validation_path: Path | None = None
    test_path: Path | None = None
    text_column: str | None = Field(default=None, min_length=1)
    label_column: str | None = Field(default=None, min_length=1)
    label_separator: str | None = Field(default=None, min_length=1)
    split_column: str | None = Field(default=None, min_length=1)
    split_shares: tuple[Share, Share, Share] = (0.8, 0.1, 0.1)
    split_seed: Count = Field(default=0, ge=0)
    drop_incomplete: bool = False
    hub_id: str = GOEMOTIONS_ID
    hub_config: str | None = GOEMOTIONS_CONFIG
    hub_revision: str | None = GOEMOTIONS_REVISION
    taxonomy: Literal["goemotions", "ekman", "sentiment"] = "goemotions"
    max_length: Count = Field(default=128, ge=4, le=128)
    drop_shared: bool = False
    limit: Count | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _configuration_is_of_its_data_set(cls, values: Any) -> Any:
        """Give another data set of the Hub no configuration and revision of GoEmotions."""
        if not isinstance(values, Mapping) or values.get("hub_id", GOEMOTIONS_ID) == GOEMOTIONS_ID:
            return values
        return {"hub_config": None, "hub_revision": None, **values}

    @model_validator(mode="after")
    def _path_fits_source(self) -> Self:
        if self.source == "folder" and self.path is None:
            raise ValueError("source 'folder' needs a path")
        if self.source not in ("folder", "table") and self.path is not None:
            raise ValueError(
                f"path is for source 'folder' or 'table', and source is '{self.source}'"
            )
        return self

    @model_validator(mode="after")
    def _keys_fit_source(self) -> Self:
        for keys, sources in (
            (_OF_FILES, ("table",)),
            (("split_column",), ("table", "dataframe")),
            (_OF_COLUMNS, ("table", "hub", "dataframe")),
            (_OF_SPLITTING, ("table", "hub", "dataframe")),
        ):
            for key in keys:
                changed = getattr(self, key) != type(self).model_fields[key].default
                if changed and self.source not in sources:
                    wanted = " or ".join(f"'{source}'" for source in sources)
                    raise ValueError(f"{key} is for source {wanted}, not for '{self.source}'")
        return self

    @model_validator(mode="after")
    def _columns_and_splits_fit_together(self) -> Self:
        named = {
            key: getattr(self, key)
            for key in ("text_column", "label_column", "split_column")
            if getattr(self, key) is not None
        }
        for key, column in named.items():
            other = next(k for k, c in named.items() if c == column)
            if other != key:
                raise ValueError(f"{other} and {key} are both '{column}'; name two columns")
        if self.split_column and (self.validation_path or self.test_path):
            raise ValueError(
                "split_column is for one file with all splits, and validation_path and test_path "
                "name a file for each; use one of the two ways"
            )
        if not math.isclose(sum(self.split_shares), 1.0, abs_tol=1e-6):
            raise ValueError(
                f"split_shares must add up to 1, and they add up to {sum(self.split_shares):g}"
            )
        return self

    @property
    def is_goemotions(self) -> bool:
        """Whether it is read in GoEmotions' own format: from its folder, the Hub or the sample."""
        return self.source in ("folder", "sample") or (
            self.source == "hub" and self.hub_id == GOEMOTIONS_ID
        )

    def moved(self, place: str) -> Self:
        """Return the same data read from another place: ``hub``, ``sample``, a folder or a file.

        A table stays one, with its columns and settings.
        """
        if self.source == "table" and place not in ("hub", "sample"):
            return self.model_validate(self.model_dump() | {"path": place})
        source = place if place in ("hub", "sample") else "folder"
        path = place if source == "folder" else None
        return self.model_validate(self.model_dump() | {"source": source, "path": path})
