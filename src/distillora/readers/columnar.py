"""Rows of Parquet files, Arrow tables and pandas DataFrames. The first two need pyarrow."""

from __future__ import annotations

import base64
import io
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from distillora.errors import DataError, InputError
from distillora.readers.rows import BROKEN, CHUNK_ROWS, Chunk, Row, Source, text_or_problem

if TYPE_CHECKING:
    from pandas import DataFrame

_ROWS_AT_ONCE = 128
_CHUNK_BYTES = 1 << 25


def import_pyarrow() -> Any:
    """Return pyarrow, with its Parquet module.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "Parquet needs pyarrow: install the extra 'parquet' of distillora, in a clone of the "
            "repository with: pip install '.[parquet]'"
        ) from None
    return pyarrow


class ArrowSource(Source, ABC):
    """Rows that are read as Arrow.

    Args:
        name: what messages call it.
        schema: the ``pyarrow.Schema`` of the rows.
        rows: how many there are.
        values: whether rows need their values as Python objects, too.

    Raises:
        DataError: two columns of the same name.
    """

    def __init__(self, name: str, schema: Any, rows: int, *, values: bool) -> None:
        super().__init__(name)
        self._pa = import_pyarrow()
        self._schema = schema
        self._rows = rows
        self._values = values
        self._selected: list[str] | None = None
        self.columns = tuple(schema.names)
        if len(set(self.columns)) != len(self.columns):
            raise DataError(f"{name} has two columns of the same name. Rename one.")

    @abstractmethod
    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Read small ``pyarrow.RecordBatch`` of these columns, or of all."""

    def select(self, columns: Sequence[str]) -> None:
        """Leave all other columns unread from now on."""
        self._selected = list(columns)
        self.columns = tuple(columns)

    def choose_text_column(self, wanted: str | None) -> None:
        """Set the column of the texts, as ``Source`` does.

        Raises:
            DataError: also if the column is not of a text type.
        """
        super().choose_text_column(wanted)
        kind = self._schema.field(self.text_column).type
        if not _is_text(self._pa, kind):
            raise DataError(
                f"{self.name}: the column '{self.text_column}' contains {kind}, not text. "
                "Name another with `text_column`"
            )

    def schema(self) -> Any:
        """Return the schema."""
        return self._schema

    def survey(self, *, strict: bool) -> None:
        """Count the rows; read the texts only to be strict."""
        self.refuse_reserved(self.columns)
        self.rows_in_all = self._rows
        if strict and self.text_column is not None:
            for chunk in self._read([self.text_column], values=False):
                for row in chunk.rows:
                    self.refuse(row)

    def rows(self) -> Iterator[Row]:
        """Read the rows."""
        for chunk in self.chunks():
            yield from chunk.rows

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in chunks that keep them as Arrow."""
        yield from self._read(self._selected, values=self._values)

    def _read(self, columns: list[str] | None, *, values: bool) -> Iterator[Chunk]:
        done = 0
        for table in self._tables(columns):
            yield self._chunk(table, done, values=values)
            done += table.num_rows

    def _tables(self, columns: list[str] | None) -> Iterator[Any]:
        """Join batches to tables of a chunk's size."""
        held: list[Any] = []
        rows = size = 0
        for batch in self.batches(columns):
            held.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= CHUNK_ROWS or size >= _CHUNK_BYTES:
                yield self._pa.Table.from_batches(held)
                held, rows, size = [], 0, 0
        if held:
            yield self._pa.Table.from_batches(held)

    def _chunk(self, table: Any, done: int, *, values: bool) -> Chunk:
        texts = self._texts(table)
        records: list[dict[str, Any]] = [{} for _ in texts]
        if values:
            columns = {name: self._plain(table.column(name)) for name in table.column_names}
            rows = zip(*columns.values(), strict=True)
            records = [dict(zip(columns, row, strict=True)) for row in rows]
        numbered = enumerate(zip(texts, records, strict=True), done + 1)
        made = [_row(f"row {n}", text, broken, record) for n, ((text, broken), record) in numbered]
        if any(broken for _, broken in texts):
            table = self._mended(table, [text for text, _ in texts])
        return Chunk(made, table)

    def _texts(self, table: Any) -> list[tuple[str | None, bool]]:
        if self.text_column is None:
            return [(None, False)] * int(table.num_rows)
        return _decode(self._pa, table.column(self.text_column))

    def _mended(self, table: Any, texts: list[str | None]) -> Any:
        position = table.column_names.index(self.text_column)
        field = table.schema.field(position)
        column = self._pa.array(texts, self._pa.large_string()).cast(field.type)
        return table.set_column(position, field, column)

    def _plain(self, column: Any) -> list[Any]:
        """Return values that JSON and CSV can represent."""
        types = self._pa.types
        if _is_text(self._pa, column.type):
            return [text for text, _ in _decode(self._pa, column)]
        if types.is_temporal(column.type) or types.is_decimal(column.type):
            return list(_as_strings(self._pa, column))
        return [_plain(value) for value in column.to_pylist()]


