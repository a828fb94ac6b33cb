"""The third stage: what a trained arm is worth, on validation and test.

This is the only stage that looks at test labels. Nothing is chosen here by them, except the
thresholds of the ladder's last rung, which say how much there is to win and are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from distillora.artifacts import ArmLayout, sha256_file, write_atomic, write_file_atomic
from distillora.errors import IntegrityError
from distillora.evaluation.chain import ensemble_sha256
from distillora.evaluation.cost import weights_bytes
from distillora.evaluation.predictions import Predictions, read_predictions
from distillora.evaluation.quality import Quality, evaluate_logits
from distillora.evaluation.results import ArmResult, Cost, Parameters
from distillora.pipeline.bench import Workbench
from distillora.pipeline.ensembles import EnsemblePlan
from distillora.pipeline.fingerprint import EVALUATION_CODE
from distillora.pipeline.make import time_making
from distillora.pipeline.plan import ArmPlan
from distillora.pipeline.record import BeginningRecord, TrainingRecord
from distillora.pipeline.schedule import Task
from distillora.pipeline.scorers import Scorer, load_scorer

SplitName = Literal["validation", "test"]
EVALUATED: tuple[SplitName, ...] = get_args(SplitName)

Logits = dict[SplitName, npt.NDArray[np.float32]]


def judge_arm(bench: Workbench, name: str) -> ArmResult:
    """Score one arm and write its ``predictions.parquet`` and ``result.json``.

    Raises:
        IntegrityError: the weights on disk are not those that were trained.
    """
    plan, folder = bench.plans[name], bench.folder(name)
    training = TrainingRecord.read(folder)
    scorer = load_scorer(bench, name)
    if scorer.sha256 != training.weights_sha256:
        raise IntegrityError(
            f"{folder.model} does not hold the weights that were trained. Delete {folder.root} and "
            "run the same command again."
        )
    layers = training.layers or ()
    logits = _score(bench, scorer)
    _save_predictions(bench, folder, logits)
    result = ArmResult(
        name=name,
        seed=bench.seed,
        init=plan.describe_init(layers),
        tuning=", ".join(filter(None, (plan.describe_tuning(), training.choice))),
        objective=plan.describe_objective(),
        architecture=plan.architecture,
        teachers=plan.arm.teachers,
        teacher_seeds=training.teacher_seeds,
        teacher_precision=training.teacher_precision,
        layers=layers,
        search=training.search,
        parameters=Parameters(trainable=plan.trainable, total=plan.total),
        best_epoch=training.best_epoch,
        best_metric=training.best_metric,
        cost=_cost(bench, plan, scorer, training),
        history=training.history,
        predictions=folder.predictions.relative_to(bench.layout.root).as_posix(),
        predictions_sha256=sha256_file(folder.predictions),
        evaluation_code=EVALUATION_CODE,
        weights_sha256=scorer.sha256,
        fingerprint=BeginningRecord.read(folder).fingerprint,
        environment=training.environment,
        **_evaluate(bench, logits),
    )
    write_atomic(folder.result, result.model_dump_json(indent=1))
    return result


def _score(bench: Workbench, scorer: Scorer) -> Logits:
    logits: Logits = {}
    for split in EVALUATED:
        rows = len(bench.data.corpus.splits[split])
        bench.reporter.say(f"  scoring {split}: {rows:,} texts")
        logits[split] = scorer(scorer.inputs(split))
    return logits


def _cost(bench: Workbench, plan: ArmPlan, scorer: Scorer, training: TrainingRecord) -> Cost:
    """Return what the arm cost to make and to keep; how fast it is, is measured once for all."""
    folder = bench.folder(plan.name)
    return Cost(
        model_bytes=scorer.model_bytes,
        adapter_bytes=weights_bytes(folder.adapter) if folder.adapter.is_dir() else None,
        training_seconds=training.seconds,
        teacher_seconds=training.teacher_seconds,
        examples_per_second=training.examples_per_second,
        peak_memory_bytes=training.peak_memory_bytes,
    )


def judge_ensemble(bench: Workbench, plan: EnsemblePlan, members: Sequence[ArmResult]) -> ArmResult:
    """Evaluate the mean of the members' logits, as they were recorded, and write it as an arm's.

    Raises:
        IntegrityError: a member's predictions are missing or torn, or of other rows.
    """
    logits: Logits = {split: _mean_logits(bench, members, split) for split in EVALUATED}
    folder = bench.folder(plan.name)
    _save_predictions(bench, folder, logits)
    tasks = [Task(member.name, member.seed) for member in members]
    result = ArmResult(
        name=plan.name,
        seed=bench.seed,
        init=plan.describe(),
        tuning="nothing",
        objective="-",
        architecture="Ensemble",
        members=tuple(map(str, tasks)),
        layers=(),
        parameters=Parameters(
            trainable=0, total=sum(member.parameters.total for member in members)
        ),
        best_epoch=0,
        best_metric="",
        cost=Cost(
            model_bytes=sum(member.cost.model_bytes for member in members),
            training_seconds=0.0,
            teacher_seconds=sum(time_making(bench, tasks).values()),
        ),
        history=(),
        predictions=folder.predictions.relative_to(bench.layout.root).as_posix(),
        predictions_sha256=sha256_file(folder.predictions),
        evaluation_code=EVALUATION_CODE,
        weights_sha256=ensemble_sha256([member.weights_sha256 for member in members]),
        **_evaluate(bench, logits),
    )
    write_atomic(folder.result, result.model_dump_json(indent=1))
    return result


def _mean_logits(
    bench: Workbench, members: Sequence[ArmResult], split: SplitName
) -> npt.NDArray[np.float32]:
    truth = bench.data.corpus.splits[split].multi_hot(len(bench.data.corpus.label_names))
    found = []
    for member in members:
        own = read_predictions(bench.layout.root, member, split)
        if not np.array_equal(own.truth, truth):
            raise IntegrityError(
                f"{bench.layout.root / member.predictions} was scored on other {split} rows than "
                "the run has. Delete that arm's result.json and run `distillora compare` again."
            )
        found.append(own.logits)
    return np.asarray(np.mean(found, axis=0), np.float32)


def _evaluate(bench: Workbench, logits: Logits) -> Quality:
    corpus = bench.data.corpus
    validation, test = (
        Predictions(
            classes=corpus.splits[split].classes(),
            truth=corpus.splits[split].multi_hot(len(corpus.label_names)) > 0,
            logits=logits[split].astype(np.float64),
        )
        for split in EVALUATED
    )
    return evaluate_logits(validation, test, bench.data.recipe.task, corpus.label_names)


def _save_predictions(bench: Workbench, folder: ArmLayout, logits: Logits) -> None:
    """Write split, row, id, labels and logits of every scored text, but not the text."""
    splits = {split: bench.data.corpus.splits[split] for split in EVALUATED}
    table = pa.table(
        {
            "split": [name for name, split in splits.items() for _ in split.texts],
            "row": pa.array(
                [i for split in splits.values() for i in range(len(split))], pa.int32()
            ),
            "id": [id_ for split in splits.values() for id_ in split.ids],
            "labels": pa.array(
                [list(row) for split in splits.values() for row in split.labels],
                pa.list_(pa.int32()),
            ),
            "logits": pa.array(
                [row for split in EVALUATED for row in logits[split]], pa.list_(pa.float32())
            ),
        }
    )
    write_file_atomic(
        folder.predictions,
        lambda part: pq.write_table(table, part, compression="zstd"),
    )
