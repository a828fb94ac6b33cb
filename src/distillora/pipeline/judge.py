"""The third stage: what a trained arm is worth, on validation and test.

This is the only stage that looks at test labels. Nothing is chosen here by them, except the
thresholds of the ladder's last rung, which say how much there is to win and are not kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import confusion_matrix

from distillora.artifacts import write_atomic, write_file_atomic
from distillora.errors import IntegrityError
from distillora.evaluation.calibration import calibration_error, fit_temperature
from distillora.evaluation.cost import weights_bytes
from distillora.evaluation.ladder import climb_ladder
from distillora.evaluation.metrics import multi_label_metrics, single_label_metrics
from distillora.evaluation.results import (
    ArmResult,
    Cost,
    Ladder,
    Metrics,
    Parameters,
    SplitMetrics,
)
from distillora.evaluation.thresholds import (
    THRESHOLD_SHRINKAGE,
    THRESHOLD_SMOOTHING,
    tune_thresholds,
)
from distillora.pipeline.bench import Workbench
from distillora.pipeline.plan import ArmPlan
from distillora.pipeline.record import BeginningRecord, TrainingRecord
from distillora.pipeline.scorers import Scorer, load_scorer
from distillora.probabilities import sigmoid

EVALUATED = ("validation", "test")

Logits = dict[str, npt.NDArray[np.float32]]


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
    temperature = fit_temperature(
        logits["validation"], bench.data.targets("validation"), bench.data.recipe.task
    )
    thresholds = _tune(bench, logits["validation"] / temperature)
    _save_predictions(bench, plan, logits)
    result = ArmResult(
        name=name,
        seed=bench.seed,
        init=plan.describe_init(layers),
        tuning=", ".join(filter(None, (plan.describe_tuning(), training.choice))),
        objective=plan.describe_objective(),
        architecture=plan.architecture,
        teachers=plan.arm.teachers,
        layers=layers,
        search=training.search,
        parameters=Parameters(trainable=plan.trainable, total=plan.total),
        best_epoch=training.best_epoch,
        best_metric=training.best_metric,
        metrics=Metrics(
            validation=_measure(bench, "validation", logits, temperature, thresholds),
            test=_measure(bench, "test", logits, temperature, thresholds),
        ),
        temperature=temperature,
        thresholds=None if thresholds is None else tuple(thresholds.tolist()),
        ladder=_climb(bench, logits, temperature, thresholds),
        cost=_cost(bench, plan, scorer, training),
        history=training.history,
        confusions=_count_confusions(bench, logits["test"]),
        predictions=folder.predictions.relative_to(bench.layout.root).as_posix(),
        weights_sha256=scorer.sha256,
        fingerprint=BeginningRecord.read(folder).fingerprint,
        environment=training.environment,
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


def _tune(bench: Workbench, validation: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
    if not bench.data.recipe.multi_label:
        return None
    truth = bench.data.targets("validation")
    return tune_thresholds(
        sigmoid(validation), truth, smoothing=THRESHOLD_SMOOTHING, shrinkage=THRESHOLD_SHRINKAGE
    )


def _climb(
    bench: Workbench,
    logits: Logits,
    temperature: float,
    thresholds: npt.NDArray[np.float64] | None,
) -> Ladder | None:
    if thresholds is None:
        return None
    # in float64, as the metrics are: else a score at a threshold could fall on either side
    probabilities = {
        split: sigmoid(own.astype(np.float64) / temperature) for split, own in logits.items()
    }
    return climb_ladder(
        probabilities["validation"],
        bench.data.targets("validation"),
        probabilities["test"],
        bench.data.targets("test"),
        thresholds,
    )


def _measure(
    bench: Workbench,
    split: str,
    logits: Logits,
    temperature: float,
    thresholds: npt.NDArray[np.float64] | None,
) -> SplitMetrics:
    targets, labels = bench.data.targets(split), bench.data.corpus.label_names
    task, scored = bench.data.recipe.task, logits[split]
    if task == "multi_label":
        measured = multi_label_metrics(scored, targets, labels, thresholds, temperature)
    else:
        measured = single_label_metrics(scored, targets, labels)
    errors = {
        "calibration_error": calibration_error(scored / temperature, targets, task),
        "uncalibrated_error": calibration_error(scored, targets, task),
    }
    return measured.model_copy(update=errors)


def _count_confusions(
    bench: Workbench, logits: npt.NDArray[np.float32]
) -> tuple[tuple[int, ...], ...]:
    counts = confusion_matrix(
        bench.data.corpus.splits["test"].classes(),
        logits.argmax(axis=1),
        labels=range(len(bench.data.corpus.label_names)),
    )
    return tuple(tuple(row) for row in counts.tolist())


def _save_predictions(bench: Workbench, plan: ArmPlan, logits: Logits) -> None:
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
        bench.folder(plan.name).predictions,
        lambda part: pq.write_table(table, part, compression="zstd"),
    )
