"""Distribution: predicted and true frequencies of each label in a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from distillora.app.bars import Bar, draw_bars
from distillora.app.samples import SampledText, describe_source, score_drawing
from distillora.app.sentiment import SENTIMENTS, sentiment_of
from distillora.app.state import View


def show(view: View) -> None:
    """Draw the tab."""
    st.header("Emotions in a sample", anchor=False)
    size = st.slider("Samples", 10, 200, 100, 10, key="samples", bind="query-params")
    examples = score_drawing(view.choice, view.drawing(size))
    if len(examples) < size:
        st.caption(f"The data has only {len(examples)} texts to draw from.")
    predicted = Counter(example.prediction.label for example in examples)
    true = Counter(label for example in examples for label in example.truth)
    _show_feelings(predicted, len(examples))
    left, right = st.columns([5, 3], gap="large")
    with left:
        st.html(_chart(predicted, true, len(examples)))
    with right:
        st.markdown("**Frequencies**")
        st.dataframe(
            frequencies(examples),
            hide_index=True,
            height=460,
            column_config={"share": st.column_config.NumberColumn(format="percent")},
            alt="Frequency of each label: predicted, as a share of the texts, and true",
        )
    st.caption(
        "Predicted: the most probable label of each text. True: all true labels of each text, so "
        f"the counts may add up to more. {describe_source(view.options.data)}"
    )


def frequencies(examples: Sequence[SampledText]) -> pd.DataFrame:
    """Count the labels of a sample, the most often predicted first."""
    predicted = Counter(example.prediction.label for example in examples)
    true = Counter(label for example in examples for label in example.truth)
    labels = sorted({*predicted, *true}, key=lambda label: (-predicted[label], -true[label], label))
    return pd.DataFrame(
        {
            "emotion": labels,
            "predicted": [predicted[label] for label in labels],
            "share": [predicted[label] / len(examples) for label in labels],
            "true": [true[label] for label in labels],
        }
    )


def _show_feelings(predicted: Counter[str], texts: int) -> None:
    with st.container(horizontal=True):
        for feeling in SENTIMENTS:
            count = sum(n for label, n in predicted.items() if sentiment_of(label) == feeling)
            st.metric(
                f"{feeling.symbol} {feeling.name}", f"{count / texts:.0%}", border=True, width=150
            )


def _chart(predicted: Counter[str], true: Counter[str], texts: int) -> str:
    most = max([*predicted.values(), *true.values()])
    labels = sorted({*predicted, *true}, key=lambda label: (-predicted[label], -true[label], label))
    bars = [
        Bar(
            label,
            predicted[label] / most,
            true[label] / most,
            str(predicted[label]),
            f"{label} ({sentiment_of(label).name}): "
            f"predicted {predicted[label]}, true {true[label]}",
        )
        for label in labels
    ]
    return draw_bars(bars, f"Predicted emotions of {texts} texts", tick="true frequency")
