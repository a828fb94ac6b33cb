"""Reading plain text, one text a line, and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from distillora.errors import DataError
from distillora.readers.rows import (
    BROKEN,
    CHUNK_ROWS,
    Kind,
    Row,
    Source,
    choose_text_column,
    shown,
    text_or_problem,
)

MOST_COLUMNS = 2000
_EXACT = 2**53
_NOT_JSON = "the line is not JSON"


class TextSource(Source):
    """A text a line, in a column called ``text``."""

    def __init__(self, path: Path, name: str, text_column: str | None) -> None:
        super().__init__(path, name)
        self.columns = ("text",)
        self.text_column = choose_text_column(self.columns, text_column, name)

    def rows(self) -> Iterator[Row]:
        """Read the lines; an empty one is an empty text."""
        with self.lines() as lines:
            for number, raw in enumerate(lines, 1):
                line, broken = _decode(raw)
                text, error = (None, BROKEN) if broken else text_or_problem(line)
                yield Row(f"line {number}", {"text": line}, text, error)


class JsonSource(Source):
    """A JSON object a line.

    Args:
        path: the file.
        name: what messages call it.
        text_column: the key of the texts.
        tabular: whether the objects will become rows of a table, so that every key must be known.
    """

    def __init__(self, path: Path, name: str, text_column: str | None, *, tabular: bool) -> None:
        super().__init__(path, name)
        self._tabular = tabular
        self._kinds: dict[str, set[str]] = {}
        self.text_column = text_column or "text"
        first = dict.fromkeys(key for row in islice(self.rows(), CHUNK_ROWS) for key in row.values)
        self.columns = ()
        if first:
            self.text_column = choose_text_column(tuple(first), text_column, name)

    def rows(self) -> Iterator[Row]:
        """Read the lines; one that is no object becomes a row without values."""
        with self.lines() as lines:
            for number, raw in enumerate(lines, 1):
                line, broken = _decode(raw)
                if line.strip():
                    yield self._row(line.strip(), broken, f"line {number}")

    def _row(self, line: str, broken: bool, where: str) -> Row:
        values, problem = _parse(line)
        if values is None:
            return Row(where, {}, None, BROKEN if broken else problem)
        text, error = text_or_problem(values.get(self.text_column))
        if error and self.text_column not in values:
            error = f"the object has no '{self.text_column}'"
        return Row(where, values, None if broken else text, BROKEN if broken else error, line)

    def see(self, row: Row) -> None:
        """Note the kinds of a row's values."""
        self.refuse_reserved(tuple(row.values), f", {row.where},")
        if self._tabular:
            for key, value in row.values.items():
                self._kinds.setdefault(key, set()).add(_kind(value))
            if len(self._kinds) > MOST_COLUMNS:
                raise DataError(
                    f"{self.name}, {row.where}: its objects have more than {MOST_COLUMNS:,} "
                    "different keys, too many for a table. Write JSON Lines: `target_format` jsonl."
                )

    def survey(self, *, strict: bool) -> None:
        """Read everything once; from then on the columns are those of all objects."""
        super().survey(strict=strict)
        if self._tabular:
            self.columns = tuple(self._kinds)

    def kinds(self) -> dict[str, Kind]:
        """Return the kind that holds every value of a column exactly; JSON where none does."""
        return {column: _common_kind(kinds) for column, kinds in self._kinds.items()}


def _decode(raw: bytes) -> tuple[str, bool]:
    """Return a line without its end, and whether it was broken."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return raw.decode(), False
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), True


def _parse(line: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None, f"{_NOT_JSON}: {shown(line)}"
    if not isinstance(value, dict):
        return None, f"the line is not a JSON object: {shown(line)}"
    return value, None


def _kind(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return type(value).__name__
    if isinstance(value, int):
        small, exact = -(2**63) <= value < 2**63, -_EXACT <= value <= _EXACT
        return "int" if exact else "long" if small else "json"
    return "json"


def _common_kind(kinds: set[str]) -> Kind:
    found = kinds - {"NoneType"}
    if found <= {"str"}:
        return "str"
    if found == {"bool"}:
        return "bool"
    if found <= {"int", "long"}:
        return "int"
    # a float holds no larger integer exactly
    return "float" if found <= {"int", "float"} else "json"
