"""What the weights of an arm depend on, taken before it is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.chain import EXTRA_TEXT
from distillora.evaluation.results import Fingerprint
from distillora.models.backbones import source_sha256
from distillora.pipeline.context import RunContext, Task
from distillora.recipe import Arm

CODE = 1
"""Version of the training code: raise it when the same inputs give other weights than before."""

EVALUATION_CODE = 1
"""Version of the evaluation code: raise it when the same weights and texts would give another
``result.json`` than before, because of how texts are scored, temperature, thresholds, or metrics.

It is not part of the fingerprint: arms of another version are scored again, not trained. Speed and
evidence do not count, for they stand in no arm's result.
"""


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
    return Fingerprint(
        code=CODE,
        settings=plan.weight_settings(multi_label=data.multi_label),
        seed=task.seed,
        data=hashes,
        labels=_sha256([data.task, *data.dataset.label_names]),
        tokenizer=tokenizer_sha256(data.tokenizer(plan.tokenizer)) if plan.tokenizer else None,
        max_length=data.max_length,
        backbone=_backbone(plan.arm),
        parents={str(parent): digest for parent, digest in parents.items()},
    )


def _backbone(arm: Arm) -> str | None:
    name = arm.init.backbone or arm.init.classifier
    if name is None:
        return None
    return source_sha256(name, arm.init.revision, weights=arm.init.weights == "pretrained")


def _sha256(values: list[str]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
