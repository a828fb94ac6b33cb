"""What an arm starts from: the model before training."""

from __future__ import annotations

from typing import Any

from distillora.models.adapters import add_adapter
from distillora.models.backbones import build_random, load_backbone, load_classifier
from distillora.models.distilbert import to_distilbert
from distillora.models.heads import has_output_bias, set_output_bias
from distillora.models.layers import choose_layers, keep_layers
from distillora.pipeline.arm_plan import ArmPlan
from distillora.pipeline.context import RunContext, load_arm
from distillora.recipe import LoraTuning
from distillora.runtime import set_seed
from distillora.training.objectives import label_bias

Layers = tuple[int, ...]


def pick_layers(context: RunContext, plan: ArmPlan) -> Layers:
    """Return the layers that an arm keeps."""
    if plan.layers is not None:
        return plan.layers
    return choose_layers("random", plan.available, plan.depth, context.seed)


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
