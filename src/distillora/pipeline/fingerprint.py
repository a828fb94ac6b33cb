"""What the weights of an arm depend on, taken before it is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from distillora.artifacts import ArmLayout
from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.chain import EXTRA_TEXT
from distillora.evaluation.results import Fingerprint
from distillora.models.hashes import source_sha256
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.context import RunContext
from distillora.pipeline.saving import BeginningRecord
from distillora.pipeline.tasks import Task
from distillora.recipe import Arm, drop_flat_defaults, flatten
from distillora.runtime import resolve_precision

CODE = 1
"""Version of the training code: raise it when the same inputs give other weights than before."""

EVALUATION_CODE = 1
"""Version of the evaluation code: raise it when the same weights and texts would give another
``result.json`` than before, because of how texts are scored, temperature, thresholds, or metrics.

It is not part of the fingerprint: arms of another version are scored again, not trained. Speed and
evidence do not count, for they stand in no arm's result.
"""

# not of the weights, or in the fingerprint by the hash of what it names
_LEFT_OUT = (
    "init.backbone",
    "init.classifier",
    "init.ensemble",
    "init.ensemble_seeds",
    "init.revision",
    "objective.extra_text",
    "training.checkpoint_minutes",
)


def take_fingerprint(context: RunContext, task: Task, parents: Mapping[Task, str]) -> Fingerprint:
    """Return the fingerprint of an arm at a seed.

    Args:
        context: the run: its plans and its data.
        task: which arm, which seed.
        parents: the hash of the weights of each arm that it starts from or learns from.

    Raises:
        ModelError: the files of its backbone cannot be read.
    """
    plan, data = context.plans[task.arm], context.data
    hashes = {name: split.sha256 for name, split in data.dataset.splits.items()}
    if plan.arm.objective.extra_text is not None:
        hashes[EXTRA_TEXT] = data.rows(plan.arm.objective.extra_text).sha256
    is_encoder = not plan.arm.init.baseline
    return Fingerprint(
        code=CODE,
        settings=weight_settings(plan, multi_label=data.multi_label),
        seed=task.seed,
        data=hashes,
        labels=_sha256([data.task, *data.dataset.label_names]),
        tokenizer=tokenizer_sha256(data.tokenizer(plan.tokenizer)) if is_encoder else None,
        max_length=data.max_length,
        backbone=_backbone(plan.arm),
        parents={str(parent): digest for parent, digest in parents.items()},
    )


def read_fingerprint(folder: ArmLayout) -> Fingerprint:
    """Return what an arm was made from, to be compared with what is asked for now.

    Settings that were removed since are left out where they had their default.

    Raises:
        IntegrityError: it is missing or torn.
    """
    made = BeginningRecord.read(folder).fingerprint
    return made.model_copy(update={"settings": drop_flat_defaults(made.settings)})


def weight_settings(plan: ArmPlan, *, multi_label: bool) -> dict[str, Any]:
    """Return the settings of an arm that its weights depend on, resolved, by their path."""
    arm = plan.arm
    sections = {"init", "tuning", "objective", "training"}
    settings = flatten(arm.model_dump(mode="json", include=sections))
    settings = {key: value for key, value in settings.items() if key not in _LEFT_OUT}
    settings["training.head_learning_rate"] = arm.head_learning_rate
    if arm.init.output_bias == "auto":
        settings["init.output_bias"] = "frequencies" if arm.init.backbone else "zero"
    settings["training.best_metric"] = best_metric(plan, multi_label=multi_label)
    settings["training.precision"] = resolve_precision(arm.training.precision)
    if arm.teachers:
        wanted = arm.objective.teacher_precision
        settings["objective.teacher_precision"] = resolve_precision(wanted)
    else:
        settings.pop("objective.teacher_precision")
    if arm.init.baseline:
        return {key: settings[key] for key in ("init.baseline", "training.best_metric")}
    if arm.tuning.method == "none":
        return {k: v for k, v in settings.items() if not k.startswith(("objective.", "training."))}
    return settings


def best_metric(plan: ArmPlan, *, multi_label: bool) -> str:
    """Return the validation metric that chooses the epoch."""
    wanted = plan.arm.training.best_metric
    if wanted == "auto":
        return "average_precision" if multi_label else "f1_weighted"
    return wanted


def _backbone(arm: Arm) -> str | None:
    name = arm.init.backbone or arm.init.classifier
    if name is None:
        return None
    return source_sha256(name, arm.init.revision, weights=arm.init.weights == "pretrained")


def _sha256(values: list[str]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
