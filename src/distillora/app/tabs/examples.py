"""Examples: random texts with true labels, prediction and toxicity."""

from __future__ import annotations

from html import escape

import streamlit as st

from distillora.app.reading import read_toxicity, tell_doubt, tell_labels
from distillora.app.samples import SampledText, describe_source, score_drawing
from distillora.app.sentiment import mark
from distillora.app.state import View


def show_examples(view: View) -> None:
    """Draw a card for each example."""
    examples = score_drawing(view.choice, view.drawing(view.examples))
    right = sum(example.is_right for example in examples)
    st.header(f"{len(examples)} example{'s' if len(examples) > 1 else ''}", anchor=False)
    st.markdown(
        f"The model predicts a true label for **{right} of {len(examples)}**. *Draw others* in the "
        "sidebar draws new examples. To enter a text, switch off *Use Example Texts*."
    )
    for example in examples:
        with st.container(border=True):
            st.html(_card(example, view))
    st.caption(describe_source(view.options.data))


def _card(example: SampledText, view: View) -> str:
    prediction = example.prediction
    reading = read_toxicity(prediction, view.rule, view.classifier.task)
    toxicity = []
    if reading.mass is not None:
        verdict = "toxic" if reading.toxic else "not toxic"
        toxicity.append(f"{verdict} ({reading.mass:.2f})")
    if reading.by_label is not None:
        toxicity.append(f"by the original rule {'toxic' if reading.by_label else 'not toxic'}")
    told = "✓ a true label" if example.is_right else "✗ not a true label"
    doubt = tell_doubt(prediction, view.classifier)
    facts = {
        "True": "".join(f'<span class="dl-chip">{escape(mark(t))}</span>' for t in example.truth),
        "Predicted": (
            f'<span class="dl-chip"><b>{escape(mark(prediction.label))}</b> '
            f"{prediction.score:.2f}</span>{told}"
        ),
        "Labels": escape(tell_labels(prediction)) if prediction.labels else "none",
        "Toxicity": "; ".join(toxicity) or "not available for this model",
    }
    if doubt:
        facts["Unsure"] = escape(doubt)
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<p class="dl-quote">{escape(example.text)}</p><dl class="dl-facts">{rows}</dl>'
