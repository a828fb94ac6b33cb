"""What the app says of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distillora.data.labels import are_emotions
from distillora.readers.rows import shown

ABOUT = "Texts, as a small model reads them."

_LABELS_NAMED = 6
_OF_EMOTIONS = """
- **No moderation model.** The toxicity reading is a heuristic: it only asks how much probability
  lies on hostile emotions. A calm insult passes, honest anger does not. Decide about nobody with
  it.
- **English Reddit from before 2020.** That is what GoEmotions holds. Other languages, other
  places and later slang are read badly, and the biases of that place and of its raters are in it.
- **People disagree too.** Raters often chose different emotions for one comment, and rare ones
  (grief, pride, relief) were seen too seldom to be learnt well.
- **Why sadness is left out.** The original study called a comment toxic when its emotion was
  anger, annoyance, disapproval, disgust or *sadness*. To be sad is not to be toxic, and calling
  it so would silence those who need to be heard. That rule is shown for comparison; the better
  reading leaves sadness out. You can change its emotions and threshold in the sidebar.
"""
_OF_OTHER_LABELS = """
- **It knows what it was taught.** Texts of another kind or in another language than those that it
  learnt from are read badly, and a text to which none of its labels applies gets one all the same
  unless the model can leave all of them out.
"""
_OF_ALL = """
- **A text is short.** What lies beyond the model's longest text (at most 128 tokens) is not read;
  the app says so when it happens.
- **Words' effects are a hint.** They show how the score changes when a word is left out, not what
  the writer felt.
"""

PRIVACY = (
    "Your texts are read on the machine that runs this app, stay in this visit's memory, and are "
    "neither logged nor put into the link."
)


def tagline(labels: Sequence[str]) -> str:
    """Say, in Markdown, which labels a model tells apart.

    >>> tagline(("bug", "praise"))
    'Which of 2 labels a text has (bug, praise), as a small model reads it.'
    """
    if are_emotions(labels):
        return (
            f"Which of {len(labels)} emotions a text shows, as a small model reads it. "
            "For English comments; no moderation model."
        )
    named = [_plain(label) for label in labels[:_LABELS_NAMED]]
    more = ", …" if len(labels) > len(named) else ""
    return (
        f"Which of {len(labels):,} labels a text has ({', '.join(named)}{more}), "
        "as a small model reads it."
    )


def question(labels: Sequence[str]) -> str:
    """Name the button that asks for a model's labels.

    >>> question(("bug", "praise"))
    'Predict Label'
    """
    return "Predict Emotion" if are_emotions(labels) else "Predict Label"


def limits(labels: Sequence[str]) -> str:
    """Say, in Markdown, what a model with these labels cannot do."""
    return (_OF_EMOTIONS if are_emotions(labels) else _OF_OTHER_LABELS).rstrip() + _OF_ALL


def _plain(label: str) -> str:
    """Return a label that Markdown leaves as it is."""
    return re.sub(r"([^\w\s])", r"\\\1", shown(label, 40))
