"""What a data set contains: counts, lengths, duplicates, texts that two splits share."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from distillora.data.dataset import Dataset, Split
from distillora.data.splits import text_key
from distillora.readers.rows import shown

# Control characters (Unicode category Cc) but tab and newline, lone surrogates, U+FFFD.
_ODD_CHARACTER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LengthRecord(_Record):
    """Percentiles of the text length in tokens, special tokens included, before truncation.

    A percentile is by nearest rank, so it is a length that occurs. ``truncated`` counts the rows
    that are longer than the recipe's ``max_length``.
    """

    mean: float
    p50: int
    p95: int
    p99: int
    longest: int
    truncated: int


class SplitAudit(_Record):
    """What the audit found in one split.

    Attributes:
        rows: number of texts.
        labels_per_row: number of labels -> number of rows.
        class_counts: label -> rows that carry it.
        lengths: token lengths; None without a tokenizer.
        duplicate_texts: rows whose exact text occurs in an earlier row of this split.
        empty_texts: rows with nothing but white space.
        odd_characters: rows with control characters (other than tab and newline), lone
            surrogates or U+FFFD.
    """

    rows: int
    labels_per_row: dict[int, int]
    class_counts: dict[str, int]
    lengths: LengthRecord | None = None
    duplicate_texts: int
    empty_texts: int
    odd_characters: int


class AuditRecord(_Record):
    """The audit of a data set: per split, and the texts that two splits share.

    ``shared_texts`` maps e.g. ``"test in train"`` to the number of *test rows* whose text is also
    in train. ``warnings`` says what deserves a second look.
    """

    labels: tuple[str, ...]
    splits: dict[str, SplitAudit]
    shared_texts: dict[str, int]
    warnings: tuple[str, ...] = ()


def audit_dataset(
    dataset: Dataset,
    token_lengths: Mapping[str, npt.NDArray[np.integer]] | None,
    max_length: int,
) -> AuditRecord:
    """Audit every split, and each pair of splits for shared texts.

    Args:
        dataset: the data set as read, before shared texts are dropped.
        token_lengths: per split the tokens of each text before truncation, shape (rows,);
            None without a tokenizer.
        max_length: tokens per text at most, to count the truncated rows.
    """
    splits = {
        name: _audit_split(
            split,
            dataset.label_names,
            None if token_lengths is None else token_lengths[name],
            max_length,
        )
        for name, split in dataset.splits.items()
    }
    return AuditRecord(
        labels=dataset.label_names,
        splits=splits,
        shared_texts=_shared_texts(dataset),
        warnings=find_warnings(dataset),
    )


def _audit_split(
    split: Split,
    label_names: tuple[str, ...],
    lengths: npt.NDArray[np.integer] | None,
    max_length: int,
) -> SplitAudit:
    rows_of_label = Counter(label for row in split.labels for label in row)
    return SplitAudit(
        rows=len(split),
        labels_per_row=dict(sorted(Counter(map(len, split.labels)).items())),
        class_counts={name: rows_of_label[i] for i, name in enumerate(label_names)},
        lengths=None if lengths is None else _audit_lengths(lengths, max_length),
        duplicate_texts=len(split) - len(set(split.texts)),
        empty_texts=sum(not text.strip() for text in split.texts),
        odd_characters=sum(_ODD_CHARACTER.search(text) is not None for text in split.texts),
    )


def _audit_lengths(lengths: npt.NDArray[np.integer], max_length: int) -> LengthRecord:
    p50, p95, p99 = np.percentile(lengths, (50, 95, 99), method="inverted_cdf")
    return LengthRecord(
        mean=float(lengths.mean()),
        p50=int(p50),
        p95=int(p95),
        p99=int(p99),
        longest=int(lengths.max()),
        truncated=int((lengths > max_length).sum()),
    )


def _shared_texts(dataset: Dataset) -> dict[str, int]:
    texts = {name: set(split.texts) for name, split in dataset.splits.items()}
    return {
        f"{later} in {earlier}": sum(t in texts[earlier] for t in dataset.splits[later].texts)
        for earlier, later in combinations(dataset.splits, 2)
    }


def format_audit(record: AuditRecord) -> RenderableType:
    """Return the audit as tables for a terminal: splits, classes, shared texts, warnings."""
    tables = (_split_table(record), _class_table(record), _shared_table(record))
    spaced = [part for table in tables for part in (table, Text())]
    return Group(*spaced[:-1], *format_warnings(record.warnings))


def format_warnings(warnings: Iterable[str]) -> list[Text]:
    """Return one paragraph for each warning, for a terminal."""
    return [Text.assemble("\n", ("note: ", "yellow"), warning) for warning in warnings]


def _split_table(record: AuditRecord) -> Table:
    table = _table("split", *record.splits)
    rows = {
        "rows": [f"{s.rows:,}" for s in record.splits.values()],
        "more than one label": [_share_of_several(s) for s in record.splits.values()],
        **_length_rows(record),
        "duplicate texts": [f"{s.duplicate_texts:,}" for s in record.splits.values()],
        "empty texts": [f"{s.empty_texts:,}" for s in record.splits.values()],
        "odd characters": [f"{s.odd_characters:,}" for s in record.splits.values()],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _share_of_several(split: SplitAudit) -> str:
    several = split.rows - split.labels_per_row.get(1, 0)
    return f"{several / split.rows:.1%}"


def _length_rows(record: AuditRecord) -> dict[str, list[str]]:
    lengths = [split.lengths for split in record.splits.values()]
    if all(item is None for item in lengths):
        return {}
    return {
        "tokens, mean": [f"{item.mean:.1f}" if item else "" for item in lengths],
        "tokens, 50 / 95 / 99 %": [
            f"{item.p50} / {item.p95} / {item.p99}" if item else "" for item in lengths
        ],
        "tokens, longest": [f"{item.longest:,}" if item else "" for item in lengths],
        "truncated texts": [f"{item.truncated:,}" if item else "" for item in lengths],
    }


def _class_table(record: AuditRecord) -> Table:
    table = _table("rows with the label", *record.splits)
    for label in record.labels:
        counts = (split.class_counts[label] for split in record.splits.values())
        # Text, because rich would read a label such as "[joy]" as markup
        table.add_row(Text(label), *(f"{count:,}" for count in counts))
    return table


def _shared_table(record: AuditRecord) -> Table:
    table = _table("rows whose text is also in another split", "rows")
    for pair, rows in record.shared_texts.items():
        table.add_row(pair, f"{rows:,}")
    return table


def _table(subject: str, *columns: str) -> Table:
    table = Table(subject, box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


_SHOWN = 5
_SEPARATORS = ("|", ";", ",", "/")


def find_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Return the notes of its reader and what looks wrong with its labels, in sentences."""
    return (
        *dataset.notes,
        *_lookalikes(dataset.label_names),
        *_lists_as_text(dataset.label_names),
        *_unsplit_labels(dataset.label_names),
        *_absent_labels(dataset),
    )


