"""A data set in tables of the user's own: CSV, TSV, JSON Lines, Parquet; columns of any name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distillora.data.dataset import SPLIT_NAMES, Dataset
from distillora.data.examples import SPLIT_WORDS, RawRow, build_dataset, split_called
from distillora.errors import DataError, InputError, did_you_mean
from distillora.readers.dataframe import FrameSource
from distillora.readers.formats import EXTENSIONS, check_readable, choose_format, open_table
from distillora.readers.rows import (
    BROKEN,
    EMPTY,
    MISSING,
    Row,
    Source,
    check_column,
    choose_label_column,
    find_column,
    shown,
)
from distillora.recipe import Data

if TYPE_CHECKING:
    from pandas import DataFrame

TABLE_EXTENSIONS = tuple(extension for extension, kind in EXTENSIONS.items() if kind != "text")

_SPLIT_NAMES = (("split",),)


@dataclass(frozen=True)
class _Columns:
    """Which columns of one file are used; ``split`` is None where the file is one split."""

    label: str
    split: str | None
    split_was_named: bool


def read_tables(data: Data) -> Dataset:
    """Read the file, or the file of each split, of ``source: table``.

    Raises:
        DataError: a file, a column or rows that cannot be used as they stand.
        InputError: there is no such file, or none of a known format.
    """
    files = _find_files(data)
    cells: list[RawRow] = []
    notes: list[str] = []
    labels: list[str] = []
    class_names: Sequence[str] | None = None
    for split, path in files.items():
        own, columns, names, said = _read_file(path, split if len(files) > 1 else None, data)
        if not own:
            raise DataError(f"{path} has no rows.")
        cells += own
        notes += said
        labels.append(columns.label)
        class_names = class_names or names
    if len(set(labels)) > 1:
        raise DataError(
            f"The files of the splits have their labels in different columns, {labels[0]} and "
            f"{labels[1]}. Say which with `label_column`."
        )
    source = ", ".join(str(path) for path in files.values())
    return build_dataset(
        cells, data, source, label_column=labels[0], class_names=class_names, notes=notes
    )


def is_table(path: Path) -> bool:
    """Whether a path is called like a table of a known format."""
    return path.suffix.lower() in TABLE_EXTENSIONS


def find_split_files(folder: Path) -> dict[str, list[Path]]:
    """Return split -> the tables in a folder that are called like it."""
    found: dict[str, list[Path]] = {split: [] for split in SPLIT_NAMES}
    for path in sorted(folder.iterdir()):
        split = SPLIT_WORDS.get(path.stem.casefold())
        if split is not None and is_table(path) and path.is_file():
            found[split].append(path)
    return found


def _find_files(data: Data) -> dict[str, Path]:
    """Return split -> file, train first; a file alone stands for train."""
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
    found = {split: paths for split, paths in find_split_files(folder).items() if paths}
    for split, paths in found.items():
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            raise DataError(f"{folder} holds {both}: both are the {split} split. Remove one.")
    if "train" not in found:
        there = shown(", ".join(sorted(path.name for path in folder.iterdir())), 200)
        raise DataError(
            f"{folder} has no table of the train split, such as train.csv. It has "
            f"{there or 'no files'}. Add it, or give one file with `data`."
        )
    return {split: paths[0] for split, paths in found.items()}


def _read_file(
    path: Path, split: str | None, data: Data
) -> tuple[list[RawRow], _Columns, Sequence[str] | None, list[str]]:
    """Return the rows, the columns, the class names that the file has, and notes."""
    check_readable(path)
    if not is_table(path):
        raise InputError(
            f"{path}: a table to learn from is one of {', '.join(TABLE_EXTENSIONS)}. Save it so."
        )
    kind = choose_format(None, path, "")
    table = open_table(path, str(path), kind, data.text_column, tabular=True)
    cells, columns, notes = _read_rows(table, split, data)
    schema = table.schema()
    names = None if schema is None else _class_names(schema, columns.label, path)
    return cells, columns, names, notes


def read_frame(frame: DataFrame, data: Data) -> Dataset:
    """Make a dataset of the rows of a pandas DataFrame, as ``read_tables`` does of a file's.

    Args:
        frame: a text a row, in one column, and its label in another: a name, a number, a list of
            these, or names apart by ``data.label_separator``. Its index is not used.
        data: the recipe's, with ``source: dataframe``.

    Raises:
        DataError: a column or rows that cannot be used as they stand.
    """
    table = FrameSource(frame, data.text_column)
    cells, columns, notes = _read_rows(table, None, data)
    return build_dataset(cells, data, table.name, label_column=columns.label, notes=notes)


def _read_rows(
    table: Source, split: str | None, data: Data
) -> tuple[list[RawRow], _Columns, list[str]]:
    """Return the rows of an open table, its columns, and notes."""
    table.survey(strict=False)  # only then are the keys of all JSON objects known
    rows = list(_usable(table))
    columns = _choose_columns(table, data, split)
    cells = [
        RawRow(
            row.where,
            f"{split or 'row'}-{n}",
            row.text,
            row.values.get(columns.label),
            split,
            row.error,
        )
        for n, row in enumerate(rows, 1)
    ]
    if columns.split is None:
        return cells, columns, []
    values = [row.values.get(columns.split) for row in rows]
    cells, notes = _with_splits(cells, values, columns, table.name)
    return cells, columns, notes


def _class_names(schema: Any, column: str, path: Path) -> Sequence[str] | None:
    from distillora.data.hub_parquet import class_names_of  # pyarrow takes long to import

    return class_names_of(schema, column, str(path))


def _choose_columns(table: Source, data: Data, split: str | None) -> _Columns:
    if not table.columns:
        raise DataError(f"{table.name} has no rows.")
    own = tuple(column for column in table.columns if column != table.text_column)
    split_column = None if split else _split_column(own, data, table.name)
    candidates = [column for column in own if column != split_column]
    label = choose_label_column(candidates, data.label_column, table.name)
    return _Columns(label, split_column, data.split_column is not None)


def _split_column(columns: Sequence[str], data: Data, name: str) -> str | None:
    if data.split_column is not None:
        return check_column(columns, data.split_column, name)
    found = find_column(columns, _SPLIT_NAMES)
    return None if found == data.label_column else found


def _usable(table: Source) -> Iterator[Row]:
    """Yield the rows; stop at one that is no row at all.

    Raises:
        DataError: a row that is not UTF-8, no JSON, or whose text is not a string.
    """
    for row in table.rows():
        absent = table.text_column not in row.values and bool(row.values)
        if row.error is not None and row.error not in (EMPTY, MISSING) and not absent:
            advice = " Save the file as UTF-8." if row.error == BROKEN else ""
            raise DataError(f"{table.name}, {row.where}: {row.error}.{advice}")
        yield row


def _with_splits(
    cells: Sequence[RawRow], values: Sequence[Any], columns: _Columns, name: str
) -> tuple[list[RawRow], list[str]]:
    """Give each row the split that its split column names."""
    made: list[RawRow] = []
    for row, value in zip(cells, values, strict=True):
        split = split_called(value)
        if split is None:
            if not columns.split_was_named:
                return list(cells), [
                    f"The column '{columns.split}' was not used, since '{shown(str(value), 40)}' "
                    f"({row.where}) names no split; to use another, set data.split_column."
                ]
            hint = did_you_mean(str(value), SPLIT_WORDS)
            raise DataError(
                f"{name}, {row.where}: '{shown(str(value), 40)}' in the column "
                f"'{columns.split}' names no split.{hint}"
            )
        made.append(RawRow(row.where, row.id, row.text, row.label, split, row.problem))
    return made, [f"The column '{columns.split}' tells the splits."]
