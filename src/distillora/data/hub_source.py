"""A data set from the Hugging Face Hub, at a pinned revision or the newest."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillora.artifacts import explain_full_disk
from distillora.data.dataset import SPLIT_NAMES, Dataset
from distillora.data.goemotions import FOLDER_FORMAT, fits_columns, read_numbered, select_columns
from distillora.data.labels import class_names_of
from distillora.data.splits import split_called
from distillora.data.tabular import read_tables
from distillora.errors import DataError, OfflineError
from distillora.network import connection_errors, reach_hub
from distillora.readers.columnar import ArrowTableSource
from distillora.recipe import Data

_GOEMOTIONS_WAYS = (
    f"There are two ways to do without the Hub: give with `data` a folder with {FOLDER_FORMAT}; "
    "or use `data.source: sample`, the small data set inside the package, as the recipe "
    "quickstart does."
)
_OTHER_WAYS = "Without the Hub, give a file or folder of your own with `data`."


def read_hub(data: Data) -> Dataset:
    """Download the data set, or take it from the cache of ``datasets`` if the revision is there.

    Raises:
        OfflineError: the Hub cannot be reached and the revision is not in the cache.
        DataError: the Hub has no such data set, configuration or revision, access is refused, or
            there are no columns of texts and labels.
        StorageError: no space left for the download.
    """
    dataset, commit = _download(data)
    where = f"{_name(data)} at {commit}"
    tables = _tables_of_splits(dataset, where)
    if not _has_fixed_columns(data, tables):
        unused = [name for name in dataset if split_called(name) is None]
        notes = [f"Splits that were not used: {', '.join(unused)}."] if unused else []
        return read_tables(tables, data, where, notes)
    names = class_names_of(tables["train"].schema(), "labels", where)
    if names is None:
        raise DataError(f"{where} does not name its labels. {_ways(data)}")
    missing = [split for split in SPLIT_NAMES if split not in tables]
    if missing:
        raise DataError(f"{where} has no {missing[0]} split; it has {', '.join(dataset)}.")
    splits = {split: [select_columns(tables[split])] for split in SPLIT_NAMES}
    return read_numbered(splits, names, where)


def _name(data: Data) -> str:
    return data.hub_id + (f" ({data.hub_config})" if data.hub_config else "")


def _tables_of_splits(dataset: Mapping[str, Any], where: str) -> dict[str, ArrowTableSource]:
    """Return the tables of train, validation and test, whatever they are called."""
    tables: dict[str, ArrowTableSource] = {}
    names: dict[str, str] = {}
    for name, own in dataset.items():
        split = split_called(name)
        if split is None:
            continue
        if split in tables:
            raise DataError(f"{where} has two {split} splits, {names[split]} and {name}.")
        # the names of classes are in the metadata of the features alone
        table = own.data.table.replace_schema_metadata(own.features.arrow_schema.metadata)
        tables[split], names[split] = ArrowTableSource(table, f"{where}, {split}"), name
    if "train" not in tables:
        raise DataError(f"{where} has no split called train; it has {', '.join(dataset)}.")
    return tables


def _has_fixed_columns(data: Data, tables: Mapping[str, ArrowTableSource]) -> bool:
    """Whether to read a data set in the format of GoEmotions, whose columns are fixed."""
    if data.is_goemotions:
        return True
    if data.text_column or data.label_column or data.label_separator:
        return False
    schema = tables["train"].schema()
    named = fits_columns(schema) and class_names_of(schema, "labels", _name(data)) is not None
    return named and set(tables) == set(SPLIT_NAMES)


def _download(data: Data) -> tuple[Any, str]:
    """Return the ``DatasetDict`` and the commit that it was made from."""
    # here, because they take seconds to import and most commands never ask the Hub
    import datasets
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        with explain_full_disk(Path(datasets.config.HF_DATASETS_CACHE)), connection_errors():
            builder = cached_builder(data) or _hub_builder(data)
            builder.download_and_prepare()
            return builder.as_dataset(), str(builder.hash)
    except (ConnectionError, LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise _offline(data, error) from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        # this error says only that something went wrong; its cause says what
        vague = isinstance(error, datasets.exceptions.DatasetGenerationError)
        reason = error.__cause__ if vague and error.__cause__ else error
        raise DataError(
            f"The data set {_name(data)}{_revision(data)} cannot be "
            f"loaded: {_one_line(reason)}. Check hub_id, hub_config and hub_revision. "
            f"{_ways(data)}"
        ) from error


def _hub_builder(data: Data) -> Any:
    import datasets
    from datasets.packaged_modules.cache.cache import Cache

    reach_hub()
    builder = datasets.load_dataset_builder(
        # the prefix keeps `datasets` from reading a local folder of this name instead
        f"hf://datasets/{data.hub_id}",
        data.hub_config,
        revision=data.hub_revision,
    )
    # if the Hub fails, `datasets` falls back on the revision it cached last, with only a warning
    if isinstance(builder, Cache):
        raise _offline(data, f"the cache has another revision, {builder.hash}")
    return builder


def _offline(data: Data, reason: object) -> OfflineError:
    held = describe_cache(data)
    return OfflineError(
        f"The Hugging Face Hub cannot be reached for the data set {data.hub_id}{_revision(data)} "
        f"({_one_line(reason)}). Try again when you are online. "
        f"{f'{held} ' if held else ''}{_ways(data)}"
    )


def _ways(data: Data) -> str:
    return _GOEMOTIONS_WAYS if data.is_goemotions else _OTHER_WAYS


def _revision(data: Data) -> str:
    return f" at {data.hub_revision}" if data.hub_revision else ""


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split()).rstrip(".")


_COMMIT = re.compile("[0-9a-f]{40}")
# how `datasets` names the only configuration of a data set that names none
_UNNAMED = "default"


def cached_builder(data: Data) -> Any | None:
    """Return a builder that reads exactly this commit from the cache, None if it is not there."""
    if data.hub_revision is None:
        return None
    builder = _builder(data, data.hub_revision)
    return builder if Path(builder.cache_dir).is_dir() else None


def describe_cache(data: Data) -> str:
    """Say which commits of the data set are in the cache and how to read them; "" if none."""
    # root/configuration/version/commit
    root = Path(_builder(data, "0" * 40).cache_dir).parents[2]
    held = [path for path in root.glob("*/*/*") if _COMMIT.fullmatch(path.name) and path.is_dir()]
    newest_first = sorted(held, key=lambda path: path.stat().st_mtime, reverse=True)
    options = [_options(path.parts[-3], path.name) for path in newest_first]
    ways = " or ".join(f"`{one}`" for one in dict.fromkeys(options))
    return f"Earlier downloads can be read without network: {ways}." if ways else ""


def _options(config: str, commit: str) -> str:
    named = f"--config {config} " if config != _UNNAMED else ""
    return f"{named}--revision {commit}"


def _builder(data: Data, commit: str) -> Any:
    # here, since it takes seconds to import and most commands never ask the Hub
    from datasets.packaged_modules.cache.cache import Cache

    return Cache(
        repo_id=data.hub_id,
        dataset_name=data.hub_id.split("/")[-1],
        config_name=data.hub_config or _UNNAMED,
        hash=commit,
    )
