"""The sidebar: model, example texts, toxicity rule, link to this view."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from distillora.app.models import Choice
from distillora.inference.classifier import TextClassifier
from distillora.signals.toxicity import HOSTILE_EMOTIONS, ToxicityRule


def choose_model(choices: Sequence[Choice]) -> Choice:
    """Show the choice of a model."""
    by_title = {choice.title: choice for choice in choices}
    return by_title[st.sidebar.selectbox("Model", list(by_title), key="model", bind="query-params")]


def choose_examples() -> tuple[int, int]:
    """Return the number of examples to show (0: none) and the seed of the draw."""
    with st.sidebar:
        wanted = st.toggle("Use Example Texts", key="examples", bind="query-params")
        count = 0
        if wanted:
            count = st.slider("Number of examples", 1, 10, 3, key="count", bind="query-params")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            draw = st.number_input(
                "Random seed",
                0,
                9999,
                0,
                key="draw",
                bind="query-params",
                width=112,
                help="The same seed draws the same texts in every tab.",
            )
            st.button("Draw others", on_click=_draw_others)
    return count, int(draw)


def choose_rule(classifier: TextClassifier) -> ToxicityRule | None:
    """Show the settings of the toxicity rule; None if no emotion is chosen."""
    usual = classifier.toxicity or ToxicityRule()
    known = [e for e in usual.emotions if e in classifier.labels]
    with st.sidebar.expander("Toxicity rule", icon=":material/tune:"):
        emotions = st.multiselect(
            "Hostile emotions",
            list(classifier.labels),
            known,
            key="hostile",
            bind="query-params",
            placeholder="Choose emotions",
        )
        threshold = st.slider(
            "Threshold", 0.05, 0.95, usual.threshold, 0.05, key="toxic_from", bind="query-params"
        )
        st.caption(
            f"Default emotions: {', '.join(HOSTILE_EMOTIONS)}. Sadness is left out, because a sad "
            "text is not toxic."
        )
    return ToxicityRule(emotions=tuple(emotions), threshold=threshold) if emotions else None


def show_link() -> None:
    """Show a link that restores this view, without the text."""
    with st.sidebar.popover("Link to this view", icon=":material/link:", width="stretch"):
        address = (st.context.url or "").split("?")[0].rstrip("/") + "/"
        query = urlencode(st.query_params.to_dict(), doseq=True)
        st.code(f"{address}?{query}" if query else address, language=None, wrap_lines=True)
        st.caption("Restores tab, model and options, but not your text.")


def _draw_others() -> None:
    st.session_state["draw"] = (st.session_state["draw"] + 1) % 10_000
