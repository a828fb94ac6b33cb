"""What one visit remembers, and what a tab needs to know. Nothing of it leaves the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from distillora.app.models import Choice
from distillora.app.samples import Drawing
from distillora.app.settings import Options
from distillora.inference.classifier import TextClassifier
from distillora.signals.toxicity import ToxicityRule

DEFAULT_TEXT = "I can't believe how amazing this day turned out!"
MOST_REMEMBERED = 20

Question = Literal["emotion", "toxicity"]


@dataclass(frozen=True)
class View:
    """What every tab is given.

    Attributes:
        options: what the app was started with.
        choices: the models on offer.
        choice, classifier: the chosen one.
        rule: the toxicity reading chosen in the sidebar; None if it names no label.
        examples: how many examples to show in place of the text; 0 for none.
        draw: number of the random draw.
    """

    options: Options
    choices: tuple[Choice, ...]
    choice: Choice
    classifier: TextClassifier
    rule: ToxicityRule | None
    examples: int
    draw: int

    def drawing(self, size: int) -> Drawing:
        """Return the drawing of this size from the app's data."""
        return Drawing(self.options.data, size, self.draw)


@dataclass(frozen=True)
class Asked:
    """A question of this visit: what was asked of which text."""

    question: Question
    text: str


def remember(asked: Asked) -> None:
    """Show this question's answer, and put it on top of the history."""
    st.session_state["asked"] = asked
    st.session_state.pop("explained", None)  # a new answer is explained by its own label
    past = [entry for entry in history() if entry != asked]
    st.session_state["history"] = [asked, *past][:MOST_REMEMBERED]


def current() -> Asked | None:
    """Return the question whose answer is shown."""
    asked: Asked | None = st.session_state.get("asked")
    return asked


def history() -> list[Asked]:
    """Return the questions of this visit, the last one first."""
    past: list[Asked] = st.session_state.get("history", [])
    return past


def forget() -> None:
    """Empty the history."""
    st.session_state["history"] = []
    st.session_state["asked"] = None
