"""What readers hand on: rows, in chunks whose limits depend on their content alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

CHUNK_ROWS = 2048
CHUNK_CHARACTERS = 1 << 24
LONGEST_LINE = 1 << 26

BROKEN = "the row is not valid UTF-8"
EMPTY = "the text is empty"
MISSING = "the text is missing"

_SURROGATE = re.compile(r"[\ud800-\udfff]")
T = TypeVar("T")


@dataclass(slots=True)
class Row:
    """One row of the input.

    Attributes:
        where: its place, as a person would look it up: ``row 3 (line 4)``.
        values: column -> value, as it was read.
        text: what to score; None if the row cannot be scored.
        error: why not.
        raw: the line of a JSON object, to be written again as it was.
    """

    where: str
    values: dict[str, Any]
    text: str | None
    error: str | None = None
    raw: str | None = None


@dataclass(slots=True)
class Chunk:
    """Rows that are scored and kept together; ``table`` holds them as Arrow, if read so."""

    rows: list[Row]
    table: Any = None


def text_or_problem(value: object) -> tuple[str | None, str | None]:
    """Return a value as the text to score, or None and why it cannot be."""
    if value is None:
        return None, MISSING
    if not isinstance(value, str):
        return None, f"the text is of type {type(value).__name__}, not a string"
    return (value, None) if value.strip() else (None, EMPTY)


def group(items: Iterable[T], size: Callable[[T], int], most: int, limit: int) -> Iterator[list[T]]:
    """Cut into lists of at most ``most`` items, ended once their sizes reach ``limit``."""
    held: list[T] = []
    total = 0
    for item in items:
        held.append(item)
        total += size(item)
        if len(held) == most or total >= limit:
            yield held
            held, total = [], 0
    if held:
        yield held


def clean(text: str) -> str:
    """Replace what UTF-8 cannot hold, lone surrogates, with U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def shown(text: str, most: int = 80) -> str:
    """Return a text for one line of a terminal, without what could steer the terminal."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in cut)
