"""Compare: several models on one text and one sample, with speed and size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import pandas as pd
import streamlit as st

from distillora.app import state
from distillora.app.charts import comparison_chart
from distillora.app.models import Choice, arms_without_weights, model_bytes, open_classifier
from distillora.app.reading import read_toxicity, tell_labels
from distillora.app.samples import describe_source, score_drawing
from distillora.app.state import View
from distillora.errors import DistilloraError
from distillora.inference.classifier import Prediction, TextClassifier

MOST_LABELS = 8
_REPEATS = 7


@dataclass(frozen=True)
class Answer:
    """One model's prediction for the text, and its median time."""

    choice: Choice
    classifier: TextClassifier
    prediction: Prediction
    milliseconds: float


def show(view: View) -> None:
    """Draw the tab."""
    st.header("Models side by side", anchor=False)
    _show_hints(view)
    titles = [choice.title for choice in view.choices]
    wanted = st.multiselect(
        "Models to compare",
        titles,
        titles[:4],
        key="compared",
        bind="query-params",
        placeholder="Choose models",
    )
    text = st.text_area(
        "Text for all models",
        state.DEFAULT_TEXT,
        key="compared_text",
        height=80,
        max_chars=5000,
        persist_state="session",
    )
    chosen = _open([choice for choice in view.choices if choice.title in wanted])
    if not chosen:
        st.info("Choose at least one model.", icon=":material/compare_arrows:")
        return
    if text and text.strip():
        _show_answers([_ask(choice, model, text) for choice, model in chosen], view)
    else:
        st.warning("Enter a text first.", icon=":material/edit:")
    _show_sample([choice for choice, _ in chosen], view)


def _show_hints(view: View) -> None:
    if len(view.choices) == 1:
        st.info(
            "There is only one model. To compare several, start the app with `--model` more than "
            "once, or with `--run runs/NAME` for the arms of a run.",
            icon=":material/compare_arrows:",
        )
    missing = arms_without_weights(view.options.run) if view.options.run else []
    if missing:
        st.caption(f"The run did not keep the weights of {', '.join(missing)}.")


def _open(choices: Sequence[Choice]) -> list[tuple[Choice, TextClassifier]]:
    """Open the models; show an error for one that cannot be opened, and leave it out."""
    opened = []
    for choice in choices:
        try:
            opened.append((choice, open_classifier(choice)))
        except DistilloraError as error:
            st.error(f"{choice.title}: {error}", icon=":material/error:")
    return opened


def _ask(choice: Choice, classifier: TextClassifier, text: str) -> Answer:
    prediction = classifier.predict(text)[0]
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        classifier.score([text])
        times.append(time.perf_counter() - start)
    return Answer(choice, classifier, prediction, 1000 * median(times))


def _show_answers(answers: Sequence[Answer], view: View) -> None:
    st.dataframe(
        pd.DataFrame([_row(answer, view) for answer in answers]),
        hide_index=True,
        column_config={
            "probability": st.column_config.NumberColumn(format="%.3f"),
            "toxicity": st.column_config.NumberColumn(format="%.2f"),
            "one text": st.column_config.NumberColumn(format="%.1f ms"),
            "size": st.column_config.NumberColumn(format="%.1f MB"),
        },
        alt="Each model's prediction for the text, its time for one text and its size",
    )
    best: dict[str, float] = {}
    for answer in answers:
        for label, score in answer.prediction.scores.items():
            best[label] = max(score, best.get(label, 0.0))
    labels = sorted(best, key=lambda label: -best[label])[:MOST_LABELS]
    scores = [(answer.choice.title, answer.prediction.scores) for answer in answers]
    first = "; ".join(f"{a.choice.title}: {tell_labels(a.prediction)}" for a in answers)
    st.altair_chart(
        comparison_chart(scores, labels),
        alt=f"Probability of {len(labels)} labels by model. {first}.",
    )
    st.caption(
        f"The {len(labels)} most probable labels of any model. Colour and shape show the model. "
        f"Time: median of {_REPEATS} runs on this machine. Size: the model file."
    )


def _row(answer: Answer, view: View) -> dict[str, object]:
    known = set(view.rule.emotions) <= set(answer.classifier.labels) if view.rule else False
    rule = view.rule if known else None
    return {
        "model": answer.choice.title,
        "emotion": answer.prediction.label,
        "probability": answer.prediction.score,
        "predicted labels": ", ".join(answer.prediction.labels) or "none",
        "toxicity": read_toxicity(answer.prediction, rule, answer.classifier.task).mass,
        "one text": answer.milliseconds,
        "size": model_bytes(answer.classifier) / 1e6,
    }


def _show_sample(choices: Sequence[Choice], view: View) -> None:
    st.header("On the same sample", anchor=False)
    size = st.slider("Samples", 10, 200, 50, 10, key="compared_on", bind="query-params")
    drawing = view.drawing(size)
    read = {choice.title: score_drawing(choice, drawing) for choice in choices}
    first = next(iter(read.values()))
    rows = [
        {
            "model": title,
            "right": sum(e.is_right for e in examples) / len(examples),
            "labels per text": sum(len(e.prediction.labels) for e in examples) / len(examples),
            f"same as {next(iter(read))}": sum(
                e.prediction.label == f.prediction.label
                for e, f in zip(examples, first, strict=True)
            )
            / len(examples),
        }
        for title, examples in read.items()
    ]
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "right": share,
            "labels per text": st.column_config.NumberColumn(format="%.2f"),
            f"same as {next(iter(read))}": share,
        },
        alt="Each model on the same sample: share of correct texts, labels per text, agreement",
    )
    st.caption(
        f"{len(first)} texts. Right: the most probable label is one of the true labels. With so "
        "few texts, differences of several points may be chance. "
        f"{describe_source(view.options.data)}"
    )
