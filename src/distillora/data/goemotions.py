"""Data in the format of the GoEmotions release: numbered labels, whose names are listed apart.

A folder holds TSV files and ``labels.txt``, or Parquet files as the Hub stores them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from distillora.data.dataset import SPLIT_NAMES, Dataset
from distillora.data.labelled import LabelledText, assemble
from distillora.data.labels import check_label_names, class_names_of
from distillora.data.splits import find_split_files, only_one, split_called
from distillora.errors import DataError
from distillora.readers.columnar import ArrowSource, ParquetSource, import_pyarrow
from distillora.readers.rows import Source, shown
from distillora.readers.text_files import TextSource, UnquotedSource

ROW_FORMAT = "text TAB comma-separated label numbers TAB id"
FOLDER_FORMAT = (
    f"train.tsv, dev.tsv and test.tsv ({ROW_FORMAT}, no header) with labels.txt (one label name "
    "per line, label 0 first), or train.parquet, validation.parquet and test.parquet (columns "
    "text, labels, id)"
)
COLUMNS = {"text": "string", "labels": "list of integers", "id": "string"}


def read_folder(folder: Path, subfolder: str, source: str) -> Dataset:
    """Read the data set in a folder.

    Args:
        folder: holds a TSV or Parquet file for each of train, validation (or dev) and test, and
            ``labels.txt``, which Parquet files that name their labels do without.
        subfolder: where Parquet files may also be, as in a clone of a Hub data set.
        source: the dataset's ``source``.

    Raises:
        DataError: a file is missing, ambiguous or cannot be read.
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise DataError(f"{folder} {what}. Give a folder with {FOLDER_FORMAT}.")
    files = _find_files(folder, subfolder)
    names = _read_names(folder, files)
    tables = {split: [_open(path) for path in paths] for split, paths in files.items()}
    return read_numbered(tables, names, source)


def read_numbered(
    tables: Mapping[str, Sequence[Source]], names: Sequence[str], source: str
) -> Dataset:
    """Make a dataset of tables with the columns of ``COLUMNS``.

    Args:
        tables: split -> its rows, in one table or several.
        names: label 0 first.
        source: the dataset's ``source``.

    Raises:
        DataError: with table and row: a null text or id, bytes that are not UTF-8, no label, or
            a label that is not in 0 .. ``len(names) - 1``; or a split has no rows.
    """
    rows = (
        row
        for split, parts in tables.items()
        for table in parts
        for row in _read_rows(table, split, names)
    )
    return assemble(rows, names, source)


def _read_rows(table: Source, split: str, names: Sequence[str]) -> Iterator[LabelledText]:
    for row in table.usable_rows():
        text, labels, row_id = (row.values[column] for column in COLUMNS)
        for column, value in (("text", text), ("id", row_id)):
            if value is None:
                raise DataError(
                    f"{table.name}, {row.where}: '{column}' is null. Fill it in or leave the row "
                    "out."
                )
        try:
            own = _label_names(labels, names)
        except ValueError as error:
            place = f"{table.name}, {row.where}: the row '{shown(text, 60)}'"
            raise DataError(f"{place} {error}") from None
        yield LabelledText(row_id, text, own, split)


