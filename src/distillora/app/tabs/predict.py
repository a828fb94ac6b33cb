"""Predict: one text or examples, with every probability, word effects and toxicity."""

from __future__ import annotations

from html import escape

import streamlit as st

from distillora.app import state, words
from distillora.app.bars import draw_bars, probability_bars, thresholds_of
from distillora.app.reading import (
    ToxicityReading,
    highlight,
    read_toxicity,
    tell_doubt,
    tell_effects,
    tell_labels,
)
from distillora.app.sentiment import sentiment_of
from distillora.app.state import Asked, Question, View
from distillora.app.tabs.examples import show_examples
from distillora.inference.classifier import Prediction
from distillora.inference.explain import explain

MOST_CHARACTERS = 5000


def show(view: View) -> None:
    """Draw the tab."""
    if view.examples:
        show_examples(view)
        return
    st.text_area(
        "Your text",
        state.DEFAULT_TEXT,
        key="text",
        height=110,
        max_chars=MOST_CHARACTERS,
        persist_state="session",
    )
    ask_labels = words.question(view.classifier.labels)
    with st.container(horizontal=True):
        st.button(
            ask_labels, type="primary", icon=":material/mood:",
            on_click=_ask, args=("emotion",),
        )  # fmt: skip
        st.button(
            "Predict Toxicity", icon=":material/gavel:", on_click=_ask, args=("toxicity",)
        )  # fmt: skip
    asked = state.current()
    if asked is None:
        st.info(
            f"Press **{ask_labels}** for the probability of every label, or **Predict Toxicity** "
            "for the toxicity by both rules. To see examples, switch on *Use Example Texts* in the "
            "sidebar.",
            icon=":material/lightbulb:",
        )
    elif not asked.text.strip():
        st.warning("Enter a text first.", icon=":material/edit:")
    else:
        _answer(asked, view)
    _show_history(view)


def _ask(question: Question) -> None:
    text = st.session_state["text"] or ""
    if text.strip():
        state.remember(Asked(question, text))
    else:
        st.session_state["asked"] = Asked(question, "")


def _answer(asked: Asked, view: View) -> None:
    prediction = view.classifier.predict(asked.text)[0]
    if asked.text != (st.session_state.get("text") or ""):
        st.caption("The text has changed since this prediction. Predict again.")
    if prediction.truncated:
        tokens = view.classifier.max_length
        st.warning(
            f"The text was cut: the model reads only its first {tokens} tokens.",
            icon=":material/content_cut:",
        )
    with st.container(border=True):
        if asked.question == "toxicity":
            show_toxicity(read_toxicity(prediction, view.rule, view.classifier.task), view)
        else:
            _show_verdict(prediction, view)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_bars(prediction, view)
    with right:
        _show_words(asked, prediction, view)


def _show_verdict(prediction: Prediction, view: View) -> None:
    feeling = sentiment_of(prediction.label)
    many = len(prediction.labels) > 1
    note = f"Labels at or above their thresholds: {tell_labels(prediction)}." if many else ""
    st.html(
        f'<p class="dl-lead">{escape(prediction.label)} '
        f"<small>{prediction.score:.2f}</small></p>"
        f'<p class="dl-lead-note">{feeling.symbol} {feeling.name}. {escape(note)}</p>'
    )
    if doubt := tell_doubt(prediction, view.classifier):
        st.warning(f"**Unsure.** {doubt}", icon=":material/help:")


def show_toxicity(reading: ToxicityReading, view: View) -> None:
    """Show the toxicity by both rules."""
    if reading.mass is None or view.rule is None:
        st.info(
            "The toxicity rule has no emotions. Choose some of this model's labels in the sidebar.",
            icon=":material/tune:",
        )
    else:
        verdict = "Toxic" if reading.toxic else "Not toxic"
        told = f"Hostile emotions {reading.mass:.2f}, threshold {view.rule.threshold:.2f}"
        parts = ", ".join(f"{label} {score:.2f}" for label, score in reading.parts.items())
        st.html(
            f'<p class="dl-lead">{verdict} <small>{reading.mass:.2f}</small></p>'
            f'<div class="dl-meter" role="img" aria-label="{told}" title="{told}">'
            f'<i class="dl-fill" style="width:{reading.mass:.1%}"></i>'
            f'<i class="dl-tick" style="left:{view.rule.threshold:.1%}"></i></div>'
            f'<p class="dl-lead-note">{told} ({escape(parts)})</p>'
        )
    if reading.by_label is not None:
        said = "Toxic" if reading.by_label else "Not toxic"
        st.html(
            f"<p><b>The original study's rule: {said}.</b> "
            '<span class="dl-muted">Toxic if the most probable label is anger, annoyance, '
            "disapproval, disgust or sadness.</span></p>"
        )
    st.caption("A heuristic from emotions, not a moderation model.")


def _show_words(asked: Asked, prediction: Prediction, view: View) -> None:
    st.header("Word effects", anchor=False)
    label = st.selectbox("Explain the label", list(prediction.scores), key="explained")
    explanation = explain(view.classifier, asked.text, label)
    st.html(
        f"{highlight(explanation)}<p>{escape(tell_effects(explanation))}</p>"
        '<p class="dl-caption">Solid underline: for the label. Dotted: against it. Thicker: larger '
        "effect. Numbers: how much the label's logit falls without the word.</p>"
    )


def _show_bars(prediction: Prediction, view: View) -> None:
    st.header("All labels", anchor=False)
    order = st.segmented_control(
        "Order of the labels",
        ["By probability", "By sentiment"],
        default="By probability",
        required=True,
        key="order",
        bind="query-params",
        label_visibility="collapsed",
    )
    tick = "threshold: labels that reach it are predicted (✓)"
    st.html(
        draw_bars(
            probability_bars(prediction, view.classifier),
            f"Probability of each label. Highest: {tell_labels(prediction)}.",
            grouped=order == "By sentiment",
            tick=tick if thresholds_of(view.classifier) else "",
        )
    )


def _show_history(view: View) -> None:
    past = state.history()
    if not past:
        return
    with st.expander(f"History of this visit ({len(past)})", icon=":material/history:"):
        for number, entry in enumerate(past):
            text = " ".join(entry.text.split())
            st.button(
                f"{entry.question}: {text[:90]}{'…' if len(text) > 90 else ''}",
                key=f"history-{number}",
                type="tertiary",
                on_click=_recall,
                args=(entry,),
            )
        st.button("Clear history", icon=":material/delete:", on_click=state.forget)
        st.caption("Kept for this visit only, until you close or reload the page.")


def _recall(entry: Asked) -> None:
    st.session_state["text"] = entry.text
    state.remember(entry)
