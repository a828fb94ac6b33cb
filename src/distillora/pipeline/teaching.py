"""What an arm learns from: labels, what its teachers say of the texts, and the loss of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from distillora import recipe
from distillora.artifacts import one_at_a_time
from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.results import identify_model
from distillora.models.hashes import weights_sha256
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.context import RunContext, load_arm
from distillora.pipeline.saving import TrainingRecord
from distillora.pipeline.tasks import Task
from distillora.runtime import device, is_main_process, resolve_precision, wait_for_everyone
from distillora.training import objectives
from distillora.training.batches import Examples, JoinedExamples
from distillora.training.label_losses import LabelTerm, label_weights
from distillora.training.teacher_cache import (
    TeacherKey,
    TeacherOutputs,
    compute_outputs,
    load_outputs,
    mean_outputs,
)

_TERMS = ("labels", "distillation", "logits_mse", "hidden_cosine", "temperature")

# what a teacher, at a seed, says of a split
OutputsBySource = Mapping[tuple[Task, str | Path], TeacherOutputs]


def make_objective(
    settings: recipe.Objective, targets: npt.NDArray[Any], labels: int
) -> objectives.TrainingLoss:
    """Return the loss that a recipe describes.

    Args:
        targets: of the training rows that have labels; the rarer a label, the larger its weight.
        labels: how many labels there are.
    """
    weighted = settings.label_loss == "weighted"
    term = LabelTerm(
        kind=settings.label_loss,
        focal_gamma=settings.focal_gamma,
        weights=tuple(label_weights(targets, labels).tolist()) if weighted else None,
    )
    terms = {name: getattr(settings, name) for name in _TERMS}
    return objectives.TrainingLoss(**terms, label_term=term)


def training_examples(context: RunContext, plan: ArmPlan) -> tuple[JoinedExamples, OutputsBySource]:
    """Return what an arm is trained on, and what its teachers say of it."""
    data, objective = context.data, plan.arm.objective
    splits: list[str | Path] = ["train"]
    if objective.extra_text is not None:
        splits.append(objective.extra_text)
    own = context.needs(plan.name).teachers
    outputs = {
        (teacher, split): teacher_outputs(context, plan, teacher, split)
        for split in splits
        for teacher in own
    }
    parts = [
        Examples(
            data.tokens(plan.tokenizer, split),
            data.targets(split),
            mean_outputs([outputs[teacher, split] for teacher in own]),
        )
        for split in splits
    ]
    return JoinedExamples(parts), outputs


def teacher_outputs(
    context: RunContext, plan: ArmPlan, teacher: Task, split: str | Path
) -> TeacherOutputs:
    """Return a teacher's outputs over the texts of a split, computed if this is the first need."""
    data, tokenizer_name = context.data, context.plans[teacher.arm].tokenizer
    tokens, tokenizer = data.tokens(tokenizer_name, split), data.tokenizer(tokenizer_name)
    model, taken = load_arm(context, *teacher), TrainingRecord.read(context.folder(*teacher))
    key = TeacherKey(
        teacher=identify_model(weights_sha256(model), taken.config_sha256),
        data=data.rows(split).sha256,
        tokenizer=tokenizer_sha256(tokenizer),
        max_length=data.max_length,
        precision=resolve_precision(plan.arm.objective.teacher_precision),
        hidden=plan.arm.objective.hidden_cosine > 0,
    )
    folder = context.layout.teacher_outputs / key.digest
    if is_main_process():
        with one_at_a_time(folder):  # two students may need it at once
            if not folder.exists():
                which = "training" if split == "train" else "extra"
                title = f"{teacher}: outputs over the {which} texts"
                context.reporter.say(f"  {title}")
                with context.reporter.track(title, len(tokens)) as advance:
                    model = model.to(device())
                    compute_outputs(folder, key, model, tokens, tokenizer.pad_token_id, advance)
    wait_for_everyone()
    return load_outputs(folder, key, tokens)
