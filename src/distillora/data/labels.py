"""Labels: from the values of a column to names, checks of names, and GoEmotions' groupings."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any, Literal

from distillora.data.dataset import Dataset, Split
from distillora.errors import DataError, did_you_mean
from distillora.readers.rows import shown

MOST_LABELS = 1000
# more different fractions than this are measurements; fewer may be half stars
_MOST_FRACTIONS = 20
# how data sets on the Hub mark a row whose label is withheld
_UNLABELLED = -1


def read_labels(
    value: Any, separator: str | None = None, class_names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the names of the labels in one cell, each once, without white space around them.

    >>> read_labels("bug | login", "|"), read_labels(["a", "b"]), read_labels(3.0), read_labels("")
    (('bug', 'login'), ('a', 'b'), ('3',), ())

    Args:
        value: a string, a number, true or false, a list of these, or None.
        separator: what separates the labels in a string.
        class_names: the names behind label numbers, if the file has them.

    Raises:
        ValueError: the value is none of these; the message says what it is.
    """
    if isinstance(value, list | tuple):
        parts: Sequence[Any] = value
    elif isinstance(value, str) and separator is not None:
        parts = value.split(separator)
    else:
        parts = [value]
    return tuple(dict.fromkeys(name for part in parts if (name := _name(part, class_names))))


def _name(value: Any, class_names: Sequence[str] | None) -> str:
    """Return the name of one label; an empty one if it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # an integer column with gaps is often written with fractions
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return _class_name(value, class_names)
    if isinstance(value, str):
        return value.strip()
    raise ValueError(f"the label is {_kind(value)}, not a name, a number or a list of these")


def _class_name(number: int, class_names: Sequence[str] | None) -> str:
    if class_names is None:
        return str(number)
    if number == _UNLABELLED:
        return ""
    if not 0 <= number < len(class_names):
        raise ValueError(
            f"the label is {number}, and the names go from 0 to {len(class_names) - 1}"
        )
    return class_names[number].strip()


def _kind(value: Any) -> str:
    return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"


def check_label_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return a list of label names, label 0 first.

    Raises:
        DataError: it is empty, or a name is empty or occurs twice.
    """
    if not names:
        raise DataError(f"{where} names no labels. Write one label name per line, label 0 first.")
    for number, name in enumerate(names):
        if not name:
            raise DataError(
                f"{where}: label {number} has no name. Write one name per line without blank "
                "lines between them, since the line is the label's number."
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{where}: '{twice[0]}' occurs more than once. Give each label its own name."
        )
    return tuple(names)


def class_names_of(schema: Any, column: str, where: str) -> tuple[str, ...] | None:
    """Return the label names of a column of ``ClassLabel`` or lists of it, None for other columns.

    Args:
        schema: a ``pyarrow.Schema``; ``datasets`` writes the names into its metadata.
        column: the name of the column.
        where: the file or data set, for messages.

    Raises:
        DataError: the metadata cannot be read, or a name occurs twice.
    """
    metadata = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        # {"feature": ClassLabel, "_type": "List"} today, [ClassLabel] in old files
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (AttributeError, KeyError, IndexError, TypeError):
        return None
    except ValueError as error:
        raise DataError(f"{where}: its 'huggingface' metadata is not JSON: {error}.") from None
    return check_label_names(names, where)


