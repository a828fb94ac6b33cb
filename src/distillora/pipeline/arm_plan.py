"""What one arm will be, worked out from configurations alone: no weights, no training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedConfig

from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
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
from distillora.models.origin import BUNDLED
from distillora.models.targets import resolve_targets
from distillora.models.tfidf import TfidfClassifier, fit_vectorizer, tfidf_config
from distillora.pipeline.describe import describe_label_loss, describe_lora
from distillora.recipe import Arm, LoraTuning


@dataclass(frozen=True)
class ArmPlan:
    """One arm, worked out.

    Attributes:
        name, arm: as in the recipe.
        config: the configuration of the model that ships.
        layers: indices (from 0) of the layers that it keeps, of ``available``; None for
            ``random`` ones, which are drawn when it is made.
        trainable, total: parameters while training, adapters included.
        targets: the modules that get an adapter.
        steps: optimizer steps.
        extra_texts: how many texts without labels it learns from as well.
        tokenizer: name and revision of the model whose tokenizer it uses; for a baseline, which
            reads texts, the bundled encoder's, by which the audit then counts tokens.
    """

    name: str
    arm: Arm
    config: PreTrainedConfig
    architecture: str
    layers: tuple[int, ...] | None
    available: int
    trainable: int
    total: int
    targets: tuple[str, ...]
    steps: int
    extra_texts: int
    tokenizer: tuple[str, str | None]

    @property
    def depth(self) -> int:
        """How many layers it keeps."""
        return int(self.config.num_hidden_layers)

    def describe_init(self, layers: tuple[int, ...] | None = None) -> str:
        """One line on what the arm starts from, with the layers that it kept once it is made."""
        init, layers = self.arm.init, layers or self.layers
        if init.baseline:
            return "TF-IDF of words and pairs of words"
        kind = "arm" if init.arm else "pretrained encoder" if init.backbone else "classifier"
        if init.weights == "random":
            kind = "random weights in the shape of"
        which = ", ".join(map(str, layers)) if layers else f"({self.depth} {init.layers})"
        kept = "" if self.depth == self.available else f", layers {which} of {self.available}"
        shape = " as DistilBERT" if init.architecture == "distilbert" else ""
        return f"{kind} {init.origin}{kept}{shape}"

    def describe_tuning(self) -> str:
        """One line on what is trained."""
        tuning = self.arm.tuning
        if isinstance(tuning, LoraTuning):
            return describe_lora(tuning, self.targets)
        return "all parameters" if tuning.method == "full" else "nothing"

    def describe_objective(self) -> str:
        """One line on the loss."""
        if self.arm.tuning.method == "none":
            return "-"
        objective = self.arm.objective
        terms = {
            f"labels{describe_label_loss(objective)}": objective.labels,
            f"distillation (T={objective.temperature:g})": objective.distillation,
            "logits MSE": objective.logits_mse,
            "hidden cosine": objective.hidden_cosine,
        }
        text = " + ".join(f"{weight:g} x {term}" for term, weight in terms.items() if weight)
        seeds = ", all seeds" if objective.teacher_seeds == "all" else ""
        teachers = " and ".join(self.arm.teachers)
        text += f" from {teachers}{seeds}" if teachers else ""
        return text + (f", also on {self.extra_texts:,} extra texts" if self.extra_texts else "")


def plan_arm(
    name: str,
    arm: Arm,
    dataset: Dataset,
    extra: Mapping[Path, ExtraText],
    plans: Mapping[str, ArmPlan],
    *,
    multi_label: bool,
    max_length: int,
) -> ArmPlan:
    """Work out one arm; ``plans`` holds those that it needs.

    Raises:
        ModelError: it cannot be made as asked.
    """
    if arm.init.baseline:
        return _plan_baseline(name, arm, dataset, multi_label=multi_label)
    path = arm.objective.extra_text
    extra_texts = 0 if path is None else len(extra[path].rows)
    origin = _origin_config(arm, dataset.label_names, plans, multi_label=multi_label)
    available = origin.num_hidden_layers
    late = arm.init.layers == "random"
    # what `first` keeps stands for layers that are not known yet: as many, and of the same shape
    layers = choose_layers("first" if late else arm.init.layers, available, arm.init.count)
    config = config_with_layers(origin, layers)
    if arm.init.architecture == "distilbert":
        config = distilbert_config(config)
    _check_length(config, max_length)
    trainable, total, architecture, targets = _count(config, arm)
    plan = ArmPlan(
        name=name,
        arm=arm,
        config=config,
        architecture=architecture,
        layers=None if late else layers,
        available=available,
        trainable=trainable,
        total=total,
        targets=targets,
        steps=_count_steps(arm, len(dataset.splits["train"]) + extra_texts),
        extra_texts=extra_texts,
        tokenizer=plans[arm.init.arm].tokenizer
        if arm.init.arm
        else (arm.init.origin, arm.init.revision),
    )
    if arm.objective.hidden_cosine:
        _check_hidden_states_fit(plan, plans[arm.teachers[0]])
    return plan


def _plan_baseline(name: str, arm: Arm, dataset: Dataset, *, multi_label: bool) -> ArmPlan:
    config = tfidf_config(dataset.label_names, multi_label=multi_label)
    features = len(fit_vectorizer(config, dataset.splits["train"].texts).vocabulary_)
    parameters = (features + 1) * len(dataset.label_names)
    return ArmPlan(
        name=name,
        arm=arm,
        config=config,
        architecture=TfidfClassifier.__name__,
        layers=(),
        available=0,
        trainable=parameters,
        total=parameters,
        targets=(),
        steps=0,
        extra_texts=0,
        tokenizer=(BUNDLED, None),
    )


def _origin_config(
    arm: Arm, label_names: tuple[str, ...], plans: Mapping[str, ArmPlan], *, multi_label: bool
) -> PreTrainedConfig:
    init = arm.init
    if init.arm:
        return plans[init.arm].config
    if init.backbone:
        return load_config(init.backbone, init.revision, label_names, multi_label=multi_label)
    assert init.classifier is not None
    return load_classifier_config(
        init.classifier, init.revision, label_names, multi_label=multi_label
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


def _check_hidden_states_fit(student: ArmPlan, teacher: ArmPlan) -> None:
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
