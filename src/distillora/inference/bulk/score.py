"""Score a file of texts: check it, score it in chunks, join the chunks."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from distillora import __version__
from distillora.artifacts import explain_full_disk, sha256_file
from distillora.errors import DataError, InputError, StorageError
from distillora.inference.bulk.added_columns import AddedColumns
from distillora.inference.bulk.files import Ends, check_ends, open_source, open_target
from distillora.inference.bulk.store import PartStore, open_store
from distillora.inference.bulk.writers import Target
from distillora.inference.classifier import TextClassifier
from distillora.progress import Reporter
from distillora.readers.file_formats import Format
from distillora.readers.rows import CHUNK_CHARACTERS, CHUNK_ROWS, Row, Source

_FAILURES_SHOWN = 5


@dataclass
class Summary:
    """Summary of a scored file.

    Attributes:
        rows: number of rows in the input, and so in the output.
        failed: number of rows that could not be scored; the column ``error`` gives the reason.
        first_failures: place and error of the first few of them.
        resumed: number of rows that an earlier run had scored.
        seconds: duration of this run, including the checks.
    """

    rows: int = 0
    failed: int = 0
    first_failures: list[tuple[str, str]] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0

    def count(self, rows: Sequence[Row], *, resumed: bool) -> None:
        """Add the rows of a chunk."""
        self.rows += len(rows)
        self.resumed += len(rows) * resumed
        bad = [(row.where, row.error) for row in rows if row.error is not None]
        self.failed += len(bad)
        self.first_failures += bad[: _FAILURES_SHOWN - len(self.first_failures)]


def score_file(
    classifier: TextClassifier,
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    *,
    source_format: Format | None = None,
    target_format: Format | None = None,
    text_column: str | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    strict: bool = False,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Summary:
    """Score each row of a file, and write the rows with the predictions, in constant memory.

    The whole input is read once before any scoring, so that a malformed file is refused early. The
    output appears at the end, complete or not at all, and replaces an older one. Until then,
    finished chunks are kept in ``.NAME.parts`` next to it. Chunks have fixed limits, so a resumed
    run writes the same bytes as an uninterrupted one.

    Args:
        classifier: the model.
        source: a file, or a binary stream, which is copied to disk first.
        target: a file, or a binary stream, which is written at the end.
        source_format, target_format: csv, tsv, jsonl, parquet or text; needed for streams, and
            for files whose extension does not show the format.
        text_column: the column with the texts; optional if there is only one column, or one called
            text, comment or body.
        columns: the columns to add: label, score, labels, toxicity, toxic, truncated, scores (one
            ``score_LABEL`` per label); by default the first five. ``error`` is always the last.
        prefix: prefix of the added columns' names.
        strict: raise an error for a row that cannot be scored, instead of recording it.
        resume: continue an interrupted run, or start if there is none.
        reporter: shows the progress; by default nothing is shown.

    Raises:
        InputError: arguments that do not fit each other, the files or the model.
        DataError: a malformed file, a missing column, or ``strict`` and a row that cannot be
            scored.
        RunFolderError: another process writes the same file.
        StorageError: the disk is full.
    """
    began = time.monotonic()
    reporter = reporter or Reporter(quiet=True)
    ends = check_ends(source, target, source_format, target_format, resume=resume)
    if ends.target_format == "text":
        _refuse_columns(columns)
        columns = ["label"]
    added = AddedColumns(classifier, columns, prefix)
    with _explain_full_disk(ends), open_store(ends.target) as store:
        path = _local(ends.source, store)
        table = open_source(path, ends, text_column, frozenset(added.names))
        with _unchanged(path, ends.name):
            digest = sha256_file(path)
            table.survey(strict=strict)
            writer = open_target(ends, table, added)
            settings = _settings(classifier, ends, table.text_column, added.names, digest)
            _begin(store, settings, resume, reporter)
            summary, chunks = _score(table, writer, added, store, reporter)
        store.finish(chunks, writer.join, ends.target)
    summary.seconds = time.monotonic() - began
    return summary


def _refuse_columns(columns: Sequence[str] | None) -> None:
    if columns is not None and list(columns) != ["label"]:
        raise InputError("Plain text output contains only the label. Leave out `columns`.")


def _score(
    table: Source, writer: Target, added: AddedColumns, store: PartStore, reporter: Reporter
) -> tuple[Summary, int]:
    """Make the missing parts; return the summary and the number of parts."""
    summary, count = Summary(), 0
    with show_progress(reporter, table.rows_in_all) as update:
        for number, chunk in enumerate(table.chunks()):
            known = store.has(number)
            if not known:
                store.add(number, writer.part(chunk, added.score(chunk.rows)))
            summary.count(chunk.rows, resumed=known)
            update(summary.rows, summary.rows - summary.resumed)
            count = number + 1
    return summary, count


def _begin(store: PartStore, settings: dict[str, Any], resume: bool, reporter: Reporter) -> None:
    if store.begun and not resume:
        reporter.say("Starting over: rows scored by an interrupted run are dropped.")
    store.begin(settings, resume=resume)


def _settings(
    classifier: TextClassifier,
    ends: Ends,
    text_column: str | None,
    names: Sequence[str],
    digest: str,
) -> dict[str, Any]:
    """Return everything that the output depends on, keyed by its name in messages."""
    rule, manifest = classifier.toxicity, classifier.bundle.manifest.model_dump_json()
    return {
        "distillora's version": __version__,
        "the input": digest,
        "the input's format": ends.source_format,
        "the text column": text_column,
        "the output's format": ends.target_format,
        "the added columns": list(names),
        "the model": hashlib.sha256(manifest.encode()).hexdigest(),
        "the precision": classifier.precision,
        "the toxicity rule": rule.model_dump(mode="json") if rule else None,
        "the chunks": [CHUNK_ROWS, CHUNK_CHARACTERS],
    }


def _local(source: Path | BinaryIO, store: PartStore) -> Path:
    """Return the input as a file that can be read twice."""
    if isinstance(source, Path):
        if source.is_file():
            return source
        with source.open("rb") as pipe:
            return _local(pipe, store)
    with store.spool.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return store.spool


@contextmanager
def _unchanged(path: Path, name: str) -> Iterator[None]:
    """Refuse a file that is changed while it is read."""
    before = path.stat()
    yield
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(f"{name} changed while it was read. Run again when it is complete.")


@contextmanager
def _explain_full_disk(ends: Ends) -> Iterator[None]:
    kept = isinstance(ends.target, Path)
    place = ends.target if isinstance(ends.target, Path) else Path("the temporary folder")
    try:
        with explain_full_disk(place):
            yield
    except StorageError as error:
        advice = "Scored rows are kept: free some space and run again with `resume`."
        raise StorageError(
            f"No space left for {place}. {advice if kept else 'Free some space and run again.'}"
        ) from error


_SECONDS_BETWEEN_LINES = 20.0


def describe(done: int, total: int, scored: int, seconds: float) -> str:
    """Describe the progress of a file; the speed counts only rows scored by this run.

    >>> describe(6144, 10240, 4096, 4.0)
    '6,144 of 10,240 rows, 1,024 rows/s, 0:00:04 left'
    """
    words = f"{done:,} of {total:,} rows"
    if not scored or seconds <= 0:
        return words
    speed = scored / seconds
    left = timedelta(seconds=round((total - done) / speed))
    return f"{words}, {speed:,.0f} rows/s, {left} left"


@contextmanager
def show_progress(reporter: Reporter, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar if possible, and otherwise a line every 20 seconds.

    Yields:
        A function of the number of rows done and the number of rows scored by this run.
    """
    began = time.monotonic()
    if not reporter.shows_bars:
        yield _say_now_and_then(reporter, total, began)
        return
    with Progress(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        console=reporter.console,
        transient=True,
    ) as bars:
        task = bars.add_task(describe(0, total, 0, 0), total=total)

        def update(done: int, scored: int) -> None:
            words = describe(done, total, scored, time.monotonic() - began)
            bars.update(task, completed=done, description=words)

        yield update


def _say_now_and_then(reporter: Reporter, total: int, began: float) -> Callable[[int, int], None]:
    last = began

    def update(done: int, scored: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            reporter.say(describe(done, total, scored, now - began))

    return update
