"""What a prediction means in words: how sure the model is, and both readings of toxicity."""

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


def read_toxicity(
    prediction: Prediction, rule: ToxicityRule | None, task: TaskType
) -> ToxicityReading:
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


def tell_doubt(prediction: Prediction, classifier: TextClassifier) -> str | None:
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


_LEVELS = 3
# effects below this are nothing to speak of: a logit moves by so much for no reason
_LEAST = 0.05


def highlight(explanation: Explanation) -> str:
    """Return the text as HTML with its words marked."""
    parts, end = [], 0
    most = max((abs(word.effect) for word in explanation.words), default=0.0)
    for word in explanation.words:
        parts.append(escape(explanation.text[end : word.start]))
        parts.append(_mark(word, most))
        end = word.end
    parts.append(escape(explanation.text[end:]))
    return f'<p class="dl-text">{"".join(parts)}</p>'


def tell_effects(explanation: Explanation, most: int = 4) -> str:
    """Say which words did most, as Markdown-free text in one or two sentences."""
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
    side, way = ("for", "pushes it") if word.effect > 0 else ("against", "holds it back")
    title = f"{_signed(word.effect)}: {way}"
    return f'<span class="dl-{side} dl-level-{level}" title="{escape(title)}">{text}</span>'


def _signed(effect: float) -> str:
    return f"{effect:+.2f}".replace("-", "−")
