"""Input and output of a scoring run: files or streams, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from distillora.errors import InputError
from distillora.inference.bulk.added_columns import AddedColumns
from distillora.inference.bulk.writers import (
    DelimitedTarget,
    JsonTarget,
    LabelTarget,
    ParquetTarget,
    Target,
)
from distillora.readers.columnar import import_pyarrow
from distillora.readers.file_formats import (
    DELIMITERS,
    Format,
    check_readable,
    choose_format,
    open_file,
)
from distillora.readers.rows import Source


@dataclass(frozen=True)
class Ends:
    """Input and output of a run: files, or binary streams."""

    source: Path | BinaryIO
    target: Path | BinaryIO
    source_format: Format
    target_format: Format

    @property
    def name(self) -> str:
        """The name of the input in messages."""
        return str(self.source) if isinstance(self.source, Path) else "the input stream"


def check_ends(
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    source_format: str | None,
    target_format: str | None,
    *,
    resume: bool,
) -> Ends:
    """Check input and output before a run.

    Raises:
        InputError: one of them cannot be used; the message says why.
    """
    reads = Path(source).expanduser() if isinstance(source, str | Path) else source
    writes = Path(target).expanduser() if isinstance(target, str | Path) else target
    if isinstance(reads, Path):
        check_readable(reads)
    if isinstance(writes, Path):
        _check_target(writes, reads)
    elif resume:
        raise InputError("`resume` needs an output file: a stream is not kept.")
    ends = Ends(
        reads,
        writes,
        choose_format(source_format, reads if isinstance(reads, Path) else None, "`source_format`"),
        choose_format(
            target_format, writes if isinstance(writes, Path) else None, "`target_format`"
        ),
    )
    if "parquet" in (ends.source_format, ends.target_format):
        import_pyarrow()
    return ends


def open_source(
    path: Path, ends: Ends, text_column: str | None, reserved: frozenset[str]
) -> Source:
    """Open a file of the source's format.

    Args:
        path: the source, or a copy of the stream.
        ends: the formats, and the name of the source in messages.
        text_column: the column with the texts, if it was given.
        reserved: names of the columns that will be added.
    """
    source = open_file(
        path,
        ends.name,
        ends.source_format,
        values=ends.target_format != "parquet",
        tabular=ends.target_format in ("csv", "tsv", "parquet"),
    )
    source.choose_text_column(text_column)
    source.reserved = reserved
    return source


def open_target(ends: Ends, source: Source, added: AddedColumns) -> Target:
    """Return a writer of the target's format, for a source that has been surveyed."""
    if ends.target_format == "parquet":
        return ParquetTarget(source.schema(), source.kinds(), added.kinds())
    if ends.target_format == "jsonl":
        return JsonTarget()
    if ends.target_format == "text":
        return LabelTarget(added.names[0])
    return DelimitedTarget(DELIMITERS[ends.target_format], source.columns, added.names)


def _check_target(path: Path, source: Path | BinaryIO) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give the name of a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist. Create it first.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a regular file. To write to a stream, give -")
    if isinstance(source, Path) and path.exists() and path.samefile(source):
        raise InputError(f"{path} is the input. Give another file for the output.")
