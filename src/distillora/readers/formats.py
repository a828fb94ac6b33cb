"""The file formats, known by name or by extension."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from distillora.errors import InputError, did_you_mean
from distillora.readers.delimited import DelimitedSource
from distillora.readers.lines import JsonSource, TextSource
from distillora.readers.parquet import ParquetSource
from distillora.readers.rows import Source

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


DELIMITERS = {"csv": ",", "tsv": "\t"}


def open_table(
    path: Path,
    name: str,
    file_format: Format,
    text_column: str | None,
    *,
    values: bool = True,
    tabular: bool = False,
) -> Source:
    """Open a file of rows.

    Args:
        path: the file.
        name: what messages call it.
        file_format: how to read it.
        text_column: the column of the texts, if it was said.
        values: Parquet: whether rows need their values, too.
        tabular: JSON Lines: whether the objects will become rows of a table.

    Raises:
        DataError: no header, a column twice, or no column of texts.
        InputError: Parquet without pyarrow.
    """
    if file_format == "parquet":
        return ParquetSource(path, name, text_column, values=values)
    if file_format == "jsonl":
        return JsonSource(path, name, text_column, tabular=tabular)
    if file_format == "text":
        return TextSource(path, name, text_column)
    return DelimitedSource(path, name, DELIMITERS[file_format], text_column)


def check_readable(path: Path) -> None:
    """Make sure that there is a file that can be read.

    Raises:
        InputError: a folder, nothing, or no right to read it.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give a file.")
    if not path.exists():
        hint = ""
        if path.parent.is_dir():
            hint = did_you_mean(path.name, [f.name for f in path.parent.iterdir() if f.is_file()])
        raise InputError(f"{path} does not exist.{hint}")
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
