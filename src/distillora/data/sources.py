"""Reads a recipe's data from wherever it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillora.artifacts import RunLayout
from distillora.data.dataset import Dataset
from distillora.data.goemotions import fits_columns, read_folder
from distillora.data.labels import apply_taxonomy
from distillora.data.splits import find_split_files
from distillora.data.stored import is_stored
from distillora.data.tabular import is_table, read_files, read_frame
from distillora.errors import DataError, InputError, did_you_mean
from distillora.readers.columnar import ParquetSource, is_dataframe
from distillora.readers.file_formats import TABLE_EXTENSIONS
from distillora.recipe import GOEMOTIONS_CONFIG, Data, read_recipe

if TYPE_CHECKING:
    from pandas import DataFrame


def load_dataset(data: Data) -> Dataset:
    """Read the data set as training uses it: ``read_dataset``, then ``drop_shared`` if set.

    Raises:
        DataError: a file, a row or a label cannot be used.
        OfflineError: the Hub cannot be reached.
    """
    dataset = read_dataset(data)
    return drop_shared_texts(dataset) if data.drop_shared else dataset


def read_dataset(data: Data, frame: DataFrame | None = None) -> Dataset:
    """Read the data set as it is audited: the first ``limit`` rows per split, in ``taxonomy``.

    Args:
        data: where it is, and how to read it.
        frame: its rows, where ``data.source`` is ``dataframe``.

    Raises:
        DataError, OfflineError: see ``load_dataset``.
    """
    dataset = _read_source(data) if frame is None else read_frame(frame, data)
    if data.limit is not None:
        dataset = _take_first(dataset, data.limit)
    return apply_taxonomy(dataset, data.taxonomy)


def drop_shared_texts(dataset: Dataset) -> Dataset:
    """Leave out the training rows whose exact text is also in validation or test.

    Raises:
        DataError: no training row is left.
    """
    train = dataset.splits["train"]
    evaluated = {*dataset.splits["validation"].texts, *dataset.splits["test"].texts}
    kept = [row for row, text in enumerate(train.texts) if text not in evaluated]
    if not kept:
        raise DataError(
            f"Every training text of {dataset.source} is also in validation or test. "
            "Set data.drop_shared to false, or split the data differently."
        )
    splits = {**dataset.splits, "train": train.take(kept)}
    dropped = dataset.dropped_from_train + len(train) - len(kept)
    return dataset.with_splits(splits, dropped_from_train=dropped)


def _read_source(data: Data) -> Dataset:
    if data.source == "hub":
        from distillora.data.hub_source import read_hub

        return read_hub(data)
    if data.source == "table":
        return read_files(data)
    if data.source == "dataframe":
        raise DataError(
            "data.source: a DataFrame can only be given to distillora.compare in Python. A run "
            "that has a copy of its rows can be continued without it: give its folder with `out`."
        )
    if data.source == "sample":
        with as_file(files("distillora.data") / "sample") as folder:
            return read_folder(folder, data.hub_config or GOEMOTIONS_CONFIG, "the bundled sample")
    assert data.path is not None  # the recipe refuses source 'folder' without a path
    return read_folder(data.path, data.hub_config or GOEMOTIONS_CONFIG, f"folder {data.path}")


def _take_first(dataset: Dataset, limit: int) -> Dataset:
    return dataset.with_splits(
        {
            name: split.take(list(range(len(split))[:limit]))
            for name, split in dataset.splits.items()
        }
    )


_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# dropped when the data is read from another place
PLACE_KEYS = ("source", "path", "validation_path", "test_path")
_HUB_KEYS = ("hub_id", "hub_config", "hub_revision")
TABLE_KEYS = ("text_column", "label_column", "label_separator", "split_column")


def locate(place: str | DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe's ``data``, changed to read from another place.

    Args:
        place: ``hub`` (the recipe's own data set there), ``sample``, a table, a folder, or the
            ``owner/name`` of a data set on the Hub; or a DataFrame, which is the data itself.
        settings: the recipe's ``data``, not validated yet.

    Raises:
        InputError: the file does not exist or is not a table.
    """
    kept = {key: value for key, value in settings.items() if key not in PLACE_KEYS}
    if is_dataframe(place):
        kept = {key: value for key, value in kept.items() if key not in _HUB_KEYS}
        return {**kept, "source": "dataframe"}
    if place in ("hub", "sample"):
        return {**kept, "source": place}
    path = Path(place).expanduser()
    if path.is_dir():
        table = _is_folder_of_tables(path, settings)
        return {**settings, "source": "table" if table else "folder", "path": str(path)}
    if path.exists() or is_table(path):
        _check_file(path)
        return {**settings, "source": "table", "path": str(path)}
    if _HUB_ID.fullmatch(place):
        own = (*PLACE_KEYS, *(_HUB_KEYS if settings.get("hub_id") != place else ()))
        kept = {key: value for key, value in settings.items() if key not in own}
        return {**kept, "source": "hub", "hub_id": place}
    raise InputError(f"{_absent(path)} {_WAYS}")


def recall(place: str, run: Path) -> dict[str, Any] | None:
    """Return the ``source`` and ``path`` of data that no longer exists, as recorded in a run.

    Args:
        place: a file or folder.
        run: the folder of a run.

    Returns:
        None if the data still exists, or the run did not read it from there or has no copy.
    """
    path, layout = Path(place).expanduser(), RunLayout(run)
    if path.exists() or not is_stored(layout.data) or not layout.recipe.is_file():
        return None
    data = read_recipe(str(layout.recipe)).get("data") or {}
    if data.get("path") != str(path):
        return None
    return {key: data[key] for key in ("source", "path")}


_WAYS = (
    f"The data is a table ({', '.join(TABLE_EXTENSIONS)}), a folder with a file for each split, "
    "'hub', 'sample', or the owner/name of a data set on the Hub."
)


def _is_folder_of_tables(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder holds tables with a header, not GoEmotions' own format.

    That format has ``train.tsv`` without a header and ``labels.txt``, or Parquet files with the
    columns text, labels and id. A folder that is neither counts as that format, whose error
    message explains it.
    """
    if settings.get("source") == "table" or any(settings.get(key) for key in TABLE_KEYS):
        return True
    if (folder / "labels.txt").is_file():
        return False
    train = find_split_files(folder, TABLE_EXTENSIONS)["train"]
    return bool(train) and not all(_has_fixed_columns(path) for path in train)


def _has_fixed_columns(path: Path) -> bool:
    is_parquet = path.suffix.lower() == ".parquet"
    return is_parquet and fits_columns(ParquetSource(path, str(path)).schema())


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(_absent(path))
    if not is_table(path):
        raise InputError(
            f"{path} is not a table that distillora can learn from. Save it as one of "
            f"{', '.join(TABLE_EXTENSIONS)}, with a header."
        )


def _absent(path: Path) -> str:
    hint = ""
    if path.parent.is_dir():
        near = [one.name for one in path.parent.iterdir() if is_table(one) or one.is_dir()]
        hint = did_you_mean(path.name, near)
        hint = hint if "Did you mean" in hint else ""
    return f"{path} does not exist.{hint}"
