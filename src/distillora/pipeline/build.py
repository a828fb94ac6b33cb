"""What an arm starts from: the model before training."""

from __future__ import annotations

import time
from typing import Any

import torch

from distillora.data.tokens import TokenizedSplit
from distillora.evaluation.results import LayerSearchRecord, TriedLayers
from distillora.models.adapters import add_adapter
from distillora.models.backbones import (
    build_random,
    has_output_bias,
    load_backbone,
    load_classifier,
    set_output_bias,
)
from distillora.models.distilbert import to_distilbert
from distillora.models.forward import predict_logits
from distillora.models.layer_search import search_layers
from distillora.models.layers import choose_layers, keep_layers
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.context import RunContext, load_arm
from distillora.recipe import LoraTuning
from distillora.runtime import device, set_seed
from distillora.training.objectives import label_bias, label_loss

Layers = tuple[int, ...]


def pick_layers(context: RunContext, plan: ArmPlan) -> tuple[Layers, LayerSearchRecord | None]:
    """Return the layers that an arm keeps, and how they were searched."""
    if plan.layers is not None:
        return plan.layers, None
    if plan.arm.init.layers == "random":
        return choose_layers("random", plan.available, plan.depth, context.seed), None
    context.reporter.say(f"  searching {plan.depth} of {plan.available} layers")
    tokens = context.data.tokens(plan.tokenizer, "validation")
    targets = torch.from_numpy(context.data.targets("validation"))
    pad = context.data.tokenizer(plan.tokenizer).pad_token_id
    return find_best_layers(plan, _load_origin(context, plan), tokens, targets, pad)


def build_model(context: RunContext, plan: ArmPlan, layers: Layers) -> Any:
    """Make what the arm starts from, and add its adapters."""
    model = build_base(context, plan, layers)
    if isinstance(plan.arm.tuning, LoraTuning):
        model = add_adapter(model, plan.arm.tuning)
    return model


def build_base(context: RunContext, plan: ArmPlan, layers: Layers) -> Any:
    """Load what the arm starts from and keep its layers."""
    model = _load_origin(context, plan)
    if plan.arm.init.weights == "random":
        return model  # made in its final shape
    if layers != tuple(range(plan.available)):
        model = keep_layers(model, layers)
    if plan.arm.init.architecture == "distilbert":
        model = to_distilbert(model)
    return model


def _load_origin(context: RunContext, plan: ArmPlan) -> Any:
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
    return load_arm(context, *origin)


def find_best_layers(
    plan: ArmPlan,
    model: torch.nn.Module,
    validation: TokenizedSplit,
    targets: torch.Tensor,
    pad_token_id: int,
) -> tuple[tuple[int, ...], LayerSearchRecord]:
    """Search the layers of a tuned model by its loss on validation, and return them with the cost.

    Args:
        targets: class numbers (rows,), or 0 and 1 of shape (rows, labels).
    """

    def loss_of(layers: tuple[int, ...]) -> float:
        student = keep_layers(model, layers).to(device())
        logits = torch.from_numpy(predict_logits(student, validation, pad_token_id))
        return float(label_loss(logits, targets))

    start = time.perf_counter()
    found = search_layers(plan.available, plan.depth, loss_of)
    record = LayerSearchRecord(
        tried=tuple(TriedLayers(layers=layers, loss=loss) for layers, loss in found.tried),
        seconds=time.perf_counter() - start,
    )
    return found.layers, record
