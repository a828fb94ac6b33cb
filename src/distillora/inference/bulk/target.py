"""What every writer is: it makes a part of each chunk, and joins the parts."""

from __future__ import annotations

import csv
import json
import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from distillora.inference.bulk.formulas import neutralise
from distillora.readers.rows import Chunk, clean

Added = Sequence[dict[str, Any]]


class Target(ABC):
    """An output format. Parts are complete in themselves, so any of them can wait on disk."""

    @abstractmethod
    def part(self, chunk: Chunk, added: Added) -> bytes:
        """Return the rows of a chunk with the values added to each."""

    def head(self) -> bytes:
        """Return what comes before the first row."""
        return b""

    def join(self, parts: Iterable[Path], stream: BinaryIO) -> None:
        """Write the output from the parts, in their order."""
        stream.write(self.head())
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, stream)


class DelimitedTarget(Target):
    """CSV or TSV: UTF-8, line feeds, quoted where needed, formulas neutralised."""

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
        # with this terminator the writer quotes both of its characters
        writer = csv.writer(lines, delimiter=self._delimiter, lineterminator="\r\n")
        writer.writerows([_cell(value) for value in row] for row in rows)
        return "".join(lines).encode()


class JsonTarget(Target):
    """JSON Lines: a JSON object is written as it was, with the added keys at its end."""

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
