"""What an encoder arm will be, resolved from configurations alone: full tuning, LoRA or neither."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedConfig

from distillora.errors import ModelError
from distillora.models.adapters import add_adapter
from distillora.models.backbones import (
    build_on_meta,
    count_parameters,
    load_classifier_config,
    load_config,
)
from distillora.models.distilbert import distilbert_config
from distillora.models.layers import choose_layers, config_with_layers, find_layers
from distillora.models.targets import resolve_targets
from distillora.pipeline.context import ArmPlan
from distillora.pipeline.method import PlanRequest
from distillora.pipeline.run_data import TokenizerName
from distillora.recipe import Arm, LoraTuning, Objective, flatten
from distillora.runtime import resolve_precision

# what else there is in `init` belongs to another method, does not change weights, or is in the
# fingerprint by the hash of what it names
_INIT_SETTINGS = ("arm", "baseline", "weights", "layers", "count", "architecture", "output_bias")
_LEFT_OUT = ("objective.extra_text", "training.checkpoint_minutes")


@dataclass(frozen=True, kw_only=True)
class EncoderPlan(ArmPlan):
    """One encoder with a classification head.

    Attributes:
        config: the configuration of the model that ships.
        layers: indices (from 0) of the layers that it keeps, of ``available``; None for
            ``random`` ones, which are drawn when it is made.
        targets: the modules that get an adapter.
        extra_texts: how many texts without labels it learns from as well.
    """

    config: PreTrainedConfig
    layers: tuple[int, ...] | None
    available: int
    targets: tuple[str, ...]
    extra_texts: int
    tokenizer: TokenizerName

    @property
    def depth(self) -> int:
        """How many layers it keeps."""
        return int(self.config.num_hidden_layers)

    def describe_init(self, layers: tuple[int, ...] | None = None) -> str:
        """See ``ArmPlan``."""
        init, layers = self.arm.init, layers or self.layers
        kind = "arm" if init.arm else "pretrained encoder" if init.backbone else "classifier"
        if init.weights == "random":
            kind = "random weights in the shape of"
        which = ", ".join(map(str, layers)) if layers else f"({self.depth} {init.layers})"
        kept = "" if self.depth == self.available else f", layers {which} of {self.available}"
        shape = " as DistilBERT" if init.architecture == "distilbert" else ""
        return f"{kind} {init.origin}{kept}{shape}"

    def describe_tuning(self) -> str:
        """See ``ArmPlan``."""
        tuning = self.arm.tuning
        if isinstance(tuning, LoraTuning):
            return _describe_lora(tuning, self.targets)
        return "all parameters" if tuning.method == "full" else "nothing"

    def describe_objective(self) -> str:
        """See ``ArmPlan``."""
        if self.arm.tuning.method == "none":
            return "-"
        objective = self.arm.objective
        terms = {
            f"labels{_describe_label_loss(objective)}": objective.labels,
            f"distillation (T={objective.temperature:g})": objective.distillation,
            "logits MSE": objective.logits_mse,
            "hidden cosine": objective.hidden_cosine,
        }
        text = " + ".join(f"{weight:g} x {term}" for term, weight in terms.items() if weight)
        seeds = ", all seeds" if objective.teacher_seeds == "all" else ""
        teachers = " and ".join(self.arm.teachers)
        text += f" from {teachers}{seeds}" if teachers else ""
        return text + (f", also on {self.extra_texts:,} extra texts" if self.extra_texts else "")

    def describe_layers(self) -> str:
        """See ``ArmPlan``."""
        if self.layers is None:
            return f"{self.depth} of {self.available}"
        return " ".join(map(str, self.layers)) or "-"

    def describe_shape(self) -> str:
        """See ``ArmPlan``."""
        config = self.config
        inner = getattr(config, "intermediate_size", None) or config.hidden_dim
        layers = f"{self.depth} layer{'' if self.depth == 1 else 's'}"
        # ModernBERT: most layers see only the neighbours of a token, which is faster
        kinds = list(getattr(config, "layer_types", None) or ())
        if len(set(kinds)) > 1:
            layers += f" ({kinds.count('full_attention')} with full attention)"
        return (
            f"{self.architecture}, {layers}, {config.hidden_size:,} and {inner:,} wide, "
            f"{config.vocab_size:,} tokens, {config.num_labels} labels"
        )

    def weight_settings(self, *, multi_label: bool) -> dict[str, Any]:
        """See ``ArmPlan``."""
        arm = self.arm
        sections = {"tuning", "objective", "training"}
        include: dict[str, Any] = {"init": set(_INIT_SETTINGS), **dict.fromkeys(sections, True)}
        settings = flatten(arm.model_dump(mode="json", include=include))
        settings = {key: value for key, value in settings.items() if key not in _LEFT_OUT}
        settings["training.head_learning_rate"] = arm.head_learning_rate
        if arm.init.output_bias == "auto":
            settings["init.output_bias"] = "frequencies" if arm.init.backbone else "zero"
        settings["training.best_metric"] = self.best_metric(multi_label=multi_label)
        settings["training.precision"] = self.precision
        if arm.teachers:
            wanted = arm.objective.teacher_precision
            settings["objective.teacher_precision"] = resolve_precision(wanted)
        else:
            settings.pop("objective.teacher_precision")
        if arm.tuning.method != "none":
            return settings
        unused = ("objective.", "training.")
        return {key: value for key, value in settings.items() if not key.startswith(unused)}


def encoder_plan(plans: Mapping[str, ArmPlan], name: str) -> EncoderPlan:
    """Return the plan of an arm that another starts or learns from: always an encoder."""
    found = plans[name]
    assert isinstance(found, EncoderPlan)
    return found


def plan(request: PlanRequest) -> EncoderPlan:
    """See ``Method.plan``."""
    arm = request.arm
    origin = _origin_config(request)
    available = origin.num_hidden_layers
    late = arm.init.layers == "random"
    # what `first` keeps stands for layers that are not known yet: as many, and of the same shape
    layers = choose_layers("first" if late else arm.init.layers, available, arm.init.count)
    config = config_with_layers(origin, layers)
    if arm.init.architecture == "distilbert":
        config = distilbert_config(config)
    _check_length(config, request.max_length)
    trainable, total, architecture, targets = _count(config, arm)
    planned = EncoderPlan(
        name=request.name,
        arm=arm,
        config=config,
        architecture=architecture,
        layers=None if late else layers,
        available=available,
        trainable=trainable,
        total=total,
        targets=targets,
        steps=_count_steps(arm, len(request.dataset.splits["train"]) + request.extra_texts),
        extra_texts=request.extra_texts,
        tokenizer=encoder_plan(request.planned, arm.init.arm).tokenizer
        if arm.init.arm
        else (arm.init.origin, arm.init.revision),
    )
    if arm.objective.hidden_cosine:
        _check_hidden_states_fit(planned, encoder_plan(request.planned, arm.teachers[0]))
    return planned


def _origin_config(request: PlanRequest) -> PreTrainedConfig:
    init, labels = request.arm.init, request.dataset.label_names
    if init.arm:
        return encoder_plan(request.planned, init.arm).config
    if init.backbone:
        return load_config(init.backbone, init.revision, labels, multi_label=request.multi_label)
    assert init.classifier is not None
    return load_classifier_config(
        init.classifier, init.revision, labels, multi_label=request.multi_label
    )


def _count(config: PreTrainedConfig, arm: Arm) -> tuple[int, int, str, tuple[str, ...]]:
    """Return trainable and total parameters, the class of the model, the adapted modules."""
    model = build_on_meta(config)
    architecture = type(model).__name__
    find_layers(model)
    targets: tuple[str, ...] = ()
    if isinstance(arm.tuning, LoraTuning):
        targets = tuple(resolve_targets(model, arm.tuning))
        model = add_adapter(model, arm.tuning)
    trainable, total = count_parameters(model)
    return (0 if arm.tuning.method == "none" else trainable), total, architecture, targets


def _count_steps(arm: Arm, rows: int) -> int:
    if arm.tuning.method == "none":
        return 0
    return arm.training.epochs * math.ceil(rows / arm.training.batch_size)


def _check_length(config: PreTrainedConfig, max_length: int) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and positions < max_length:
        raise ModelError(
            f"the encoder has {positions} positions, fewer than data.max_length {max_length}. "
            f"Set data.max_length to {positions} or less."
        )


def _check_hidden_states_fit(student: EncoderPlan, teacher: EncoderPlan) -> None:
    ours, theirs = student.config.hidden_size, teacher.config.hidden_size
    if ours != theirs:
        raise ModelError(
            f"objective.hidden_cosine needs hidden states of one width, and this arm has {ours} "
            f"where '{teacher.name}' has {theirs}. Set hidden_cosine to 0."
        )
    if student.tokenizer != teacher.tokenizer:
        raise ModelError(
            f"objective.hidden_cosine compares token by token, and '{teacher.name}' has another "
            "tokenizer. Set hidden_cosine to 0."
        )


def _describe_label_loss(objective: Objective) -> str:
    """Say in parentheses what is not plain in the label loss."""
    settings = {
        "plain": "",
        "weighted": "weighted",
        "focal": f"focal, gamma {objective.focal_gamma:g}",
    }[objective.label_loss]
    return settings and f" ({settings})"


def _describe_lora(tuning: LoraTuning, targets: tuple[str, ...]) -> str:
    """One line on adapters; what is as by default goes without saying."""
    groups = {
        "attention": f"the {len(targets)} linear modules of every attention",
        "all": f"all {len(targets)} linear modules of every layer",
    }
    where = groups.get(tuning.targets) if isinstance(tuning.targets, str) else None
    scale = f" (rank-stabilised, scale {tuning.scale:.3g})" if tuning.rslora else ""
    return (
        f"{'DoRA' if tuning.dora else 'LoRA'} rank {tuning.rank}, alpha {tuning.alpha:g}{scale}, "
        f"dropout {tuning.dropout:g} on {where or ', '.join(targets)}"
    )
