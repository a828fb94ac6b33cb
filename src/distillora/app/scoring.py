"""Uploaded files: a preview of the first rows, and bulk scoring."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from distillora.errors import DataError
from distillora.inference.bulk import Format, Summary, score_file
from distillora.inference.classifier import BATCH_SIZE, Prediction, TextClassifier
from distillora.signals.toxicity import ToxicityRule

FORMATS: dict[str, Format] = {
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
}
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
    """Return the format of a file by its extension.

    Raises:
        DataError: the extension is unknown.
    """
    extension = name.rsplit(".", 1)[-1].lower()
    if extension not in FORMATS:
        raise DataError(f"{name}: give a file with the extension .{', .'.join(FORMATS)}.")
    return FORMATS[extension]


def preview(content: bytes, kind: Format, name: str) -> pd.DataFrame:
    """Return the first rows of a file.

    Raises:
        DataError: the file cannot be read in this format, or is empty.
    """
    try:
        table = _first_rows(content, kind)
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise DataError(f"{name} cannot be read as {kind}: {_short(error)}") from None
    if not len(table.columns):
        raise DataError(f"{name} has no columns.")
    return table


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


def _first_rows(content: bytes, kind: Format) -> pd.DataFrame:
    stream = io.BytesIO(content)
    if kind == "parquet":
        batches = pq.ParquetFile(stream).iter_batches(PREVIEW_ROWS)
        first: Any = next(batches, None)
        return pd.DataFrame() if first is None else first.to_pandas()
    if kind == "jsonl":
        lines = (line for line in stream if line.strip())
        return pd.DataFrame([_object(line) for line in islice(lines, PREVIEW_ROWS)])
    return pd.read_csv(
        stream,
        sep="\t" if kind == "tsv" else ",",
        nrows=PREVIEW_ROWS,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
    )


def _object(line: bytes) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("each line must be a JSON object")
    return value


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") + "."
