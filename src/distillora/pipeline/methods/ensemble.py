"""The mean of other arms' logits: nothing is trained, only evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from distillora.errors import IntegrityError
from distillora.evaluation.integrity import ensemble_sha256
from distillora.evaluation.predictions import LogitMatrix, SplitName, read_predictions
from distillora.evaluation.results import ArmResult
from distillora.pipeline.context import ArmPlan, RunContext
from distillora.pipeline.method import LoadedArm, PlanRequest
from distillora.pipeline.records import TrainingStats, training_time
from distillora.runtime import processor_name


@dataclass(frozen=True, kw_only=True)
class EnsemblePlan(ArmPlan):
    """One ensemble; which models it averages at a seed is in the ``Needs`` of that task."""

    has_weights: ClassVar[bool] = False

    def describe_init(self, layers: tuple[int, ...] | None = None) -> str:
        """See ``ArmPlan``."""
        init = self.arm.init
        seeds = "all seeds" if init.ensemble_seeds == "all" else "of one seed"
        return f"mean of the logits of {' and '.join(init.ensemble or ())}, {seeds}"

    def describe_tuning(self) -> str:
        """See ``ArmPlan``."""
        return "nothing"

    def describe(self) -> tuple[str, ...]:
        """See ``ArmPlan``."""
        return self.describe_init(), "nothing: it is only evaluated"


def plan(request: PlanRequest) -> EnsemblePlan:
    """See ``Method.plan``."""
    return EnsemblePlan(
        name=request.name,
        arm=request.arm,
        architecture="Ensemble",
        trainable=0,
        total=sum(request.planned[member.arm].total for member in request.needs.members),
        tokenizer=None,
    )


def train(context: RunContext, plan: EnsemblePlan) -> NoReturn:
    """Never called: an ensemble has no weights of its own."""
    raise NotImplementedError(f"'{plan.name}' is an ensemble, which is not trained")


def load(context: RunContext, plan: EnsemblePlan) -> LoadedArm:
    """See ``Method.load``; the members must have been evaluated."""
    return _LoadedEnsemble(context, plan)


class _LoadedEnsemble(LoadedArm):
    """An ensemble; its inputs are the logits that its members recorded."""

    def __init__(self, context: RunContext, plan: EnsemblePlan) -> None:
        self._context, self._tasks = context, context.needs(plan.name).members
        context.reporter.say(f"  averaging {len(self._tasks)} models")
        self._members = [
            ArmResult.model_validate_json(context.folder(*task).result.read_bytes())
            for task in self._tasks
        ]
        self.sha256 = ensemble_sha256([member.weights_sha256 for member in self._members])
        self.model_bytes = sum(member.cost.model_bytes for member in self._members)
        self.device = processor_name()

    def read_stats(self) -> TrainingStats:
        return TrainingStats(
            best_epoch=0,
            best_metric="",
            history=(),
            seconds=0.0,
            examples_per_second=None,
            peak_memory_bytes=None,
            before=training_time(self._context.layout, self._tasks),
        )

    def inputs(self, split: SplitName) -> npt.NDArray[np.float64]:
        """Read the members' logits of a split, shape (members, rows, labels).

        Raises:
            IntegrityError: a member's predictions are missing or torn, or of other rows.
        """
        dataset, root = self._context.data.dataset, self._context.layout.root
        truth = dataset.splits[split].multi_hot(len(dataset.label_names))
        found = []
        for member in self._members:
            own = read_predictions(root, member, split)
            if not np.array_equal(own.truth, truth):
                raise IntegrityError(
                    f"{root / member.predictions} was scored on other {split} rows than the run "
                    "has. Delete that arm's result.json and run `distillora compare` again."
                )
            found.append(own.logits)
        return np.stack(found)

    def take(self, split: SplitName, rows: Sequence[int]) -> npt.NDArray[np.float64]:
        return self.inputs(split)[:, rows]

    def __call__(self, inputs: npt.NDArray[np.float64]) -> LogitMatrix:
        return np.asarray(inputs.mean(axis=0), np.float32)
