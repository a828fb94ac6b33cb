"""From rows of any source to a dataset: labels read, rows checked, splits formed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distillora.data.dataset import SPLIT_NAMES, Dataset, Split
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
        text: None if there is none; ``problem`` says why.
        label: the value in the label column.
        split: the split that the source assigns, if any.
    """

    where: str
    id: str
    text: str | None
    label: Any
    split: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One row that can be used: its text, the names of its labels, and its split if assigned."""

    id: str
    text: str
    labels: tuple[str, ...]
    split: str | None


def build_dataset(
    rows: Sequence[RawRow],
    data: Data,
    source: str,
    *,
    label_column: str,
    class_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of rows whose labels and splits are still to be found.

    Args:
        rows: every row.
        data: the separator of labels, the shares of splits, whether incomplete rows may be dropped.
        source: where they come from, in words.
        label_column: for messages.
        class_names: the names behind numbers in the label column, if the file has them.
        notes: what was decided so far.

    Raises:
        DataError: rows without text or label, unusable labels, no training rows.
    """
    column = f"{source}: the column '{label_column}'"
    check_not_indicators([row.label for row in rows if row.label is not None], column)
    texts, dropped = _complete(rows, data, source, class_names)
    _check_texts(texts, source)
    check_names([row.labels for row in texts], column)
    names = order_names({name for row in texts for name in row.labels}, class_names)
    divided, drawn = _draw_missing_splits(texts, names, data, source)
    return assemble(divided, names, source, notes=(*notes, *dropped, *drawn))


def assemble(
    rows: Iterable[LabelledText], names: Sequence[str], source: str, *, notes: Sequence[str] = ()
) -> Dataset:
    """Make a dataset of rows that all have a split.

    Args:
        rows: the rows of each split in their order.
        names: label 0 first.
        source: where they come from, in words.
        notes: what was decided about them.

    Raises:
        DataError: a split has no rows.
    """
    number = {name: i for i, name in enumerate(names)}
    members: dict[str, list[LabelledText]] = {split: [] for split in SPLIT_NAMES}
    for row in rows:
        members[row.split or "train"].append(row)
    splits = {
        split: Split(
            tuple(row.text for row in own),
            tuple(tuple(number[name] for name in row.labels) for row in own),
            tuple(row.id for row in own),
        )
        for split, own in members.items()
    }
    for split, own in members.items():
        if not own:
            raise DataError(
                f"The {split} split of {source} has no rows. "
                "Training needs rows in each of train, validation and test."
            )
    return Dataset(splits, tuple(names), source, notes=tuple(notes))


def _complete(
    rows: Sequence[RawRow], data: Data, source: str, class_names: Sequence[str] | None
) -> tuple[list[LabelledText], list[str]]:
    """Return the rows with text and label, and a note on the others if they may be dropped."""
    complete: list[LabelledText] = []
    problems: list[str] = []
    for row in rows:
        try:
            labels = read_labels(row.label, data.label_separator, class_names)
        except ValueError as error:
            raise DataError(f"{source}, {row.where}: {error}.") from None
        if row.text is None:
            problems.append(f"{row.where}: {row.problem}")
        elif not labels:
            problems.append(f"{row.where}: it has no label")
        else:
            complete.append(LabelledText(row.id, row.text, labels, row.split))
    if not problems:
        return complete, []
    shown = "; ".join(problems[:_ROWS_NAMED])
    more = f"; and {len(problems) - _ROWS_NAMED:,} more" if len(problems) > _ROWS_NAMED else ""
    count = f"{len(problems):,} of {len(rows):,} rows"
    if data.drop_incomplete and complete:
        return complete, [f"{count} were left out, having no text or no label: {shown}{more}."]
    raise DataError(
        f"{source}: {count} cannot be used: {shown}{more}. Fill them in (where no label applies, "
        "give a label of its own, such as none), or leave them out with "
        "`data.drop_incomplete: true`."
    )


def _check_texts(rows: Sequence[LabelledText], source: str) -> None:
    if rows and all(_is_number(row.text) for row in rows):
        raise DataError(
            f"{source}: the column of the texts contains only numbers, such as {rows[0].text}. "
            "Name another with `text_column`."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _draw_missing_splits(
    rows: Sequence[LabelledText], names: Sequence[str], data: Data, source: str
) -> tuple[list[LabelledText], list[str]]:
    """Return the rows with a split each, drawing from train what the source does not assign."""
    pool = [row for row in rows if row.split in (None, "train")]
    given = {row.split for row in rows} - {None, "train"}
    if not pool:
        only = " and ".join(split for split in SPLIT_NAMES if split in given)
        raise DataError(f"{source} has rows for {only} only. Training needs rows of train, too.")
    missing = [split for split in SPLIT_NAMES[1:] if split not in given]
    if not missing:
        return list(rows), []
    drawn = _draw(pool, names, missing, data)
    if empty := [split for split in missing if not drawn[split]]:
        raise DataError(
            f"{source}: {len(pool)} rows are too few to draw {' and '.join(empty)} from: a label "
            "needs at least 3 different texts to be in every split. Add rows, or give these splits."
        )
    counts = ", ".join(f"{split} {len(own):,}" for split, own in drawn.items())
    divided = [replace(row, split=split) for split, own in drawn.items() for row in own]
    assigned = [row for row in rows if row.split in given]
    return [*divided, *assigned], [
        f"{' and '.join(missing)} were drawn from the rows, stratified by label, with "
        f"data.split_seed {data.split_seed}: {counts}."
    ]


def _draw(
    pool: Sequence[LabelledText], names: Sequence[str], missing: Sequence[str], data: Data
) -> dict[str, list[LabelledText]]:
    number = {name: i for i, name in enumerate(names)}
    shares = dict(zip(SPLIT_NAMES, data.split_shares, strict=True))
    whole = shares["train"] + sum(shares[split] for split in missing)
    drawn = draw_splits(
        [row.text for row in pool],
        [tuple(number[name] for name in row.labels) for row in pool],
        {split: shares[split] / whole for split in ("train", *missing)},
        data.split_seed,
    )
    return {split: [pool[i] for i in own] for split, own in drawn.items()}