class ParquetSource(ArrowSource):
    """A Parquet file.

    Args:
        file: a path, or the content of a file.
        name: what messages call it.
        values: whether rows need their values as Python objects, too.

    Raises:
        DataError: the file is damaged, or has two columns of the same name.
        InputError: pyarrow is not installed.
    """

    def __init__(self, file: Path | bytes, name: str, *, values: bool = True) -> None:
        self._pa = import_pyarrow()
        self._file = file
        self.name = name
        with self._open() as opened:
            schema, rows = opened.schema_arrow, int(opened.metadata.num_rows)
        super().__init__(name, schema, rows, values=values)

    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Read the file's rows.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with self._open() as file:
                yield from file.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False)
        except (self._pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _open(self) -> Any:
        file = io.BytesIO(self._file) if isinstance(self._file, bytes) else self._file
        try:
            # buffered and not fetched ahead: a row group may be larger than the memory
            return self._pa.parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        except (self._pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.name} cannot be read as Parquet: {error}. Download or write it again."
        )


class ArrowTableSource(ArrowSource):
    """The rows of a ``pyarrow.Table`` in memory."""

    def __init__(self, table: Any, name: str) -> None:
        super().__init__(name, table.schema, int(table.num_rows), values=True)
        self._table = table

    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Cut the table into batches."""
        table = self._table if columns is None else self._table.select(columns)
        yield from table.to_batches(_ROWS_AT_ONCE)


def _row(where: str, text: str | None, broken: bool, values: dict[str, Any]) -> Row:
    chosen, error = (None, BROKEN) if broken else text_or_problem(text)
    return Row(where, values, chosen, error)


def _is_text(pa: Any, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _decode(pa: Any, column: Any) -> list[tuple[str | None, bool]]:
    """Return each text and whether its bytes were broken; Parquet does not promise UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    decoded: list[tuple[str | None, bool]] = []
    for raw in column.cast(pa.large_binary()).to_pylist():
        try:
            decoded.append((None if raw is None else raw.decode(), False))
        except UnicodeDecodeError:
            decoded.append((raw.decode(errors="replace"), True))
    return decoded


def _as_strings(pa: Any, column: Any) -> Iterable[str | None]:
    try:
        return list(column.cast(pa.string()).to_pylist())
    except pa.ArrowException:  # durations, and time zones that the system does not know
        return [None if value is None else str(value) for value in column.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str | int | float | None) else str(value)


def is_dataframe(value: object) -> TypeGuard[DataFrame]:
    """Whether a value is a pandas DataFrame. Does not import pandas, which is slow."""
    pandas = sys.modules.get("pandas")  # if it is not loaded, there is no DataFrame
    return pandas is not None and isinstance(value, pandas.DataFrame)


class FrameSource(Source):
    """The rows of a DataFrame, numbered from 1; missing values are None, arrays are lists.

    Args:
        frame: its column labels are read as strings.

    Raises:
        DataError: no rows, or two columns of the same name.
    """

    def __init__(self, frame: DataFrame) -> None:
        super().__init__("the DataFrame")
        self.columns = tuple(str(column) for column in frame.columns)
        twice = [column for column, times in Counter(self.columns).items() if times > 1]
        if twice:
            raise DataError(f"{self.name} has two columns called '{twice[0]}'. Rename one.")
        if not len(frame):
            raise DataError(f"{self.name} has no rows.")
        self._series = [_python_values(frame.iloc[:, i]) for i in range(len(self.columns))]

    def rows(self) -> Iterator[Row]:
        """Go through the rows."""
        for number, cells in enumerate(zip(*self._series, strict=True), 1):
            values = dict(zip(self.columns, cells, strict=True))
            yield Row(f"row {number}", values, *self.text_of(values))


def _python_values(series: Any) -> list[Any]:
    missing = series.isna().tolist()
    return [
        None if gone else _python_value(value)
        for value, gone in zip(series.tolist(), missing, strict=True)
    ]


def _python_value(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value
