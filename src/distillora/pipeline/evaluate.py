"""The third stage: what a trained arm is worth, on validation and test.

This is the only stage that looks at test labels. Nothing is chosen here by them, except the
thresholds of the ladder's last rung, which say how much there is to win and are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from distillora.artifacts import ArmLayout, sha256_file, write_atomic, write_file_atomic
from distillora.data.tokens import TokenizedSplit
from distillora.errors import IntegrityError
from distillora.evaluation.chain import ensemble_sha256
from distillora.evaluation.cost import weights_bytes
from distillora.evaluation.predictions import Predictions, read_predictions
from distillora.evaluation.quality import Quality, evaluate_logits
from distillora.evaluation.results import ArmResult, Cost, Parameters
from distillora.models.forward import predict_logits
from distillora.models.hashes import weights_sha256
from distillora.models.tfidf import TfidfClassifier, stored_bytes
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.context import RunContext, load_arm
from distillora.pipeline.fingerprint import EVALUATION_CODE
from distillora.pipeline.saving import BeginningRecord, TrainingRecord
from distillora.pipeline.tasks import EnsemblePlan, Task
from distillora.pipeline.train import training_time
from distillora.runtime import device, device_name, processor_name

SplitName = Literal["validation", "test"]
EVALUATED: tuple[SplitName, ...] = get_args(SplitName)

Logits = dict[SplitName, npt.NDArray[np.float32]]


def evaluate_arm(context: RunContext, name: str) -> ArmResult:
    """Score one arm and write its ``predictions.parquet`` and ``result.json``.

    Raises:
        IntegrityError: the weights on disk are not those that were trained.
    """
    plan, folder = context.plans[name], context.folder(name)
    training = TrainingRecord.read(folder)
    scorer = load_scorer(context, name)
    if scorer.sha256 != training.weights_sha256:
        raise IntegrityError(
            f"{folder.model} does not hold the weights that were trained. Run the same "
            "command again: it says what changed, and --retrain-changed trains the arm anew."
        )
    layers = training.layers or ()
    logits = _score(context, scorer)
    _save_predictions(context, folder, logits)
    result = ArmResult(
        name=name,
        seed=context.seed,
        init=plan.describe_init(layers),
        tuning=", ".join(filter(None, (plan.describe_tuning(), training.choice))),
        objective=plan.describe_objective(),
        architecture=plan.architecture,
        teachers=plan.arm.teachers,
        teacher_seeds=training.teacher_seeds,
        teacher_precision=training.teacher_precision,
        layers=layers,
        parameters=Parameters(trainable=plan.trainable, total=plan.total),
        best_epoch=training.best_epoch,
        best_metric=training.best_metric,
        cost=_cost(context, plan, scorer, training),
        history=training.history,
        predictions=folder.predictions.relative_to(context.layout.root).as_posix(),
        predictions_sha256=sha256_file(folder.predictions),
        evaluation_code=EVALUATION_CODE,
        config_sha256=training.config_sha256,
        weights_sha256=scorer.sha256,
        fingerprint=BeginningRecord.read(folder).fingerprint,
        environment=training.environment,
        **_evaluate(context, logits),
    )
    write_atomic(folder.result, result.model_dump_json(indent=1))
    return result


def _score(context: RunContext, scorer: Scorer) -> Logits:
    logits: Logits = {}
    for split in EVALUATED:
        rows = len(context.data.dataset.splits[split])
        context.reporter.say(f"  scoring {split}: {rows:,} texts")
        logits[split] = scorer(scorer.inputs(split))
    return logits


def _cost(context: RunContext, plan: ArmPlan, scorer: Scorer, training: TrainingRecord) -> Cost:
    """Return what the arm cost to make and to keep; how fast it is, is measured once for all."""
    folder = context.folder(plan.name)
    return Cost(
        model_bytes=scorer.model_bytes,
        adapter_bytes=weights_bytes(folder.adapter) if folder.adapter.is_dir() else None,
        training_seconds=training.seconds,
        teacher_seconds=training.teacher_seconds,
        examples_per_second=training.examples_per_second,
        peak_memory_bytes=training.peak_memory_bytes,
    )


def evaluate_ensemble(
    context: RunContext, plan: EnsemblePlan, members: Sequence[ArmResult]
) -> ArmResult:
    """Evaluate the mean of the members' logits, as they were recorded, and write it as an arm's.

    Raises:
        IntegrityError: a member's predictions are missing or torn, or of other rows.
    """
    logits: Logits = {split: _mean_logits(context, members, split) for split in EVALUATED}
    folder = context.folder(plan.name)
    _save_predictions(context, folder, logits)
    tasks = [Task(member.name, member.seed) for member in members]
    result = ArmResult(
        name=plan.name,
        seed=context.seed,
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
            teacher_seconds=sum(training_time(context, tasks).values()),
        ),
        history=(),
        predictions=folder.predictions.relative_to(context.layout.root).as_posix(),
        predictions_sha256=sha256_file(folder.predictions),
        evaluation_code=EVALUATION_CODE,
        weights_sha256=ensemble_sha256([member.weights_sha256 for member in members]),
        **_evaluate(context, logits),
    )
    write_atomic(folder.result, result.model_dump_json(indent=1))
    return result


def _mean_logits(
    context: RunContext, members: Sequence[ArmResult], split: SplitName
) -> npt.NDArray[np.float32]:
    truth = context.data.dataset.splits[split].multi_hot(len(context.data.dataset.label_names))
    found = []
    for member in members:
        own = read_predictions(context.layout.root, member, split)
        if not np.array_equal(own.truth, truth):
            raise IntegrityError(
                f"{context.layout.root / member.predictions} was scored on other {split} rows than "
                "the run has. Delete that arm's result.json and run `distillora compare` again."
            )
        found.append(own.logits)
    return np.asarray(np.mean(found, axis=0), np.float32)


def _evaluate(context: RunContext, logits: Logits) -> Quality:
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


def _save_predictions(context: RunContext, folder: ArmLayout, logits: Logits) -> None:
    """Write split, row, id, labels and logits of every scored text, but not the text."""
    splits = {split: context.data.dataset.splits[split] for split in EVALUATED}
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


LogitMatrix = npt.NDArray[np.float32]


class Scorer(Protocol):
    """A model that turns what it is given into logits.

    Attributes:
        sha256: hash of its weights.
        model_bytes: size on disk of what it computes with.
        device: the hardware that it runs on.
    """

    sha256: str
    model_bytes: int
    device: str

    def inputs(self, split: str) -> Any:
        """Return all rows of a split, ready to be scored."""

    def take(self, split: str, rows: Sequence[int]) -> Any:
        """Return some rows of a split, ready to be scored."""

    def __call__(self, inputs: Any) -> LogitMatrix:
        """Return logits of shape (rows, labels)."""


def load_scorer(context: RunContext, name: str) -> Scorer:
    """Load a finished arm from disk."""
    if context.plans[name].arm.init.baseline:
        return _TextScorer(context, name)
    return _TokenScorer(context, name)


class _TokenScorer:
    """An encoder; its inputs are tokens."""

    def __init__(self, context: RunContext, name: str) -> None:
        model = load_arm(context, name)
        self.sha256 = weights_sha256(model)
        self.model_bytes = weights_bytes(context.folder(name).model)
        self.device = device_name()
        self._model = model.to(device())
        self._data = context.data
        self._tokenizer = context.plans[name].tokenizer

    def inputs(self, split: str) -> TokenizedSplit:
        return self._data.tokens(self._tokenizer, split)

    def take(self, split: str, rows: Sequence[int]) -> TokenizedSplit:
        return self.inputs(split).take(rows)

    def __call__(self, inputs: TokenizedSplit) -> LogitMatrix:
        pad = self._data.tokenizer(self._tokenizer).pad_token_id
        return predict_logits(self._model, inputs, pad)


class _TextScorer:
    """The TF-IDF baseline; its inputs are texts."""

    def __init__(self, context: RunContext, name: str) -> None:
        folder = context.folder(name).model
        self._model = TfidfClassifier.load(folder)
        self.sha256 = self._model.sha256
        self.model_bytes = stored_bytes(folder)
        self.device = processor_name()
        self._dataset = context.data.dataset

    def inputs(self, split: str) -> Sequence[str]:
        return self._dataset.splits[split].texts

    def take(self, split: str, rows: Sequence[int]) -> Sequence[str]:
        texts = self.inputs(split)
        return [texts[row] for row in rows]

    def __call__(self, inputs: Sequence[str]) -> LogitMatrix:
        return self._model.predict_logits(inputs)
