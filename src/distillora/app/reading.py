"""What a prediction means in words: how sure the model is, and both readings of toxicity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distillora.app.bars import thresholds_of
from distillora.inference.classifier import EmotionClassifier, Prediction
from distillora.inference.toxicity import ORIGINAL_EMOTIONS, ToxicityRule, measure_toxicity
from distillora.probabilities import Task

CLOSE = 0.1
"""Two probabilities that differ by less are close."""


@dataclass(frozen=True)
class ToxicityReading:
    """Both readings of one text.

    Attributes:
        by_label: the original rule; None if the model knows none of its emotions.
        mass: probability on the rule's emotions; None without a rule.
        toxic: whether the mass reaches the rule's threshold.
        parts: emotion of the rule -> its probability, the highest first.
    """

    by_label: bool | None
    mass: float | None
    toxic: bool | None
    parts: dict[str, float]


def read_toxicity(prediction: Prediction, rule: ToxicityRule | None, task: Task) -> ToxicityReading:
    """Read the toxicity of a text from its emotions, by both rules."""
    known = set(ORIGINAL_EMOTIONS) & set(prediction.scores)
    by_label = prediction.label in ORIGINAL_EMOTIONS if known else None
    if rule is None:
        return ToxicityReading(by_label, None, None, {})
    labels = list(prediction.scores)
    row = np.array([list(prediction.scores.values())])
    mass = float(measure_toxicity(row, rule.columns(labels), task)[0])
    parts = {label: score for label, score in prediction.scores.items() if label in rule.emotions}
    return ToxicityReading(by_label, mass, mass >= rule.threshold, parts)


def tell_doubt(prediction: Prediction, classifier: EmotionClassifier) -> str | None:
    """Say why the model is unsure; None if it is not."""
    first, second = list(prediction.scores.items())[:2]
    thresholds = thresholds_of(classifier)
    if thresholds and not prediction.labels:
        near = max(
            prediction.scores, key=lambda label: prediction.scores[label] / thresholds[label]
        )
        return (
            f"No label reaches its threshold. The nearest is {near} with "
            f"{prediction.scores[near]:.2f} of {thresholds[near]:.2f}, so take "
            f"{prediction.label} as a guess."
        )
    both_count = first[0] in prediction.labels and second[0] in prediction.labels
    if first[1] - second[1] < CLOSE and not both_count:
        return (
            f"{first[0].capitalize()} ({first[1]:.2f}) and {second[0]} ({second[1]:.2f}) are "
            "close. The model can hardly tell which it is."
        )
    return None


def tell_labels(prediction: Prediction, most: int = 3) -> str:
    """Name the labels that count with their probabilities, or else the most probable one."""
    named = prediction.labels[:most] or (prediction.label,)
    told = ", ".join(f"{label} {prediction.scores[label]:.2f}" for label in named)
    more = len(prediction.labels) - most
    return told + (f" and {more} more" if more > 0 else "")
