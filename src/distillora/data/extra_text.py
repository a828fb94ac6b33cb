"""Texts without labels, for a teacher to label: one per line, in UTF-8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from distillora.data.dataset import Dataset, Split
from distillora.errors import DataError
from distillora.readers.text_files import TextSource


class ExtraTextRecord(BaseModel):
    """What was read from a file of texts without labels.

    Attributes:
        rows: texts that are used.
        evaluated: lines left out because validation or test holds their text.
        repeated: lines left out because the training split or an earlier line holds their text.
        sha256: hash of the texts that are used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    evaluated: int
    repeated: int
    sha256: str

    def describe(self) -> str:
        """Say in words how many texts there are, and how many were left out."""
        reasons = {
            "in validation or test": self.evaluated,
            "in training or repeated": self.repeated,
        }
        left_out = [f"{lines:,} {reason}" for reason, lines in reasons.items() if lines]
        return f"{self.rows:,} texts" + (f"; left out: {', '.join(left_out)}" if left_out else "")


@dataclass(frozen=True)
class ExtraText:
    """The texts of one file; rows have no labels, and their line number as id."""

    rows: Split
    record: ExtraTextRecord


def read_extra_text(path: Path, dataset: Dataset, limit: int | None = None) -> ExtraText:
    """Read a file of texts, without those that are in the data set already.

    White space around a text is stripped, and blank lines are skipped. Reading stops once
    ``limit`` texts are used.

    Raises:
        DataError: the file does not exist or is not UTF-8, or no text is left.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist. Give a text file with one text per line.")
    evaluated = _texts(dataset, "validation", "test")
    seen = _texts(dataset, "train")
    left_out = {"evaluated": 0, "repeated": 0}
    texts: dict[int, str] = {}
    source = TextSource(path, str(path))
    for number, row in enumerate(source.usable_rows(), 1):
        text = row.values["text"].strip()
        if text in evaluated:
            left_out["evaluated"] += 1
        elif text in seen:
            left_out["repeated"] += 1
        elif text:
            texts[number] = text
            seen.add(text)
            if len(texts) == limit:
                break
    if not texts:
        known = sum(left_out.values())
        reason = f"all {known:,} are in the data set already" if known else "it is empty"
        raise DataError(f"{path} has no text to learn from: {reason}. Write one text per line.")
    ids = tuple(map(str, texts))
    rows = Split(tuple(texts.values()), ((),) * len(texts), ids)
    return ExtraText(rows, ExtraTextRecord(rows=len(rows), sha256=rows.sha256, **left_out))


def _texts(dataset: Dataset, *splits: str) -> set[str]:
    # without "": an empty text of the data set does not make a blank line a text
    return {text.strip() for split in splits for text in dataset.splits[split].texts} - {""}
