"""Predictions in words: how sure the model is, toxicity by both rules, effects of words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from distillora.app.bars import thresholds_of
from distillora.inference.classifier import Prediction, TextClassifier
from distillora.inference.explain import Explanation, WordEffect
from distillora.probabilities import TaskType
from distillora.signals.toxicity import ORIGINAL_EMOTIONS, ToxicityRule, measure_toxicity

CLOSE = 0.1
"""Two probabilities are close if they differ by less than this."""


@dataclass(frozen=True)
class ToxicityReading:
    """The toxicity of one text by both rules.

    Attributes:
        by_label: the original study's rule; None if the model has none of its emotions.
        mass: the probability of the rule's emotions, in [0, 1]; None without a rule.
        toxic: whether ``mass`` reaches the rule's threshold.
        parts: emotion of the rule -> its probability, the highest first.
    """

    by_label: bool | None
    mass: float | None
    toxic: bool | None
    parts: dict[str, float]


def read_toxicity(
    prediction: Prediction, rule: ToxicityRule | None, task: TaskType
) -> ToxicityReading:
    """Compute the toxicity of a text from its emotions, by both rules."""
    known = set(ORIGINAL_EMOTIONS) & set(prediction.scores)
    by_label = prediction.label in ORIGINAL_EMOTIONS if known else None
    if rule is None:
        return ToxicityReading(by_label, None, None, {})
    labels = list(prediction.scores)
    row = np.array([list(prediction.scores.values())])
    mass = float(measure_toxicity(row, rule.columns(labels), task)[0])
    parts = {label: score for label, score in prediction.scores.items() if label in rule.emotions}
    return ToxicityReading(by_label, mass, mass >= rule.threshold, parts)


def tell_doubt(prediction: Prediction, classifier: TextClassifier) -> str | None:
    """Explain why the model is unsure; None if it is not."""
    first, second = list(prediction.scores.items())[:2]
    thresholds = thresholds_of(classifier)
    if thresholds and not prediction.labels:
        near = max(
            prediction.scores, key=lambda label: prediction.scores[label] / thresholds[label]
        )
        return (
            f"No label reaches its threshold. The closest is {near} with "
            f"{prediction.scores[near]:.2f} of {thresholds[near]:.2f}, so {prediction.label} is "
            "only a guess."
        )
    both_count = first[0] in prediction.labels and second[0] in prediction.labels
    if first[1] - second[1] < CLOSE and not both_count:
        return (
            f"{first[0].capitalize()} ({first[1]:.2f}) and {second[0]} ({second[1]:.2f}) are "
            "close, so either may be right."
        )
    return None


def tell_labels(prediction: Prediction, most: int = 3) -> str:
    """List the predicted labels with their probabilities, or else the most probable one."""
    named = prediction.labels[:most] or (prediction.label,)
    told = ", ".join(f"{label} {prediction.scores[label]:.2f}" for label in named)
    more = len(prediction.labels) - most
    return told + (f" and {more} more" if more > 0 else "")


_LEVELS = 3
# smaller effects are not shown: a logit moves that much with any change
_LEAST = 0.05


def highlight(explanation: Explanation) -> str:
    """Return the text as HTML, with its words marked by their effects."""
    parts, end = [], 0
    most = max((abs(word.effect) for word in explanation.words), default=0.0)
    for word in explanation.words:
        parts.append(escape(explanation.text[end : word.start]))
        parts.append(_mark(word, most))
        end = word.end
    parts.append(escape(explanation.text[end:]))
    return f'<p class="dl-text">{"".join(parts)}</p>'


def tell_effects(explanation: Explanation, most: int = 4) -> str:
    """Name the words with the largest effects, in one or two sentences of plain text."""
    pushed = sorted((w for w in explanation.words if w.effect > _LEAST), key=lambda w: -w.effect)
    held = sorted((w for w in explanation.words if w.effect < -_LEAST), key=lambda w: w.effect)
    label, said = explanation.label, []
    if pushed:
        said.append(f"For {label}: {_list(pushed[:most])}.")
    if held:
        said.append(f"Against {label}: {_list(held[:most])}.")
    return " ".join(said) or f"No single word moves {label} much."


def _list(words: list[WordEffect]) -> str:
    return ", ".join(f"“{word.word}” {_signed(word.effect)}" for word in words)


def _mark(word: WordEffect, most: float) -> str:
    text = escape(word.word)
    if abs(word.effect) <= _LEAST:
        return text
    level = min(_LEVELS, 1 + int(_LEVELS * abs(word.effect) / most)) if most else 1
    side, way = ("for", "for the label") if word.effect > 0 else ("against", "against the label")
    title = f"{_signed(word.effect)}: {way}"
    return f'<span class="dl-{side} dl-level-{level}" title="{escape(title)}">{text}</span>'


def _signed(effect: float) -> str:
    return f"{effect:+.2f}".replace("-", "−")
