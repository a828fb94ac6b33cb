"""The columns that scoring adds to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from distillora.errors import InputError, did_you_mean
from distillora.inference.classifier import Prediction, TextClassifier
from distillora.readers.rows import CHUNK_CHARACTERS, CHUNK_ROWS, Kind, Row, group

KINDS: dict[str, Kind] = {
    "label": "str",
    "score": "float",
    "labels": "list",
    "toxicity": "float",
    "toxic": "bool",
    "truncated": "bool",
}
ALL_SCORES = "scores"
DEFAULT_COLUMNS = ("label", "score", "labels", "toxicity", "toxic")
_TOXIC = ("toxicity", "toxic")
# long texts have many more tokens than the model reads, so few are tokenized at once
_CHARACTERS_AT_ONCE = CHUNK_CHARACTERS >> 4


@dataclass(frozen=True)
class AddedColumn:
    """An added column: its name in the output, its kind, and how to read its value."""

    name: str
    kind: Kind
    read: Callable[[Prediction], Any]


class AddedColumns:
    """The selected columns, followed by ``error``.

    Args:
        classifier: the model.
        names: some of label, score, labels, toxicity, toxic, truncated and scores (one column
            ``score_LABEL`` per label); None for the default.
        prefix: prefix of every name, including ``error``.

    Raises:
        InputError: an unknown column, or one that the model cannot fill.
    """

    def __init__(
        self, classifier: TextClassifier, names: Sequence[str] | None, prefix: str
    ) -> None:
        if isinstance(names, str):
            raise InputError(f"`columns` must be a list of names, such as [{names!r}].")
        chosen = _choose(names, knows_toxicity=classifier.toxicity is not None)
        labels = classifier.labels if ALL_SCORES in chosen else ()
        self._classifier = classifier
        self._top_k = None if labels else 1
        self.columns = tuple(_columns(chosen, labels, prefix))
        self.error = f"{prefix}error"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the output."""
        return (*(column.name for column in self.columns), self.error)

    def kinds(self) -> dict[str, Kind]:
        """Return name -> kind."""
        kinds: dict[str, Kind] = {column.name: column.kind for column in self.columns}
        return {**kinds, self.error: "str"}

    def score(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return the values of the added columns for each row."""
        texts = [row.text for row in rows if row.text is not None]
        predictions = iter(self._predict(texts))
        return [self._values(row, None if row.text is None else next(predictions)) for row in rows]

    def _predict(self, texts: list[str]) -> Iterable[Prediction]:
        for batch in group(texts, len, CHUNK_ROWS, _CHARACTERS_AT_ONCE):
            yield from self._classifier.predict(batch, top_k=self._top_k)

    def _values(self, row: Row, prediction: Prediction | None) -> dict[str, Any]:
        values = {c.name: c.read(prediction) if prediction else None for c in self.columns}
        return {**values, self.error: row.error}


def _choose(names: Sequence[str] | None, *, knows_toxicity: bool) -> list[str]:
    if names is None:
        return [name for name in DEFAULT_COLUMNS if knows_toxicity or name not in _TOXIC]
    known = (*KINDS, ALL_SCORES)
    for name in names:
        if name not in known:
            raise InputError(f"Unknown column to add: '{name}'.{did_you_mean(name, known)}")
        if name in _TOXIC and not knows_toxicity:
            raise InputError(
                f"The column '{name}' needs a toxicity rule, and this model has none. Leave the "
                "column out, or name the labels that count with `toxicity`"
            )
    if not names:
        raise InputError(f"Name at least one column to add: {', '.join(known)}")
    return list(dict.fromkeys(names))


def _columns(chosen: Sequence[str], labels: Sequence[str], prefix: str) -> Iterable[AddedColumn]:
    for name in chosen:
        if name != ALL_SCORES:
            yield AddedColumn(prefix + name, KINDS[name], _attribute(name))
    for label in labels:
        yield AddedColumn(f"{prefix}score_{label}", "float", _score_of(label))


def _attribute(name: str) -> Callable[[Prediction], Any]:
    return lambda prediction: getattr(prediction, name)


def _score_of(label: str) -> Callable[[Prediction], Any]:
    return lambda prediction: prediction.scores[label]
