"""Parquet, which needs pyarrow: reading, and values for other formats."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from distillora.errors import DataError, InputError
from distillora.readers.rows import (
    BROKEN,
    CHUNK_ROWS,
    Chunk,
    Row,
    Source,
    choose_text_column,
    text_or_problem,
)

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
            "Parquet needs pyarrow, which is not installed: pip install 'distillora[parquet]'"
        ) from None
    return pyarrow


class ParquetSource(Source):
    """A Parquet file.

    Args:
        path: the file.
        name: what messages call it.
        text_column: the column of the texts.
        values: whether rows need their values, too; not if they stay in Arrow.
    """

    def __init__(self, path: Path, name: str, text_column: str | None, *, values: bool) -> None:
        super().__init__(path, name)
        self._pa = import_pyarrow()
        self._values = values
        with self._open() as file:
            self._schema = file.schema_arrow
            self._rows = int(file.metadata.num_rows)
        self.columns = tuple(self._schema.names)
        if len(set(self.columns)) != len(self.columns):
            raise DataError(f"{name} has two columns of the same name. Rename one.")
        self.text_column = choose_text_column(self.columns, text_column, name)
        self._check_type()

    def schema(self) -> Any:
        """Return the file's schema."""
        return self._schema

    def survey(self, *, strict: bool) -> None:
        """Count the rows; read the texts only to be strict."""
        self.refuse_reserved(self.columns)
        self.rows_in_all = self._rows
        for chunk in self._read([self.text_column], values=False) if strict else ():
            for row in chunk.rows:
                self.refuse(row)

    def rows(self) -> Iterator[Row]:
        """Read the rows."""
        for chunk in self.chunks():
            yield from chunk.rows

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows in chunks that keep them as Arrow."""
        yield from self._read(None, values=self._values)

    def _read(self, columns: list[str] | None, *, values: bool) -> Iterator[Chunk]:
        done = 0
        for table in self._tables(columns):
            yield self._chunk(table, done, values=values)
            done += table.num_rows

    def _tables(self, columns: list[str] | None) -> Iterator[Any]:
        """Read tables of a chunk's size."""
        held: list[Any] = []
        rows = size = 0
        try:
            with self._open() as file:
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns, use_threads=False):
                    held.append(batch)
                    rows, size = rows + batch.num_rows, size + batch.nbytes
                    if rows >= CHUNK_ROWS or size >= _CHUNK_BYTES:
                        yield self._pa.Table.from_batches(held)
                        held, rows, size = [], 0, 0
        except (self._pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read as Parquet: {error}") from error
        if held:
            yield self._pa.Table.from_batches(held)

    def _chunk(self, table: Any, done: int, *, values: bool) -> Chunk:
        texts = _decode(self._pa, table.column(self.text_column))
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

    def _mended(self, table: Any, texts: list[str | None]) -> Any:
        position = table.column_names.index(self.text_column)
        field = table.schema.field(position)
        column = self._pa.array(texts, self._pa.large_string()).cast(field.type)
        return table.set_column(position, field, column)

    def _plain(self, column: Any) -> list[Any]:
        """Return values that JSON and CSV can hold."""
        types = self._pa.types
        if _is_text(self._pa, column.type):
            return [text for text, _ in _decode(self._pa, column)]
        if types.is_temporal(column.type) or types.is_decimal(column.type):
            return list(_as_strings(self._pa, column))
        return [_plain(value) for value in column.to_pylist()]

    def _check_type(self) -> None:
        kind = self._schema.field(self.text_column).type
        if not _is_text(self._pa, kind):
            raise DataError(
                f"{self.name}: the column '{self.text_column}' holds {kind}, not text. "
                "Name another with `text_column`"
            )

    def _open(self) -> Any:
        try:
            # buffered and not fetched ahead: a row group may be larger than the memory
            return self._pa.parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20)
        except (self._pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read as Parquet: {error}") from error


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
