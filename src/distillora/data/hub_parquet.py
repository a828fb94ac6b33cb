"""Parquet as the Hub stores it: ``text`` (string), ``labels`` (list of integers), ``id`` (string).

The label names may stand in the ``huggingface`` metadata of the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distillora.data.dataset import Split, check_label_names, check_row_labels, excerpt
from distillora.errors import DataError

COLUMNS = {"text": "string", "labels": "list of integers", "id": "string"}

_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.parquet$")


def read_parquet(files: Sequence[Path], n_labels: int) -> Split:
    """Read one split from its file or its shards, in this order.

    Raises:
        DataError: with file and row: a missing shard, a file that is no Parquet, missing or
            wrongly typed columns, a missing text, a row without label or with an unknown one.
    """
    _check_shards(files)
    shards = [split_from_table(_read_table(file), n_labels, str(file)) for file in files]
    return Split(
        tuple(text for shard in shards for text in shard.texts),
        tuple(labels for shard in shards for labels in shard.labels),
        tuple(row_id for shard in shards for row_id in shard.ids),
    )


def read_schema_label_names(file: Path) -> tuple[str, ...] | None:
    """Return the label names in a file's ``huggingface`` metadata, None where it has none."""
    return label_names_of(_explain(file, pq.read_schema), str(file))


def label_names_of(schema: Any, where: str) -> tuple[str, ...] | None:
    """Return the names of the ``ClassLabel`` of the column ``labels``, None where it has none.

    Args, Raises: see ``class_names_of``.
    """
    return class_names_of(schema, "labels", where)


def class_names_of(schema: Any, column: str, where: str) -> tuple[str, ...] | None:
    """Return the names of a column that holds a ``ClassLabel`` or lists of it, None elsewhere.

    Args:
        schema: a ``pyarrow.Schema``.
        column: its name.
        where: the file or data set, for messages.

    Raises:
        DataError: the metadata cannot be read, or a name stands twice.
    """
    metadata = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        # {"feature": ClassLabel, "_type": "List"} today, [ClassLabel] in old files
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (AttributeError, KeyError, IndexError, TypeError):
        return None
    except ValueError as error:
        raise DataError(f"{where}: its 'huggingface' metadata is not JSON: {error}.") from None
    return check_label_names(names, where)


def split_from_table(table: Any, n_labels: int, where: str) -> Split:
    """Return the rows of a ``pyarrow.Table`` with the columns of ``COLUMNS``.

    Raises:
        DataError: see ``read_parquet``.
    """
    _check_columns(table.schema, where)
    try:
        texts, labels, ids = (table.column(name).to_pylist() for name in COLUMNS)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: a text or id is not UTF-8 ({error}). Write it anew.") from None
    rows = enumerate(zip(texts, labels, ids, strict=True), start=1)
    checked = [_check_row(row, n_labels, f"{where}, row {number}") for number, row in rows]
    return Split(tuple(texts), tuple(checked), tuple(ids))


def _check_row(row: tuple[Any, Any, Any], n_labels: int, where: str) -> tuple[int, ...]:
    text, labels, row_id = row
    if text is None or row_id is None:
        missing = "text" if text is None else "id"
        raise DataError(f"{where}: '{missing}' is null. Fill it in or leave the row out.")
    if labels and None in labels:
        raise DataError(f"{where}: the row {excerpt(text)} has a null among its labels.")
    return check_row_labels(labels or (), n_labels, where, text)


def _check_columns(schema: Any, where: str) -> None:
    found = {field.name: field.type for field in schema}
    for name, wanted in COLUMNS.items():
        if name not in found:
            raise DataError(
                f"{where} has no column '{name}'. It needs {_format_columns(COLUMNS)}; "
                f"it has {_format_columns(found)}."
            )
        if not _fits(name, found[name]):
            raise DataError(
                f"{where}: column '{name}' is {found[name]}, not a {wanted}. "
                f"It needs {_format_columns(COLUMNS)}."
            )


def _fits(name: str, kind: Any) -> bool:
    if name != "labels":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and pa.types.is_integer(kind.value_type))


def _format_columns(columns: Mapping[str, object]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items()) or "no columns"


def _check_shards(files: Sequence[Path]) -> None:
    declared = {int(match[1]) for file in files if (match := _SHARD.search(file.name))}
    if declared and declared != {len(files)}:
        raise DataError(
            f"{files[0].parent} holds {len(files)} of {max(declared)} shards "
            f"({', '.join(file.name for file in files)}). Download the missing ones."
        )


def _read_table(file: Path) -> Any:
    # ParquetFile and not read_table: that one would take "name=value" folders for columns
    return _explain(file, lambda path: pq.ParquetFile(path).read())


def _explain(file: Path, read: Any) -> Any:
    try:
        return read(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} cannot be read as Parquet: {error}. Download or write it again."
        ) from None


def has_fixed_columns(file: Path) -> bool:
    """Whether a file has the columns of ``COLUMNS``, of their types."""
    return fits_columns(_explain(file, pq.read_schema))


def fits_columns(schema: Any) -> bool:
    """Whether a ``pyarrow.Schema`` has the columns of ``COLUMNS``, of their types."""
    found = {field.name: field.type for field in schema}
    return all(name in found and _fits(name, found[name]) for name in COLUMNS)
