"""The app's texts about itself and its models."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distillora.data.labels import are_emotions
from distillora.readers.rows import shown

ABOUT = "Small text classifiers."

_LABELS_NAMED = 6
_OF_EMOTIONS = """
- **Not a moderation model.** Toxicity is a heuristic: the probability of hostile emotions. It
  misses calm insults and flags justified anger. Do not use it to make decisions about people.
- **English Reddit from before 2020.** GoEmotions contains nothing else. Expect poor results for
  other languages, other sites and newer slang, and the biases of Reddit and of the raters.
- **Raters disagreed.** They often chose different emotions for the same comment. Rare emotions
  (grief, pride, relief) have too few examples to be learned well.
- **Sadness does not count as hostile.** The original study called a comment toxic if its emotion
  was anger, annoyance, disapproval, disgust or *sadness*. A sad text is not toxic, and hiding
  grief does harm. The app shows that rule for comparison only. You can change the emotions and
  the threshold in the sidebar.
"""
_OF_OTHER_LABELS = """
- **It is limited to its training data.** Expect poor results for other kinds of text and other
  languages. A single-label model assigns a label even if none applies.
"""
_OF_ALL = """
- **Long texts are cut.** The model reads at most 128 tokens, and the app says if a text was cut.
- **Word effects are a hint.** They show how the score changes without a word, not what the writer
  meant.
"""

PRIVACY = (
    "Your texts are processed on the machine that runs this app and kept in memory for this visit. "
    "They are neither logged nor part of the link."
)


def tagline(labels: Sequence[str]) -> str:
    """Describe a model by its labels, in Markdown.

    >>> tagline(("bug", "praise"))
    'Classifies texts by 2 labels: bug, praise.'
    """
    if are_emotions(labels):
        return f"Classifies English comments by {len(labels)} emotions. Not a moderation model."
    named = [_plain(label) for label in labels[:_LABELS_NAMED]]
    more = ", …" if len(labels) > len(named) else ""
    return f"Classifies texts by {len(labels):,} labels: {', '.join(named)}{more}."


def question(labels: Sequence[str]) -> str:
    """Return the name of the button for a prediction.

    >>> question(("bug", "praise"))
    'Predict Label'
    """
    return "Predict Emotion" if are_emotions(labels) else "Predict Label"


def limits(labels: Sequence[str]) -> str:
    """Describe the limits of a model with these labels, in Markdown."""
    return (_OF_EMOTIONS if are_emotions(labels) else _OF_OTHER_LABELS).rstrip() + _OF_ALL


def _plain(label: str) -> str:
    """Return a label with Markdown's special characters escaped."""
    return re.sub(r"([^\w\s])", r"\\\1", shown(label, 40))
