"""The effect of each word on a label, by occlusion, which needs no gradients."""

from __future__ import annotations

import re
from dataclasses import dataclass

from distillora.errors import InputError, did_you_mean
from distillora.inference.classifier import TextClassifier


@dataclass(frozen=True)
class WordEffect:
    """One word of a text.

    Attributes:
        word: the characters from ``start`` to ``end`` (exclusive) of the text.
        effect: the label's logit with the word minus the logit without it: positive if the word
            speaks for the label, negative if it speaks against it.
    """

    word: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True)
class Explanation:
    """The effect of each word of a text on the logit of a label, in text order."""

    text: str
    label: str
    logit: float
    words: tuple[WordEffect, ...]


def explain(
    classifier: TextClassifier, text: str, label: str | None = None, *, most_words: int = 128
) -> Explanation:
    """Measure each word's effect on a label's logit by leaving the word out.

    Source: occlusion (Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2), as leave-one-out on
    words (Li et al. 2016, arXiv 1612.08220, eq. 1). Each text is run in a batch of one, so an
    effect is exactly the difference of two logits that ``score`` returns for single texts.

    Args:
        classifier: the model to explain.
        text: the text to explain.
        label: the label to explain; by default the most probable one.
        most_words: explain only this many words from the start; the model reads at most 128
            tokens.

    Raises:
        InputError: the model has no such label.
    """
    if label is not None and label not in classifier.labels:
        raise InputError(
            f"The model has no label '{label}'.{did_you_mean(label, classifier.labels)}"
        )
    spans = [match.span() for match in re.finditer(r"\S+", text)][:most_words]
    without = [text[:start] + text[end:] for start, end in spans]
    logits = classifier.score([text, *without], batch_size=1).logits.astype(float)
    column = classifier.labels.index(label) if label else int(logits[0].argmax())
    whole = float(logits[0, column])
    words = tuple(
        WordEffect(text[start:end], start, end, whole - float(logit))
        for (start, end), logit in zip(spans, logits[1:, column], strict=True)
    )
    return Explanation(text, classifier.labels[column], whole, words)
