"""Evaluate: score an arm on validation and test.

This is the only stage that reads test labels. They choose nothing but the oracle thresholds of the
ladder, an upper bound that is never used.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from distillora.artifacts import ArmLayout, sha256_file, write_atomic
from distillora.evaluation.cost import weights_bytes
from distillora.evaluation.predictions import LogitMatrix, Predictions, SplitName, write_predictions
from distillora.evaluation.quality import Evaluation, evaluate_logits
from distillora.evaluation.results import ArmResult, Cost, Parameters
from distillora.pipeline.context import RunContext
from distillora.pipeline.fingerprint import EVALUATION_CODE
from distillora.pipeline.method import LoadedArm
from distillora.pipeline.methods import load_arm
from distillora.pipeline.records import BeginningRecord, TrainingRecord, TrainingStats

EVALUATED: tuple[SplitName, ...] = get_args(SplitName)

Logits = dict[SplitName, LogitMatrix]


def evaluate_arm(context: RunContext, name: str) -> ArmResult:
    """Score one arm and write its ``predictions.parquet`` and ``result.json``.

    Raises:
        IntegrityError: the weights on disk are not those that were trained, or the predictions
            that an ensemble averages are not those of its members on the run's rows.
    """
    plan, folder = context.plans[name], context.folder(name)
    arm = load_arm(context, name)
    stats = arm.read_stats()
    layers = stats.layers or ()
    logits = _score(context, arm)
    write_predictions(
        folder.predictions,
        {split: context.data.dataset.splits[split] for split in EVALUATED},
        logits,
    )
    result = ArmResult(
        name=name,
        seed=context.seed,
        init=plan.describe_init(layers),
        tuning=", ".join(filter(None, (plan.describe_tuning(), stats.choice))),
        objective=plan.describe_objective(),
        architecture=plan.architecture,
        teachers=plan.arm.teachers,
        teacher_seeds=stats.teacher_seeds,
        teacher_precision=stats.teacher_precision,
        members=tuple(map(str, context.needs(name).members)),
        layers=layers,
        parameters=Parameters(trainable=plan.trainable, total=plan.total),
        best_epoch=stats.best_epoch,
        best_metric=stats.best_metric,
        cost=_cost(folder, arm, stats),
        history=stats.history,
        predictions=folder.predictions.relative_to(context.layout.root).as_posix(),
        predictions_sha256=sha256_file(folder.predictions),
        evaluation_code=EVALUATION_CODE,
        config_sha256=stats.config_sha256,
        weights_sha256=arm.sha256,
        **(_read_origin(folder) if plan.has_weights else {}),
        **_evaluate(context, logits),
    )
    write_atomic(folder.result, result.model_dump_json(indent=1))
    return result


def _score(context: RunContext, arm: LoadedArm) -> Logits:
    logits: Logits = {}
    for split in EVALUATED:
        rows = len(context.data.dataset.splits[split])
        context.reporter.say(f"  scoring {split}: {rows:,} texts")
        logits[split] = arm(arm.inputs(split))
    return logits


def _read_origin(folder: ArmLayout) -> dict[str, Any]:
    """Read what the weights of an arm were made from, and what trained them."""
    return {
        "fingerprint": BeginningRecord.read(folder).fingerprint,
        "environment": TrainingRecord.read(folder).environment,
    }


def _cost(folder: ArmLayout, arm: LoadedArm, stats: TrainingStats) -> Cost:
    """Return what the arm cost to make and to keep; how fast it is, is measured once for all."""
    return Cost(
        model_bytes=arm.model_bytes,
        adapter_bytes=weights_bytes(folder.adapter) if folder.adapter.is_dir() else None,
        training_seconds=stats.seconds,
        teacher_seconds=stats.teacher_seconds,
        examples_per_second=stats.examples_per_second,
        peak_memory_bytes=stats.peak_memory_bytes,
    )


def _evaluate(context: RunContext, logits: Logits) -> Evaluation:
    dataset = context.data.dataset
    validation, test = (
        Predictions(
            classes=dataset.splits[split].classes(),
            truth=dataset.splits[split].multi_hot(len(dataset.label_names)) > 0,
            logits=logits[split].astype(np.float64),
        )
        for split in EVALUATED
    )
    return evaluate_logits(validation, test, context.plan.task, dataset.label_names)
