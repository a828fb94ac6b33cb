"""Making the TF-IDF baseline from the data of a run: the floor under the other arms."""

from __future__ import annotations

import time
from dataclasses import dataclass

from distillora.evaluation.metrics import multi_label_metrics, single_label_metrics
from distillora.models.tfidf import TfidfClassifier, TfidfConfig
from distillora.pipeline.context import PreparedData
from distillora.progress import Reporter
from distillora.runtime import device, watch_memory
from distillora.training.fit_tfidf import fit_tfidf


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline and what making it measured.

    Attributes:
        model: the best on validation.
        choice: which regularisation, of which, and what each reached on validation, in words.
        seconds: wall time of all fits and their validation.
        peak_memory_bytes: resident memory; None where the GPU's is recorded.
    """

    model: TfidfClassifier
    choice: str
    seconds: float
    peak_memory_bytes: int | None


def fit_baseline(
    config: TfidfConfig, data: PreparedData, metric: str, reporter: Reporter
) -> FittedBaseline:
    """Fit the baseline to the training texts; ``metric`` on validation chooses its C."""
    start = time.perf_counter()

    def measure(model: TfidfClassifier) -> float:
        score = _measure(model, data, metric)
        reporter.say(f"  C = {model.config.c:g}: {metric} {abs(score):.4f} on validation")
        return score

    with watch_memory() as peak:
        fitted = fit_tfidf(
            config, data.dataset.splits["train"].texts, data.targets("train"), measure
        )
    tried = ", ".join(f"{c:g} ({abs(score):.4f})" for c, score in fitted.scores.items())
    return FittedBaseline(
        model=fitted.model,
        choice=f"C = {fitted.model.config.c:g} of {tried}",
        seconds=time.perf_counter() - start,
        peak_memory_bytes=peak.bytes if device().type == "cpu" else None,
    )


def _measure(model: TfidfClassifier, data: PreparedData, metric: str) -> float:
    """Return a validation metric, higher is better: the loss with its sign turned."""
    logits = model.predict_logits(data.dataset.splits["validation"].texts)
    measure = multi_label_metrics if data.multi_label else single_label_metrics
    measured = measure(logits, data.targets("validation"), data.dataset.label_names)
    value = float(getattr(measured, metric))
    return -value if metric == "loss" else value
