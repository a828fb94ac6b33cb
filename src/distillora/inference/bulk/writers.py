"""Writers of output formats: they encode each chunk as a part, and join the parts."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from distillora.readers.columnar import import_pyarrow
from distillora.readers.rows import Chunk, Kind, clean

Added = Sequence[dict[str, Any]]


class Target(ABC):
    """An output format. Each part is self-contained, so parts can be kept on disk."""

    @abstractmethod
    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows of a chunk with the values added to each."""

    def head(self) -> bytes:
        """Return the bytes before the first row."""
        return b""

    def join(self, parts: Iterable[Path], stream: BinaryIO) -> None:
        """Write the output from the parts, in order."""
        stream.write(self.head())
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, stream)


class DelimitedTarget(Target):
    """CSV or TSV: UTF-8, with line feeds, quoted where needed, formulas neutralised."""

    def __init__(self, delimiter: str, columns: Sequence[str], added: Sequence[str]) -> None:
        self._delimiter = delimiter
        self._columns = columns
        self._added = added

    def head(self) -> bytes:
        """Return the header."""
        return self._encode([[*self._columns, *self._added]])

    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows as lines."""
        return self._encode(
            [row.values.get(c) for c in self._columns] + [values[c] for c in self._added]
            for row, values in zip(chunk.rows, added, strict=True)
        )

    def _encode(self, rows: Iterable[Sequence[Any]]) -> bytes:
        lines = _Lines()
        # with this terminator, the writer quotes cells that contain either of its characters
        writer = csv.writer(lines, delimiter=self._delimiter, lineterminator="\r\n")
        writer.writerows([_cell(value) for value in row] for row in rows)
        return "".join(lines).encode()


class JsonTarget(Target):
    """JSON Lines: each object is written unchanged, with the added keys at its end."""

    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows as lines."""
        rows = zip(chunk.rows, added, strict=True)
        return b"".join(_object(row.values, row.raw, values) for row, values in rows)


class LabelTarget(Target):
    """Plain text: the label of each row; an empty line for one that could not be scored."""

    def __init__(self, label: str) -> None:
        self._label = label

    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows as lines."""
        return "".join(f"{values[self._label] or ''}\n" for values in added).encode()


class _Lines(list[str]):
    """A file for the csv module whose lines end with a line feed alone."""

    def write(self, line: str) -> None:
        self.append(f"{line[:-2]}\n")


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return neutralise(clean(value))
    if value is None:
        return ""
    if isinstance(value, tuple):  # the labels
        return neutralise(";".join(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else neutralise(_dump(value))


def _object(values: dict[str, Any], raw: str | None, added: dict[str, Any]) -> bytes:
    tail = _dump(added)
    if raw is None:
        return f"{_dump({**values, **added})}\n".encode()
    comma = ", " if values else ""
    return f"{raw[:-1].rstrip()}{comma}{tail[1:]}\n".encode()


def _dump(value: Any) -> str:
    try:
        return clean(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError:  # JSON has no such numbers
        return clean(json.dumps(_finite(value), ensure_ascii=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_GROUP_ROWS = 1 << 14
_GROUP_BYTES = 1 << 24


class ParquetTarget(Target):
    """Parquet, with a schema that is known before the first row.

    Args:
        schema: the input's schema, if it was read as Arrow; its columns are not changed.
        kinds: otherwise, input column -> kind.
        added: added column -> kind.
    """

    def __init__(self, schema: Any, kinds: Mapping[str, Kind], added: Mapping[str, Kind]) -> None:
        self._pa = import_pyarrow()
        self._kinds = kinds
        kept = self._fields(kinds) if schema is None else schema
        self._added = self._fields(added)
        self._schema = self._pa.schema([*kept, *self._added], metadata=kept.metadata)

    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows as a Parquet file."""
        columns = self._columns(chunk)
        columns += [self._array(field, [v[field.name] for v in added]) for field in self._added]
        content = io.BytesIO()
        table = self._pa.Table.from_arrays(columns, schema=self._schema)
        self._pa.parquet.write_table(table, content)
        return content.getvalue()

    def join(self, parts: Iterable[Path], stream: BinaryIO) -> None:
        """Write the parts as one file, in larger row groups."""
        with self._pa.parquet.ParquetWriter(stream, self._schema) as writer:
            for table in self._groups(parts):
                writer.write_table(table)

    def _groups(self, parts: Iterable[Path]) -> Iterator[Any]:
        held: list[Any] = []
        for part in parts:
            held.append(self._pa.parquet.ParquetFile(part).read())
            rows, size = sum(t.num_rows for t in held), sum(t.nbytes for t in held)
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield self._pa.concat_tables(held)
                held = []
        if held:
            yield self._pa.concat_tables(held)

    def _columns(self, chunk: Chunk) -> list[Any]:
        if chunk.table is not None:
            return list(chunk.table.columns)
        fields = self._fields(self._kinds)
        return [
            self._array(f, [self._value(f.name, row.values) for row in chunk.rows]) for f in fields
        ]

    def _value(self, column: str, values: Mapping[str, Any]) -> Any:
        value, kind = values.get(column), self._kinds[column]
        if value is None:
            return None
        if kind == "json":
            return clean(json.dumps(value, ensure_ascii=False))
        return clean(value) if isinstance(value, str) else value

    def _array(self, field: Any, values: Sequence[Any]) -> Any:
        return self._pa.array(values, field.type)

    def _fields(self, kinds: Mapping[str, Kind]) -> Any:
        pa = self._pa
        types = {"str": pa.string(), "json": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
        types |= {"float": pa.float64(), "list": pa.list_(pa.string())}
        return pa.schema([pa.field(name, types[kind]) for name, kind in kinds.items()])


# the characters that OWASP lists under "CSV Injection", also after white space, which some programs
# strip, and in full-width forms, which some locales treat alike
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def neutralise(cell: str) -> str:
    """Put an apostrophe before text that a spreadsheet would execute; leave numbers alone.

    >>> neutralise("=1+1"), neutralise("-1.5"), neutralise("fine")
    ("'=1+1", '-1.5', 'fine')
    """
    if _FORMULA.match(cell) and not _NUMBER.match(cell):
        return f"'{cell}"
    return cell
