"""Uploaded files: a preview of the first rows, and bulk scoring."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from distillora.errors import DataError
from distillora.inference.bulk import Format, Summary, score_file
from distillora.inference.classifier import BATCH_SIZE, Prediction, TextClassifier
from distillora.readers.file_formats import EXTENSIONS, TABLE_EXTENSIONS, open_file
from distillora.signals.toxicity import ToxicityRule

MIME = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
PREVIEW_ROWS = 5


class WatchedClassifier(TextClassifier):
    """An open classifier with another toxicity rule that reports its progress.

    It shares the opened model, so it is cheap to make.
    """

    def __init__(
        self,
        classifier: TextClassifier,
        rule: ToxicityRule | None,
        tell: Callable[[int], None],
    ) -> None:
        self.__dict__.update(vars(classifier))
        self.toxicity = rule
        self._hostile = rule.columns(self.labels) if rule else []
        self._tell = tell
        self._read = 0

    def predict(
        self, texts: str | Sequence[str], *, top_k: int | None = None, batch_size: int = BATCH_SIZE
    ) -> list[Prediction]:
        """Classify texts, and report the number done after each piece."""
        rows = [texts] if isinstance(texts, str) else texts
        found: list[Prediction] = []
        for start in range(0, len(rows), 8 * batch_size):
            piece = rows[start : start + 8 * batch_size]
            found += super().predict(piece, top_k=top_k, batch_size=batch_size)
            self._read += len(piece)
            self._tell(self._read)
        return found


@dataclass(frozen=True)
class ScoredFile:
    """A scored file: its content, name and format, and a summary of its rows."""

    content: bytes
    name: str
    format: Format
    summary: Summary


def format_of(name: str) -> Format:
    """Return the format of a file's extension.

    Raises:
        DataError: it is not known.
    """
    extension = PurePath(name).suffix.lower()
    if extension not in TABLE_EXTENSIONS:
        raise DataError(f"{name}: give a file that ends in {', '.join(TABLE_EXTENSIONS)}.")
    return EXTENSIONS[extension]


def preview(content: bytes, kind: Format, name: str) -> dict[str, list[str]]:
    """Return column -> its values in the first rows, as text; missing ones are empty.

    Raises:
        DataError: the file cannot be read in this format, or has no rows with columns.
    """
    source = open_file(content, name, kind)
    first = list(islice(source.rows(), PREVIEW_ROWS))
    columns = source.columns or tuple(dict.fromkeys(key for row in first for key in row.values))
    if not columns:
        raise DataError(
            f"{name}, {first[0].where}: {first[0].error}." if first else f"{name} has no rows."
        )
    return {
        column: ["" if (value := row.values.get(column)) is None else str(value) for row in first]
        for column in columns
    }


def count_rows(content: bytes, kind: Format, name: str) -> int:
    """Return how many rows a file has.

    Raises:
        DataError: it is damaged.
    """
    source = open_file(content, name, kind)
    source.survey(strict=False)
    return source.rows_in_all


def score_upload(
    classifier: TextClassifier,
    content: bytes,
    name: str,
    column: str,
    target: Format,
    *,
    prefix: str = "",
    all_scores: bool = False,
) -> ScoredFile:
    """Score a file in memory.

    Raises:
        DataError: the file cannot be read.
        InputError: the name of an added column is taken.
    """
    kind, written = format_of(name), io.BytesIO()
    columns = ["label", "score", "labels"]
    columns += ["toxicity", "toxic"] if classifier.toxicity else []
    columns += ["scores"] if all_scores else []
    summary = score_file(
        classifier,
        io.BytesIO(content),
        written,
        source_format=kind,
        target_format=target,
        text_column=column,
        columns=columns,
        prefix=prefix,
    )
    stem = name.rsplit(".", 1)[0]
    return ScoredFile(written.getvalue(), f"{stem}-scored.{target}", target, summary)
