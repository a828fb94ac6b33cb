"""What an encoder starts from, and what it learns from: labels and its teachers' outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from distillora import recipe
from distillora.artifacts import one_at_a_time
from distillora.data.tokens import tokenizer_sha256
from distillora.evaluation.results import identify_model
from distillora.models.adapters import add_adapter
from distillora.models.backbones import build_random, load_backbone, load_classifier
from distillora.models.distilbert import to_distilbert
from distillora.models.hashes import weights_sha256
from distillora.models.heads import has_output_bias, set_output_bias
from distillora.models.layers import choose_layers, keep_layers
from distillora.pipeline.context import RunContext, Task
from distillora.pipeline.methods.encoder_plan import EncoderPlan, encoder_plan
from distillora.pipeline.records import TrainingRecord
from distillora.recipe import LoraTuning
from distillora.runtime import (
    device,
    is_main_process,
    resolve_precision,
    set_seed,
    wait_for_everyone,
)
from distillora.training import objectives
from distillora.training.batches import Examples, JoinedExamples
from distillora.training.label_losses import LabelTerm, label_weights
from distillora.training.objectives import label_bias
from distillora.training.teacher_cache import (
    TeacherKey,
    TeacherOutputs,
    compute_outputs,
    load_outputs,
    mean_outputs,
)

_TERMS = ("labels", "distillation", "logits_mse", "hidden_cosine", "temperature")

Layers = tuple[int, ...]

# the outputs of a teacher (an arm at a seed) on a split
OutputsBySource = Mapping[tuple[Task, str | Path], TeacherOutputs]


def pick_layers(context: RunContext, plan: EncoderPlan) -> Layers:
    """Return the layers that an arm keeps."""
    if plan.layers is not None:
        return plan.layers
    return choose_layers("random", plan.available, plan.depth, context.seed)


def build_model(context: RunContext, plan: EncoderPlan, layers: Layers) -> Any:
    """Build the model that the arm starts from, with its adapters."""
    model = build_base(context, plan, layers)
    if isinstance(plan.arm.tuning, LoraTuning):
        model = add_adapter(model, plan.arm.tuning)
    return model


def build_base(context: RunContext, plan: EncoderPlan, layers: Layers) -> Any:
    """Load what the arm starts from and keep its layers."""
    model = _load_origin(context, plan)
    if plan.arm.init.weights == "random":
        return model  # made in its final shape
    if layers != tuple(range(plan.available)):
        model = keep_layers(model, layers)
    if plan.arm.init.architecture == "distilbert":
        model = to_distilbert(model)
    return model


def _load_origin(context: RunContext, plan: EncoderPlan) -> Any:
    init, multi_label = plan.arm.init, context.plan.multi_label
    labels = context.data.dataset.label_names
    if init.backbone:
        if init.weights == "random":
            set_seed(context.seed)  # the same weights whenever they are made
            model = build_random(plan.config)
        else:
            model = load_backbone(init.backbone, init.revision, labels, multi_label=multi_label)
        wanted = init.output_bias
        if wanted == "frequencies" or (wanted == "auto" and has_output_bias(model)):
            set_output_bias(model, label_bias(context.data.targets("train"), len(labels)))
        return model
    if init.classifier:
        return load_classifier(init.classifier, init.revision, labels, multi_label=multi_label)
    origin = context.needs(plan.name).origin
    assert origin is not None
    return load_encoder(context, *origin)


def load_encoder(context: RunContext, name: str, seed: int | None = None) -> Any:
    """Load a finished encoder from disk, of this seed if no other is given."""
    return load_classifier(
        str(context.folder(name, seed).model),
        None,
        context.data.dataset.label_names,
        multi_label=context.plan.multi_label,
    )


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


def training_examples(
    context: RunContext, plan: EncoderPlan
) -> tuple[JoinedExamples, OutputsBySource]:
    """Return the training examples of an arm, and the outputs of its teachers."""
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
    context: RunContext, plan: EncoderPlan, teacher: Task, split: str | Path
) -> TeacherOutputs:
    """Return a teacher's outputs on a split, computed unless they are cached."""
    data, tokenizer_name = context.data, encoder_plan(context.plans, teacher.arm).tokenizer
    tokens, tokenizer = data.tokens(tokenizer_name, split), data.tokenizer(tokenizer_name)
    model, taken = load_encoder(context, *teacher), TrainingRecord.read(context.folder(*teacher))
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
