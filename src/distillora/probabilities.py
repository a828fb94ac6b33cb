"""Probabilities from logits, for single-label and multi-label tasks."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

TaskType = Literal["single_label", "multi_label"]


def sigmoid(logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the sigmoid of each logit, of any shape, in float64 and without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))


def softmax(logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return probabilities that sum to 1 over the last axis, in float64 and without overflow."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def to_probabilities(logits: npt.ArrayLike, task: TaskType) -> npt.NDArray[np.float64]:
    """Return the softmax (single-label) or sigmoid (multi-label) of logits, in their shape."""
    return softmax(logits) if task == "single_label" else sigmoid(logits)