def _label_names(labels: str | Sequence[int] | None, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names behind the label numbers of a row, each once, in their order."""
    numbers = _parse_numbers(labels) if isinstance(labels, str) else labels
    if not numbers:
        raise ValueError("has no label. Give it at least one label number.")
    for number in numbers:
        if number is None:
            raise ValueError("has a null among its labels.")
        if not 0 <= number < len(names):
            raise ValueError(
                f"has label {number}, but there are {len(names)} label names, 0 to "
                f"{len(names) - 1}. Correct the row or add the name."
            )
    return tuple(names[number] for number in dict.fromkeys(numbers))


def _parse_numbers(cell: str) -> list[int]:
    parts = [part.strip() for part in cell.split(",")] if cell else []
    for part in parts:
        # int() would also take "1_0", "+1" and the digits of other scripts
        if not (part.isascii() and part.isdigit()):
            raise ValueError(
                f"has the label '{shown(part, 60)}', which is not a number. A row is {ROW_FORMAT}; "
                "the numbers count the lines of labels.txt from 0."
            )
    return [int(part) for part in parts]


def _open(path: Path) -> Source:
    if path.suffix.lower() == ".tsv":
        table: Source = UnquotedSource(path, str(path), tuple(COLUMNS))
        table.choose_text_column("text")
        return table
    return select_columns(ParquetSource(path, str(path)))


def select_columns(table: ArrowSource) -> ArrowSource:
    """Return a table that reads the columns of ``COLUMNS`` alone.

    Raises:
        DataError: one is missing or of another type.
    """
    found = {field.name: field.type for field in table.schema()}
    for name, wanted in COLUMNS.items():
        if name not in found:
            raise DataError(
                f"{table.name} has no column '{name}'. It needs {_format_columns(COLUMNS)}; "
                f"it has {_format_columns(found)}."
            )
        if not _fits(name, found[name]):
            raise DataError(
                f"{table.name}: column '{name}' is {found[name]}, not a {wanted}. "
                f"It needs {_format_columns(COLUMNS)}."
            )
    table.select(tuple(COLUMNS))
    table.choose_text_column("text")
    return table


def fits_columns(schema: Any) -> bool:
    """Whether a ``pyarrow.Schema`` has the columns of ``COLUMNS``, of their types."""
    found = {field.name: field.type for field in schema}
    return all(name in found and _fits(name, found[name]) for name in COLUMNS)


def _fits(name: str, kind: Any) -> bool:
    types = import_pyarrow().types
    if name != "labels":
        return bool(types.is_string(kind) or types.is_large_string(kind))
    is_list = types.is_list(kind) or types.is_large_list(kind)
    return bool(is_list and types.is_integer(kind.value_type))


def _format_columns(columns: Mapping[str, object]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items()) or "no columns"


def _read_names(folder: Path, files: Mapping[str, Sequence[Path]]) -> tuple[str, ...]:
    path, train = folder / "labels.txt", files["train"][0]
    if path.is_file():
        return _read_label_file(path)
    if train.suffix.lower() == ".tsv":
        raise DataError(_missing("labels.txt", folder))
    names = class_names_of(ParquetSource(train, str(train)).schema(), "labels", str(train))
    if names is None:
        raise DataError(
            f"{train} does not name its labels. Write {path}: one label name per line, label 0 "
            "first."
        )
    return names


def _read_label_file(path: Path) -> tuple[str, ...]:
    rows = TextSource(path, str(path)).usable_rows()
    lines = [row.values["text"].strip() for row in rows]
    while lines and not lines[-1]:
        lines.pop()
    return check_label_names(lines, str(path))


def _find_files(folder: Path, subfolder: str) -> dict[str, list[Path]]:
    """Return split -> its files: one, or the shards of Parquet."""
    tsv = {
        split: [[path] for path in paths]
        for split, paths in find_split_files(folder, (".tsv",)).items()
    }
    parquet = _find_parquet(folder, subfolder)
    if any(tsv.values()) and any(parquet.values()):
        raise DataError(
            f"{folder} contains both TSV and Parquet files. Keep one of the two formats."
        )
    candidates = parquet if any(parquet.values()) else tsv
    files: dict[str, list[Path]] = {}
    for split in SPLIT_NAMES:
        found = candidates[split]
        if not found:
            raise DataError(_missing(f"file of the {split} split", folder))
        names = [str(paths[0].relative_to(folder)) for paths in found]
        files[split] = only_one(found, names, split, folder)
        _check_shards(files[split])
    return files


def _find_parquet(folder: Path, subfolder: str) -> dict[str, list[list[Path]]]:
    candidates: dict[str, list[list[Path]]] = {split: [] for split in SPLIT_NAMES}
    for place in (folder, folder / subfolder):
        if not place.is_dir():
            continue
        for split, paths in find_split_files(place, (".parquet",)).items():
            candidates[split] += [[path] for path in paths]
        shards: dict[str, list[Path]] = {}
        for path in sorted(place.glob("*-*.parquet")):
            shards.setdefault(path.name.split("-")[0], []).append(path)
        for word, paths in shards.items():
            if split_of_shards := split_called(word):
                candidates[split_of_shards].append(paths)
    return candidates


_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.parquet$")


def _check_shards(files: Sequence[Path]) -> None:
    declared = {int(match[1]) for file in files if (match := _SHARD.search(file.name))}
    if declared and declared != {len(files)}:
        raise DataError(
            f"{files[0].parent} contains {len(files)} of {max(declared)} shards "
            f"({', '.join(file.name for file in files)}). Download the missing ones."
        )


def _missing(what: str, folder: Path) -> str:
    found = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    listed = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    return f"{folder} has no {what}. It needs {FOLDER_FORMAT}; it has {listed or 'no files'}."
