"""Logistic regression on TF-IDF, a baseline: fitted in seconds, without an encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distillora.evaluation.metrics import multi_label_metrics, single_label_metrics
from distillora.evaluation.predictions import LogitMatrix, SplitName
from distillora.models.tfidf import (
    TfidfClassifier,
    TfidfConfig,
    fit_vectorizer,
    stored_bytes,
    tfidf_config,
)
from distillora.pipeline.context import ArmPlan, RunContext
from distillora.pipeline.method import LoadedArm, PlanRequest, SavedArm
from distillora.pipeline.records import TrainingRecord, TrainingStats, save_sealed
from distillora.pipeline.run_data import PreparedData
from distillora.runtime import Precision, device, is_main_process, processor_name, watch_memory
from distillora.training.fit_tfidf import fit_tfidf


@dataclass(frozen=True, kw_only=True)
class TfidfPlan(ArmPlan):
    """One TF-IDF classifier; ``config`` has its labels and what a feature is."""

    config: TfidfConfig

    def describe_init(self, layers: tuple[int, ...] | None = None) -> str:
        """See ``ArmPlan``."""
        return "TF-IDF of words and pairs of words"

    def describe_tuning(self) -> str:
        """See ``ArmPlan``."""
        return "all parameters"

    def describe_objective(self) -> str:
        """See ``ArmPlan``."""
        return "1 x labels"

    def describe_shape(self) -> str:
        """See ``ArmPlan``."""
        labels = self.config.num_labels
        return f"{self.architecture}, {self.total // labels - 1:,} features, {labels} labels"

    def weight_settings(self, *, multi_label: bool) -> dict[str, Any]:
        """See ``ArmPlan``."""
        return {
            "init.baseline": self.arm.init.baseline,
            "training.best_metric": self.best_metric(multi_label=multi_label),
        }

    @property
    def precision(self) -> Precision:
        """It computes in one precision on any hardware."""
        return "fp32"


def plan(request: PlanRequest) -> TfidfPlan:
    """See ``Method.plan``."""
    labels = request.dataset.label_names
    config = tfidf_config(labels, multi_label=request.multi_label)
    features = len(fit_vectorizer(config, request.dataset.splits["train"].texts).vocabulary_)
    parameters = (features + 1) * len(labels)
    return TfidfPlan(
        name=request.name,
        arm=request.arm,
        architecture=TfidfClassifier.__name__,
        trainable=parameters,
        total=parameters,
        tokenizer=None,
        config=config,
    )


def train(context: RunContext, plan: TfidfPlan) -> SavedArm:
    """See ``Method.train``; the best metric on validation chooses the regularisation."""
    data, metric = context.data, plan.best_metric(multi_label=context.plan.multi_label)
    start = time.perf_counter()

    def measure(model: TfidfClassifier) -> float:
        score = _measure(model, data, metric)
        context.reporter.say(f"  C = {model.config.c:g}: {metric} {abs(score):.4f} on validation")
        return score

    with watch_memory() as peak:
        texts = data.dataset.splits["train"].texts
        fitted = fit_tfidf(plan.config, texts, data.targets("train"), measure)
    tried = ", ".join(f"{c:g} ({abs(score):.4f})" for c, score in fitted.scores.items())
    stats = TrainingStats(
        best_epoch=0,
        best_metric=metric,
        history=(),
        seconds=time.perf_counter() - start,
        examples_per_second=None,
        peak_memory_bytes=peak.bytes if device().type == "cpu" else None,
        before={},
        choice=f"C = {fitted.model.config.c:g} of {tried}",
    )
    if is_main_process():
        save_sealed(context.folder(plan.name).model, fitted.model.save)
    return SavedArm(stats, fitted.model.sha256)


def _measure(model: TfidfClassifier, data: PreparedData, metric: str) -> float:
    """Return a validation metric, higher is better: the loss with its sign turned."""
    logits = model.predict_logits(data.dataset.splits["validation"].texts)
    measure = multi_label_metrics if data.multi_label else single_label_metrics
    measured = measure(logits, data.targets("validation"), data.dataset.label_names)
    value = float(getattr(measured, metric))
    return -value if metric == "loss" else value


def load(context: RunContext, plan: TfidfPlan) -> LoadedArm:
    """See ``Method.load``."""
    return _LoadedTfidf(context, plan)


class _LoadedTfidf(LoadedArm):
    """A TF-IDF classifier; its inputs are texts."""

    def __init__(self, context: RunContext, plan: TfidfPlan) -> None:
        folder = context.folder(plan.name)
        self._model = TfidfClassifier.load(folder.model)
        self._dataset = context.data.dataset
        self.sha256 = self._model.sha256
        self.model_bytes = stored_bytes(folder.model)
        self.device = processor_name()
        self._folder = folder

    def read_stats(self) -> TrainingStats:
        return TrainingRecord.of_weights(self._folder, self.sha256)

    def inputs(self, split: SplitName) -> Sequence[str]:
        return self._dataset.splits[split].texts

    def take(self, split: SplitName, rows: Sequence[int]) -> Sequence[str]:
        texts = self.inputs(split)
        return [texts[row] for row in rows]

    def __call__(self, inputs: Sequence[str]) -> LogitMatrix:
        return self._model.predict_logits(inputs)
