"""Writing what needs the columns of all rows: Parquet, and tables made of JSON Lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from distillora.inference.bulk.target import Added, Target
from distillora.readers.arrow import import_pyarrow
from distillora.readers.rows import Chunk, clean
from distillora.readers.source import Kind

_GROUP_ROWS = 1 << 14
_GROUP_BYTES = 1 << 24


class ParquetTarget(Target):
    """Parquet, whose schema is known before the first row.

    Args:
        schema: of the input, if it was read as Arrow: its columns are kept exactly.
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
