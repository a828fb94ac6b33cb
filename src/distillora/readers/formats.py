"""The file formats, known by name or by extension."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from distillora.errors import InputError, did_you_mean

Format = Literal["csv", "tsv", "jsonl", "parquet", "text"]

FORMATS: tuple[Format, ...] = ("csv", "tsv", "jsonl", "parquet", "text")

EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
}


def choose_format(named: str | None, path: Path | None, option: str) -> Format:
    """Return the format of that name, or else the one that the file's extension tells.

    Args:
        named: what the user said.
        path: the file; None for a stream.
        option: the option that would say it, for the message.

    Raises:
        InputError: no such format, or neither tells.
    """
    if named is not None:
        if named not in FORMATS:
            hint = did_you_mean(named, FORMATS)
            raise InputError(f"There is no format '{named}'.{hint} ({option})")
        return named
    if path is None:
        raise InputError(f"Say the format of a stream: {option} {'|'.join(FORMATS)}")
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        hint = did_you_mean(extension, EXTENSIONS) if extension else ""
        raise InputError(
            f"{path}: '{extension}' tells no format.{hint} Say it with {option} {'|'.join(FORMATS)}"
        )
    return EXTENSIONS[extension]
