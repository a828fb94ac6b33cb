"""What an arm starts from: the model before training."""

from __future__ import annotations

from typing import Any

import torch

from distillora.evaluation.results import LayerSearchRecord
from distillora.models.adapters import add_adapter
from distillora.models.backbones import (
    build_random,
    has_output_bias,
    load_backbone,
    load_classifier,
    set_output_bias,
)
from distillora.models.distilbert import to_distilbert
from distillora.models.layers import choose_layers, keep_layers
from distillora.pipeline.bench import Workbench, load_arm
from distillora.pipeline.depth import find_best_layers
from distillora.pipeline.plan import ArmPlan
from distillora.recipe import LoraTuning
from distillora.runtime import set_seed
from distillora.training.objectives import label_bias

Layers = tuple[int, ...]


def pick_layers(bench: Workbench, plan: ArmPlan) -> tuple[Layers, LayerSearchRecord | None]:
    """Return the layers that an arm keeps, and how they were searched."""
    if plan.layers is not None:
        return plan.layers, None
    if plan.arm.init.layers == "random":
        return choose_layers("random", plan.available, plan.depth, bench.seed), None
    bench.reporter.say(f"  searching {plan.depth} of {plan.available} layers")
    tokens = bench.data.tokens(plan.tokenizer, "validation")
    targets = torch.from_numpy(bench.data.targets("validation"))
    pad = bench.data.tokenizer(plan.tokenizer).pad_token_id
    return find_best_layers(plan, _load_origin(bench, plan), tokens, targets, pad)


def build_model(bench: Workbench, plan: ArmPlan, layers: Layers) -> Any:
    """Make what the arm starts from, and add its adapters."""
    model = build_base(bench, plan, layers)
    if isinstance(plan.arm.tuning, LoraTuning):
        model = add_adapter(model, plan.arm.tuning)
    return model


def build_base(bench: Workbench, plan: ArmPlan, layers: Layers) -> Any:
    """Load what the arm starts from and keep its layers."""
    model = _load_origin(bench, plan)
    if plan.arm.init.weights == "random":
        return model  # made in its final shape
    if layers != tuple(range(plan.available)):
        model = keep_layers(model, layers)
    if plan.arm.init.architecture == "distilbert":
        model = to_distilbert(model)
    return model


def _load_origin(bench: Workbench, plan: ArmPlan) -> Any:
    init, multi_label = plan.arm.init, bench.data.recipe.multi_label
    labels = bench.data.corpus.label_names
    if init.backbone:
        if init.weights == "random":
            set_seed(bench.seed)  # the same weights whenever they are made
            model = build_random(plan.config)
        else:
            model = load_backbone(init.backbone, init.revision, labels, multi_label=multi_label)
        wanted = init.output_bias
        if wanted == "frequencies" or (wanted == "auto" and has_output_bias(model)):
            set_output_bias(model, label_bias(bench.data.targets("train"), len(labels)))
        return model
    if init.classifier:
        return load_classifier(init.classifier, init.revision, labels, multi_label=multi_label)
    assert init.arm is not None
    return load_arm(bench, init.arm, bench.data.recipe.parent_seed(init.arm, bench.seed))
