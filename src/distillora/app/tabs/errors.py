"""Errors: texts whose prediction is none of their true labels, and the confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from distillora.app.charts import Confusion, confusion_chart
from distillora.app.samples import SampledText, describe_source, score_drawing
from distillora.app.sentiment import OTHER, SENTIMENTS, sentiment_of
from distillora.app.state import View

ANY = "any"


def show(view: View) -> None:
    """Draw the tab."""
    st.header("Where the model is wrong", anchor=False)
    size = st.slider("Samples", 10, 100, 50, 10, key="looked_at", bind="query-params")
    examples = score_drawing(view.choice, view.drawing(size))
    wrong = [example for example in examples if not example.is_right]
    st.markdown(
        f"**{len(wrong)} of {len(examples)}** texts are errors: their most probable label is none "
        "of their true labels. If a text has several true labels, *any* of them counts as right."
    )
    if not wrong:
        st.success("No errors in this sample. Draw others in the sidebar, or take more texts.")
        return
    _show_list(wrong)
    st.header("Confusions", anchor=False)
    cells = confusions(examples)
    with st.container(key="confusions"):
        st.altair_chart(
            confusion_chart(cells, _order(cells)),
            alt=f"Heat map of true against predicted labels. {_worst(cells)}",
        )
    st.caption(
        f"{_worst(cells)} Cells with an outline are correct. An error counts once for each true "
        f"label of its text. {describe_source(view.options.data)}"
    )


def confusions(examples: Sequence[SampledText]) -> list[Confusion]:
    """Count pairs of true and predicted labels; a correct text counts for its predicted label."""
    counts: Counter[tuple[str, str]] = Counter()
    for example in examples:
        seen = example.prediction.label
        counts.update((true, seen) for true in ((seen,) if example.is_right else example.truth))
    return [Confusion(true, seen, n) for (true, seen), n in counts.most_common()]


def _show_list(wrong: Sequence[SampledText]) -> None:
    left, right = st.columns(2)
    truths = sorted({label for example in wrong for label in example.truth})
    true = left.selectbox("True label", [ANY, *truths], key="true", bind="query-params")
    guesses = sorted({example.prediction.label for example in wrong})
    seen = right.selectbox("Predicted label", [ANY, *guesses], key="predicted", bind="query-params")
    kept = [
        example
        for example in wrong
        if true in (ANY, *example.truth) and seen in (ANY, example.prediction.label)
    ]
    if not kept:
        st.info("No error has these labels. Set one of them to *any*.")
        return
    table = pd.DataFrame(
        {
            "text": [example.text for example in kept],
            "true": [", ".join(example.truth) for example in kept],
            "predicted": [example.prediction.label for example in kept],
            "probability": [example.prediction.score for example in kept],
            "of true label": [_best_true(example) for example in kept],
        }
    )
    number = st.column_config.NumberColumn(format="%.2f", width="small")
    st.dataframe(
        table,
        hide_index=True,
        row_height=44,
        height=min(460, 40 + 44 * len(kept)),
        column_config={
            "text": st.column_config.TextColumn(width="large"),
            "probability": number,
            "of true label": number,
        },
        alt=f"{len(kept)} misclassified texts with true and predicted label",
    )
    st.caption(f"{len(kept)} of {len(wrong)} errors shown.")


def _best_true(example: SampledText) -> float | None:
    """Return the highest probability of a true label; None if the model has none of them."""
    scores = example.prediction.scores
    return max((scores[label] for label in example.truth if label in scores), default=None)


def _order(cells: Sequence[Confusion]) -> list[str]:
    """Return the labels that occur, by sentiment and then by name."""
    feelings = [*SENTIMENTS, OTHER]
    labels = {label for cell in cells for label in (cell.true, cell.predicted)}
    return sorted(labels, key=lambda label: (feelings.index(sentiment_of(label)), label))


def _worst(cells: Sequence[Confusion]) -> str:
    off = [cell for cell in cells if cell.true != cell.predicted][:3]
    told = ", ".join(f"{c.true} as {c.predicted} ({c.texts})" for c in off)
    return f"Most often: {told}."