def name_some(names: Iterable[str]) -> str:
    """Return the first few names in quotes, and how many more there are."""
    every = [f"'{shown(name, 40)}'" for name in names]
    more = f" and {len(every) - _SHOWN:,} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _lookalikes(names: Sequence[str]) -> Iterator[str]:
    same: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        same[text_key(name)].append(name)
    for group in same.values():
        if len(group) > 1:
            yield (
                f"The labels {name_some(group)} differ only in case or white space and count as "
                f"{len(group)} labels. If they mean the same, spell them the same."
            )


def _lists_as_text(names: Sequence[str]) -> Iterator[str]:
    lists = [name for name in names if name.startswith("[") and name.endswith("]")]
    if len(lists) * 2 > len(names):
        yield (
            f"Labels such as '{shown(lists[0], 40)}' are lists written as text, and each counts as "
            "one label. Separate the names by a character such as |, and set data.label_separator "
            "to it."
        )


def _unsplit_labels(names: Sequence[str]) -> Iterator[str]:
    known = set(names)
    for separator in _SEPARATORS:
        joined = [
            name
            for name in names
            if separator in name and {part.strip() for part in name.split(separator)} <= known
        ]
        if joined:
            yield (
                f"Labels such as '{shown(joined[0], 40)}' look like several labels: each part is a "
                f"label, too. To split them, set data.label_separator to '{separator}'."
            )


def _absent_labels(dataset: Dataset) -> Iterator[str]:
    """Say which labels have no row in a split."""
    for split, meaning in (
        ("train", "they cannot be learnt"),
        ("validation", "no threshold can be chosen for them"),
        ("test", "how well they are learnt cannot be measured"),
    ):
        present = {label for row in dataset.splits[split].labels for label in row}
        absent = [name for i, name in enumerate(dataset.label_names) if i not in present]
        if absent:
            what = f"The {split} split has no row of {len(absent):,} of the labels"
            yield f"{what} ({name_some(absent)}): {meaning}."
