"""Data in tables: files of any format, DataFrames, tables of the Hub; columns of any name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillora.data.dataset import Dataset
from distillora.data.labelled import RawRow, build_dataset
from distillora.data.labels import class_names_of
from distillora.data.splits import SPLIT_WORDS, find_split_files, only_one, split_called
from distillora.errors import DataError, InputError, did_you_mean
from distillora.readers.columnar import FrameSource
from distillora.readers.file_formats import (
    TABLE_EXTENSIONS,
    check_readable,
    choose_format,
    open_file,
)
from distillora.readers.rows import Source, check_column, choose_label_column, find_column, shown
from distillora.recipe import Data

if TYPE_CHECKING:
    from pandas import DataFrame

_SPLIT_NAMES = (("split",),)


@dataclass(frozen=True)
class _Columns:
    """Which columns of one table are used; ``split`` is None where the table is one split."""

    label: str
    split: str | None
    split_was_named: bool


def read_files(data: Data) -> Dataset:
    """Read the file, or the file of each split, of ``source: table``.

    Raises:
        DataError: a file, a column or rows that cannot be used.
        InputError: a file does not exist, or is of no known format.
    """
    files = _find_files(data)
    source = ", ".join(str(path) for path in files.values())
    if len(files) == 1:
        return read_tables({None: _open(files["train"])}, data, source)
    return read_tables({split: _open(path) for split, path in files.items()}, data, source)


def read_frame(frame: DataFrame, data: Data) -> Dataset:
    """Make a dataset of the rows of a pandas DataFrame, as ``read_files`` does of a file's.

    Args:
        frame: a text per row, in one column, and its label in another: a name, a number, a list of
            these, or names separated by ``data.label_separator``. Its index is not used.
        data: the recipe's, with ``source: dataframe``.

    Raises:
        DataError: a column or rows that cannot be used.
    """
    table = FrameSource(frame)
    return read_tables({None: table}, data, table.name)


def read_tables(
    tables: Mapping[str, Source] | Mapping[None, Source],
    data: Data,
    source: str,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of tables whose columns are named in the recipe, or found by their names.

    Args:
        tables: split -> its rows; or None -> rows of all splits, in which a column may assign them.
        data: the recipe's columns and splits.
        source: where the tables come from, in words.
        notes: what was decided so far.

    Raises:
        DataError: a column or rows that cannot be used.
    """
    rows: list[RawRow] = []
    said = list(notes)
    labels: list[str] = []
    class_names: Sequence[str] | None = None
    for split, table in tables.items():
        own, columns, decided = _read_table(table, split, data)
        if not own:
            raise DataError(f"{table.name} has no rows.")
        rows += own
        said += decided
        labels.append(columns.label)
        class_names = class_names or _class_names(table, columns.label)
    if len(set(labels)) > 1:
        raise DataError(
            f"The tables of the splits have their labels in different columns, {labels[0]} and "
            f"{labels[1]}. Name one with `label_column`."
        )
    return build_dataset(
        rows, data, source, label_column=labels[0], class_names=class_names, notes=said
    )


def is_table(path: Path) -> bool:
    """Whether a path has the extension of a table of a known format."""
    return path.suffix.lower() in TABLE_EXTENSIONS


def _find_files(data: Data) -> dict[str, Path]:
    """Return split -> file, train first; a single file is called train."""
    if data.path is None:
        raise InputError(
            "data.path: source 'table' needs a file. Give one with `data` "
            f"({', '.join(TABLE_EXTENSIONS)})."
        )
    given = {"validation": data.validation_path, "test": data.test_path}
    files = {split: path for split, path in given.items() if path is not None}
    if data.path.is_dir():
        if files:
            raise InputError(
                f"data.path: {data.path} is a folder, so each split is looked for in it. Name the "
                "file of train, or leave validation_path and test_path out."
            )
        return _files_of_folder(data.path)
    return {"train": data.path, **files}


def _files_of_folder(folder: Path) -> dict[str, Path]:
    found = find_split_files(folder, TABLE_EXTENSIONS)
    files = {
        split: only_one(paths, [path.name for path in paths], split, folder)
        for split, paths in found.items()
        if paths
    }
    if "train" not in files:
        there = shown(", ".join(sorted(path.name for path in folder.iterdir())), 200)
        raise DataError(
            f"{folder} has no table of the train split, such as train.csv. It has "
            f"{there or 'no files'}. Add it, or give one file with `data`."
        )
    return files


def _open(path: Path) -> Source:
    check_readable(path)
    if not is_table(path):
        raise InputError(
            f"{path}: the extension of a table must be one of "
            f"{', '.join(TABLE_EXTENSIONS)}. Save it in one of these formats."
        )
    return open_file(path, str(path), choose_format(None, path, ""), tabular=True)


def _read_table(
    table: Source, split: str | None, data: Data
) -> tuple[list[RawRow], _Columns, list[str]]:
    """Return the rows of a table, its columns, and notes."""
    table.choose_text_column(data.text_column)
    table.survey(strict=False)  # only then are the keys of all JSON objects known
    columns = _choose_columns(table, data, split)
    used = (table.text_column, columns.label, columns.split)
    table.select([column for column in used if column is not None])
    read = list(table.usable_rows())
    rows = [
        RawRow(
            f"{split}, {row.where}" if split else row.where,
            f"{split or 'row'}-{n}",
            row.text,
            row.values.get(columns.label),
            split,
            row.error,
        )
        for n, row in enumerate(read, 1)
    ]
    if columns.split is None:
        return rows, columns, []
    values = [row.values.get(columns.split) for row in read]
    rows, notes = _with_splits(rows, values, columns, table.name)
    return rows, columns, notes


def _class_names(table: Source, column: str) -> Sequence[str] | None:
    schema = table.schema()
    return None if schema is None else class_names_of(schema, column, table.name)


def _choose_columns(table: Source, data: Data, split: str | None) -> _Columns:
    if not table.columns:
        list(table.usable_rows())  # a line that is not an object is a better reason
        raise DataError(f"{table.name} has no rows.")
    own = [column for column in table.columns if column != table.text_column]
    split_column = None if split else _split_column(own, data, table.name)
    candidates = [column for column in own if column != split_column]
    label = choose_label_column(candidates, data.label_column, table.name)
    return _Columns(label, split_column, data.split_column is not None)


def _split_column(columns: Sequence[str], data: Data, name: str) -> str | None:
    if data.split_column is not None:
        return check_column(columns, data.split_column, name, "Its columns besides the texts")
    found = find_column(columns, _SPLIT_NAMES)
    return None if found == data.label_column else found


def _with_splits(
    rows: Sequence[RawRow], values: Sequence[Any], columns: _Columns, name: str
) -> tuple[list[RawRow], list[str]]:
    """Assign to each row the split that its split column names."""
    made: list[RawRow] = []
    for row, value in zip(rows, values, strict=True):
        split = split_called(value)
        if split is None:
            if not columns.split_was_named:
                return list(rows), [
                    f"The column '{columns.split}' was not used, since '{shown(str(value), 40)}' "
                    f"({row.where}) names no split. To use another column, set data.split_column."
                ]
            hint = did_you_mean(str(value), SPLIT_WORDS)
            raise DataError(
                f"{name}, {row.where}: '{shown(str(value), 40)}' in the column "
                f"'{columns.split}' names no split.{hint}"
            )
        made.append(replace(row, split=split))
    return made, [f"The column '{columns.split}' assigns the rows to splits."]
