"""Toxicity, computed from predicted emotions: a heuristic, not a moderation model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from distillora.errors import InputError, did_you_mean
from distillora.probabilities import TaskType

ORIGINAL_EMOTIONS = ("anger", "annoyance", "disapproval", "disgust", "sadness")
"""The original study called a comment toxic if its predicted emotion was one of these."""

HOSTILE_EMOTIONS = ("anger", "annoyance", "disapproval", "disgust")
"""The same without sadness: a sad text is not toxic."""


class ToxicityRule(BaseModel):
    """Flags a text with a high probability of hostile emotions as toxic.

    Attributes:
        emotions: the labels that count towards toxicity.
        threshold: a text is toxic at or above this toxicity, in (0, 1).

    Raises:
        InputError: a value of another type, or a threshold outside (0, 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    emotions: tuple[str, ...] = HOSTILE_EMOTIONS
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    if not TYPE_CHECKING:  # which would hide the types of the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(map(str, first["loc"]))
                raise InputError(f"ToxicityRule: {key}: {first['msg']}.") from None

    def columns(self, labels: Sequence[str]) -> list[int]:
        """Return the indices of the emotions among the labels.

        Raises:
            InputError: an emotion is not a label, or there are no emotions.
        """
        if not self.emotions:
            raise InputError("Toxicity needs at least one emotion.")
        for emotion in self.emotions:
            if emotion not in labels:
                hint = did_you_mean(emotion, labels)
                raise InputError(f"Toxicity: the model has no label '{emotion}'.{hint}")
        return [labels.index(emotion) for emotion in dict.fromkeys(self.emotions)]


def measure_toxicity(
    probabilities: npt.NDArray[np.floating], columns: Sequence[int], task: TaskType
) -> npt.NDArray[np.float64]:
    """Return the probability that one of some labels applies.

    Single-label: the sum, since the labels exclude each other. Multi-label: the probability that
    at least one of them applies, 1 - prod(1 - p), as if they were independent.

    Args:
        probabilities: in [0, 1], shape (rows, labels).
        columns: indices of the labels.

    Returns:
        Toxicity in [0, 1], shape (rows,).
    """
    chosen = np.asarray(probabilities, dtype=np.float64)[:, list(columns)]
    if task == "single_label":
        return np.asarray(np.clip(chosen.sum(axis=1), 0.0, 1.0))
    return np.asarray(1.0 - np.prod(1.0 - chosen, axis=1))
