"""The state of a visit, which stays in its session, and the view that every tab is given."""

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
    """The input of every tab.

    Attributes:
        options: the options of the app.
        choices: the models to choose from.
        choice, classifier: the chosen model.
        rule: the toxicity rule of the sidebar; None without emotions.
        examples: the number of examples to show instead of the text; 0 for none.
        draw: the random seed of the examples.
    """

    options: Options
    choices: tuple[Choice, ...]
    choice: Choice
    classifier: TextClassifier
    rule: ToxicityRule | None
    examples: int
    draw: int

    def drawing(self, size: int) -> Drawing:
        """Return a drawing of this size from the app's data."""
        return Drawing(self.options.data, size, self.draw)


@dataclass(frozen=True)
class Asked:
    """A question of this visit about a text."""

    question: Question
    text: str


def remember(asked: Asked) -> None:
    """Show the answer to a question, and put it at the top of the history."""
    st.session_state["asked"] = asked
    st.session_state.pop("explained", None)  # explain the new answer's own label
    past = [entry for entry in history() if entry != asked]
    st.session_state["history"] = [asked, *past][:MOST_REMEMBERED]


def current() -> Asked | None:
    """Return the question whose answer is shown."""
    asked: Asked | None = st.session_state.get("asked")
    return asked


def history() -> list[Asked]:
    """Return the questions of this visit, latest first."""
    past: list[Asked] = st.session_state.get("history", [])
    return past


def forget() -> None:
    """Clear the history."""
    st.session_state["history"] = []
    st.session_state["asked"] = None