def order_names(names: Collection[str], class_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return names in the order of the file's class names, or else in numeric or alphabetic order.

    >>> order_names({"10", "9"}, None), order_names({"b", "a"}, None)
    (('9', '10'), ('a', 'b'))
    """
    if class_names is not None:
        known = [name.strip() for name in class_names]
        if set(names) <= set(known):
            return tuple(name for name in dict.fromkeys(known) if name in names)
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def check_names(rows: Sequence[Sequence[str]], where: str) -> None:
    """Check that the labels of the rows can be learnt.

    Args:
        rows: the label names of each row that has any.
        where: file and column, for messages.

    Raises:
        DataError: no label, only one, more than 1,000, a different one in each row, or
            measurements.
    """
    names = {name for row in rows for name in row}
    if not names:
        raise DataError(f"{where} contains no label. Name another column with `label_column`.")
    if len(names) == 1:
        raise DataError(
            f"{where} contains only one label, '{shown(next(iter(names)))}'. "
            "A classifier needs at least 2 to choose from."
        )
    if _are_measurements(names):
        raise DataError(
            f"{where} contains {len(names):,} different fractions, such as {min(names)}: these are "
            "measurements (regression), not labels. Write classes instead, such as low and high."
        )
    if len(rows) > 2 and len(names) >= sum(map(len, rows)):
        raise DataError(
            f"{where}: no label occurs in two rows, so the column seems to identify the row. "
            "Name another column with `label_column`."
        )
    if len(names) > MOST_LABELS:
        raise DataError(
            f"{where} contains {len(names):,} different labels, and {MOST_LABELS:,} is the most. "
            "Name another column with `label_column`, or group the labels."
        )


def check_not_indicators(values: Sequence[Any], where: str) -> None:
    """Refuse indicator lists such as [0, 1, 0], which do not name the labels.

    Raises:
        DataError: every value is such a list.
    """
    lists = [tuple(value) for value in values if isinstance(value, list)]
    if not lists or len(lists) < len(values) or len({len(row) for row in lists}) > 1:
        return
    numbers = {one for row in lists for one in row if isinstance(one, int | float)}
    everything = {one for row in lists for one in row if not isinstance(one, list | dict)}
    if len(lists[0]) > 2 and numbers == everything and numbers <= {0, 1}:
        raise DataError(
            f"{where} contains lists of 0 and 1, such as {list(lists[0])}, which do not name "
            'labels. Write the names of those that apply, such as ["bug", "login"].'
        )


def _are_measurements(names: Collection[str]) -> bool:
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return False
    fractions = [one for one in numbers if not one.is_integer()]
    return len(numbers) > _MOST_FRACTIONS and bool(fractions)


Taxonomy = Literal["goemotions", "ekman", "sentiment"]

EKMAN: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("joy", "amusement", "approval", "excitement", "gratitude", "love"),
        *("optimism", "relief", "pride", "admiration", "desire", "caring"),
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}
SENTIMENT: dict[str, tuple[str, ...]] = {
    "positive": (
        *("amusement", "excitement", "joy", "love", "desire", "optimism"),
        *("caring", "pride", "admiration", "gratitude", "relief", "approval"),
    ),
    "negative": (
        *("fear", "nervousness", "remorse", "embarrassment", "disappointment", "sadness"),
        *("grief", "disgust", "anger", "annoyance", "disapproval"),
    ),
    "ambiguous": ("realization", "surprise", "curiosity", "confusion"),
    "neutral": ("neutral",),
}
_GROUPS = {"ekman": EKMAN, "sentiment": SENTIMENT}


def are_emotions(labels: Iterable[str]) -> bool:
    """Whether every label is one of GoEmotions' 28 or of their groups."""
    known = {name for groups in _GROUPS.values() for name in chain(groups, *groups.values())}
    return set(labels) <= known


def apply_taxonomy(dataset: Dataset, name: Taxonomy) -> Dataset:
    """Replace each label by its group; several labels of one group count once.

    The order within a row is kept, so the class of a row is the group of its first label.
    ``goemotions`` leaves any data set as it is.

    Raises:
        DataError: the data set has a label that is not one of GoEmotions' 28.
    """
    if name == "goemotions":
        return dataset
    groups = _GROUPS[name]
    group_of = {label: i for i, labels in enumerate(groups.values()) for label in labels}
    for label in dataset.label_names:
        if label not in group_of:
            raise DataError(
                f"taxonomy '{name}' is for the labels of GoEmotions, and {dataset.source} has the "
                f"label '{label}'.{did_you_mean(label, group_of)} Set data.taxonomy to "
                "'goemotions', which leaves the labels of any data set as they are."
            )
    mapping = [group_of[label] for label in dataset.label_names]
    splits = {key: _regroup(split, mapping) for key, split in dataset.splits.items()}
    return dataset.with_splits(splits, label_names=tuple(groups))


def _regroup(split: Split, mapping: list[int]) -> Split:
    labels = (tuple(dict.fromkeys(mapping[label] for label in row)) for row in split.labels)
    return Split(split.texts, tuple(labels), split.ids)
