"""Rows of a data set of any kind, from cells to a dataset: checked, named, divided into splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distillora.data.dataset import SPLIT_NAMES, Dataset, Split, check_splits
from distillora.data.labels import check_names, check_not_indicators, order_names, read_labels
from distillora.data.splits import draw_splits
from distillora.errors import DataError
from distillora.recipe import Data

_ROWS_NAMED = 10


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it was read.

    Attributes:
        where: its place, as a person would look it up.
        id: its identifier in predictions.
        text: None if there is none, and then ``problem`` says why.
        label: whatever stands in the label column.
        split: the split that it is given, if it is given one.
    """

    where: str
    id: str
    text: str | None
    label: Any
    split: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One row that can be used: its text, its labels by name, its split if one is given."""

    id: str
    text: str
    labels: tuple[str, ...]
    split: str | None


def build_dataset(
    cells: Sequence[RawRow],
    data: Data,
    source: str,
    *,
    label_column: str,
    class_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of rows.

    Args:
        cells: every row.
        data: the separator of labels, the shares of splits, whether incomplete rows may go.
        source: where they come from, in words.
        label_column: for messages.
        class_names: what numbers in the label column stand for, if the file says so.
        notes: what was decided so far.

    Raises:
        DataError: rows without text or label, labels that are none, no training rows.
    """
    column = f"{source}: the column '{label_column}'"
    check_not_indicators([row.label for row in cells if row.label is not None], column)
    examples, dropped = _complete(cells, data, source, class_names)
    _check_texts(examples, source)
    check_names([row.labels for row in examples], column)
    names = order_names({name for row in examples for name in row.labels}, class_names)
    number = {name: i for i, name in enumerate(names)}
    labels = [tuple(number[name] for name in row.labels) for row in examples]
    rows, drawn = _divide(examples, labels, data, source)
    splits = {
        split: Split(
            tuple(examples[i].text for i in own),
            tuple(labels[i] for i in own),
            tuple(examples[i].id for i in own),
        )
        for split, own in rows.items()
    }
    return check_splits(Dataset(splits, names, source, notes=(*notes, *dropped, *drawn)))


def _complete(
    cells: Sequence[RawRow], data: Data, source: str, class_names: Sequence[str] | None
) -> tuple[list[LabelledText], list[str]]:
    """Return the rows with text and label, and a note on the others if they may go."""
    examples: list[LabelledText] = []
    problems: list[str] = []
    for row in cells:
        try:
            labels = read_labels(row.label, data.label_separator, class_names)
        except ValueError as error:
            raise DataError(f"{source}, {row.where}: {error}.") from None
        if row.text is None:
            problems.append(f"{row.where}: {row.problem}")
        elif not labels:
            problems.append(f"{row.where}: it has no label")
        else:
            examples.append(LabelledText(row.id, row.text, labels, row.split))
    if not problems:
        return examples, []
    shown = "; ".join(problems[:_ROWS_NAMED])
    more = f"; and {len(problems) - _ROWS_NAMED:,} more" if len(problems) > _ROWS_NAMED else ""
    count = f"{len(problems):,} of {len(cells):,} rows"
    if data.drop_incomplete and examples:
        return examples, [f"{count} were left out, having no text or no label: {shown}{more}."]
    raise DataError(
        f"{source}: {count} cannot be used: {shown}{more}. Fill them in (where no label applies, "
        "give a label of its own, such as none), or leave them out: data.drop_incomplete: true."
    )


def _check_texts(examples: Sequence[LabelledText], source: str) -> None:
    if examples and all(_is_number(row.text) for row in examples):
        raise DataError(
            f"{source}: the column of the texts holds numbers alone, such as {examples[0].text}. "
            "Name another with `text_column`."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _divide(
    examples: Sequence[LabelledText], labels: Sequence[tuple[int, ...]], data: Data, source: str
) -> tuple[dict[str, list[int]], list[str]]:
    """Return the rows of each split; splits that are not given are drawn from train."""
    rows: dict[str, list[int]] = {split: [] for split in SPLIT_NAMES}
    for i, example in enumerate(examples):
        rows[example.split or "train"].append(i)
    if not rows["train"]:
        given = " and ".join(split for split in SPLIT_NAMES if rows[split])
        raise DataError(f"{source} has rows for {given} alone. Training needs rows of train, too.")
    missing = [split for split in SPLIT_NAMES[1:] if not rows[split]]
    if not missing:
        return rows, []
    shares = dict(zip(SPLIT_NAMES, data.split_shares, strict=True))
    whole = shares["train"] + sum(shares[split] for split in missing)
    pool = rows["train"]
    drawn = draw_splits(
        [examples[i].text for i in pool],
        [labels[i] for i in pool],
        {split: shares[split] / whole for split in ("train", *missing)},
        data.split_seed,
    )
    rows |= {split: [pool[i] for i in own] for split, own in drawn.items()}
    empty = [split for split in missing if not rows[split]]
    if empty:
        raise DataError(
            f"{source}: {len(pool)} rows are too few to draw {' and '.join(empty)} from: a label "
            "is dealt out once it has 3 different texts. Add rows, or give these splits."
        )
    counts = ", ".join(f"{split} {len(rows[split]):,}" for split in drawn)
    return rows, [
        f"{' and '.join(missing)} were drawn from the rows, stratified by label, with "
        f"data.split_seed {data.split_seed}: {counts}."
    ]


SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What a split may be called in a column or a file's name."""


def split_called(word: object) -> str | None:
    """Return the split that a word names, None if it names none."""
    return SPLIT_WORDS.get(str(word).strip().casefold())
