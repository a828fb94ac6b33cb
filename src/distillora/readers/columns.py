"""Which column is which, by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from distillora.errors import DataError, did_you_mean
from distillora.readers.rows import shown

_TEXT_NAMES = (
    ("text", "comment", "body"),
    ("texts", "comments", "message", "sentence", "content", "review", "utterance", "tweet"),
)
_LABEL_NAMES = (
    ("label", "labels"),
    ("class", "category", "target", "intent", "topic", "queue", "sentiment", "emotion", "tag"),
    ("classes", "categories", "tags", "topics", "emotions", "y"),
)


def choose_text_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the wanted column, or the only possible one.

    Raises:
        DataError: it does not exist, or there are several.
    """
    if wanted is not None:
        return check_column(columns, wanted, name)
    found = columns[0] if len(columns) == 1 else find_column(columns, _TEXT_NAMES)
    if found is None:
        raise DataError(
            f"{name}: which column holds the texts? Name it with --text-column. "
            f"Its columns: {shown(', '.join(columns), 400)}"
        )
    return found


def choose_label_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """Return the wanted column of those that are neither texts nor splits, or the likely one.

    Raises:
        DataError: it does not exist, or none or several are likely.
    """
    if wanted is not None:
        return check_column(columns, wanted, name, "Its columns beside the texts")
    found = columns[0] if len(columns) == 1 else find_column(columns, _LABEL_NAMES)
    if found is None:
        raise DataError(
            f"{name}: which column holds the labels? Name it with --label-column. "
            f"Its columns beside the texts: {shown(', '.join(columns), 400) or 'none'}"
        )
    return found


def check_column(
    columns: Collection[str], wanted: str, name: str, listing: str = "Its columns"
) -> str:
    """Return the wanted column.

    Raises:
        DataError: the file has none of this name.
    """
    if wanted not in columns:
        hint = did_you_mean(wanted, columns)
        hint = hint if "Did you mean" in hint else ""  # all of them are listed anyway
        listed = shown(", ".join(columns), 400)
        raise DataError(f"{name} has no column '{wanted}'.{hint} {listing}: {listed}")
    return wanted


def find_column(columns: Sequence[str], tiers: Sequence[Collection[str]]) -> str | None:
    """Return the column whose name, case aside, is in the first tier that has any.

    None if no tier has one, or the first that has any has several: then it is not clear.

    >>> find_column(["ID", "Label", "class"], [("label",), ("class",)])
    'Label'
    """
    for tier in tiers:
        found = [column for column in columns if column.strip().casefold() in tier]
        if found:
            return found[0] if len(found) == 1 else None
    return None
