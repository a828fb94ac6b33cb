"""The base of every section of a recipe, and the sections about an arm's model and training."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from distillora.errors import did_you_mean
from distillora.recipe.removed import drop_defaults


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_bool)]
Count = Annotated[int, BeforeValidator(_refuse_bool)]


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Return nested settings by their path.

    >>> flatten({"training": {"epochs": 3, "warmup": 0.1}})
    {'training.epochs': 3, 'training.warmup': 0.1}
    """
    if not isinstance(values, dict):
        return {path: values}
    return {
        key: leaf
        for name, value in values.items()
        for key, leaf in flatten(value, f"{path}.{name}" if path else str(name)).items()
    }


class Settings(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


LayerRule = Literal["all", "odd", "even", "first", "last", "uniform", "random"]
Layers = LayerRule | tuple[int, ...]


_ORIGINS = ("backbone", "classifier", "arm", "baseline", "ensemble")


class Init(Settings):
    """What an arm starts from: exactly one of ``_ORIGINS``.

    Attributes:
        backbone: a pretrained encoder (``bundled``, a folder, a Hub id); it gets a new head.
        classifier: a ready classifier (a folder, a Hub id) with its head and its labels.
        arm: another arm of this recipe, trained first.
        baseline: ``tfidf`` is logistic regression on n-grams of words, without an encoder.
        ensemble: other arms, whose logits are averaged; it is evaluated, not trained.
        ensemble_seeds: ``all`` averages the arms at all of their seeds, once; ``own`` those of one
            seed, for each seed.
        weights: ``random`` takes only the configuration and the tokenizer of ``backbone``.
        revision: the pinned Hub revision of ``backbone`` or ``classifier``.
        layers: which layers to keep, indices from 0; ``random`` ones are drawn with the seed.
        count: how many, for a rule other than ``all``.
        architecture: ``distilbert`` turns a BERT into a DistilBERT with the same hidden states.
        output_bias: what a new head starts from: ``zero``, or ``frequencies``, the log-odds
            (single-label: the log) of how often each label occurs in the training data, so that it
            need not learn that. ``auto`` is ``frequencies`` wherever the head is new and has a
            bias.
    """

    backbone: str | None = None
    classifier: str | None = None
    arm: str | None = None
    baseline: Literal["tfidf"] | None = None
    ensemble: tuple[str, ...] | None = Field(default=None, min_length=1)
    ensemble_seeds: Literal["own", "all"] = "all"
    weights: Literal["pretrained", "random"] = "pretrained"
    revision: str | None = None
    layers: Layers = "all"
    count: Count | None = Field(default=None, ge=1)
    architecture: Literal["same", "distilbert"] = "same"
    output_bias: Literal["auto", "zero", "frequencies"] = "auto"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [k for k in _ORIGINS if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(_ORIGINS)}"
                + (f", not {' and '.join(given)}" if given else "")
            )
        if self.arm is not None and self.revision is not None:
            raise ValueError("revision is for a backbone or a classifier, not for an arm")
        if self.count is not None and (self.layers == "all" or not isinstance(self.layers, str)):
            raise ValueError("count goes with layers odd, even, first, last, uniform or random")
        if self.output_bias == "frequencies" and self.backbone is None:
            raise ValueError("output_bias is for a new head: it goes with a backbone")
        if self.weights == "random" and self.backbone is None:
            raise ValueError(f"weights: random goes with a backbone, not with {given[0]}")
        return self

    @model_validator(mode="after")
    def _only_an_encoder_has_layers(self) -> Self:
        kind = "a baseline" if self.baseline else "an ensemble" if self.ensemble else None
        for key in ("revision", "layers", "count", "architecture") if kind else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} is for an encoder, and {kind} has none of its own")
        return self

    @model_validator(mode="after")
    def _ensemble_has_several_members(self) -> Self:
        if self.ensemble is None:
            if self.ensemble_seeds != "all":
                raise ValueError("ensemble_seeds goes with an ensemble")
            return self
        if len(set(self.ensemble)) != len(self.ensemble):
            raise ValueError(f"ensemble names an arm twice: {', '.join(self.ensemble)}")
        if len(self.ensemble) == 1 and self.ensemble_seeds == "own":
            raise ValueError(
                f"an ensemble of '{self.ensemble[0]}' at one seed is that arm itself: name another "
                "arm, or set ensemble_seeds to all"
            )
        return self

    @property
    def origin(self) -> str:
        """The one of ``backbone``, ``classifier``, ``arm`` and ``baseline`` that is given."""
        return self.backbone or self.classifier or self.arm or self.baseline or ""


class FullTuning(Settings):
    """Every parameter is trained."""

    method: Literal["full"] = "full"


class NoTuning(Settings):
    """Nothing is trained: the model is taken as it is."""

    method: Literal["none"]


TargetGroup = Literal["auto", "attention", "all"]


class LoraTuning(Settings):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on a frozen encoder, head trained.

    Attributes:
        rank, alpha, dropout: r, alpha (the update is scaled by alpha / r) and adapter dropout.
        targets: names of the linear modules that get an adapter, or a group of them: ``auto``
            (query and value), ``attention`` (all of the attention), ``all`` (the feed-forward too).
        rslora: scale by alpha / sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732).
        dora: learn each weight's magnitude apart from its direction (Liu et al. 2024, arXiv
            2402.09353).
    """

    method: Literal["lora"]
    rank: Count = Field(default=8, ge=1)
    alpha: Number = Field(default=16, gt=0)
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    targets: TargetGroup | tuple[str, ...] = "all"
    rslora: bool = False
    dora: bool = False

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, values: Any) -> Any:
        return drop_defaults("tuning", values)

    @field_validator("targets", mode="before")
    @classmethod
    def _known_group_or_names(cls, targets: Any) -> Any:
        groups = get_args(TargetGroup)
        if isinstance(targets, str) and targets not in groups:
            raise ValueError(
                f"'{targets}' is no group of modules; names of modules go into a list, such as "
                f"[{targets}].{did_you_mean(targets, groups)}"
            )
        if isinstance(targets, list | tuple) and not targets:
            raise ValueError("the list is empty; name a module, or one of " + ", ".join(groups))
        return targets

    @property
    def scale(self) -> float:
        """What the product of the factors, B A, is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


Tuning = Annotated[FullTuning | LoraTuning | NoTuning, Field(discriminator="method")]

BestMetric = Literal["auto", "loss", "accuracy", "f1_weighted", "f1_macro", "average_precision"]


class Training(Settings):
    """How an arm is trained.

    Attributes:
        epochs, batch_size: passes over the data; texts per step, over all processes.
        learning_rate, weight_decay, warmup, max_grad_norm: AdamW with a linear schedule;
            ``warmup`` is the share of all steps.
        head_learning_rate: the learning rate of the head; null: ``learning_rate``. A new head
            starts from random weights and wants about ten times the rate of the encoder below it,
            which is what ``auto`` gives it under full tuning. LoRA's rate is as high already, and
            the head of another arm has been trained: there ``auto`` is ``learning_rate``.
        precision: ``auto`` is bf16 where the hardware computes it natively, else fp32.
        best_metric: the validation metric that chooses the epoch; ``auto`` is weighted F1
            for single-label and average precision for multi-label.
        checkpoint_minutes: also save the state between epochs, this often.
    """

    epochs: Count = Field(default=3, ge=1)
    batch_size: Count = Field(default=16, ge=1)
    learning_rate: Number = Field(default=1e-4, gt=0, lt=1)
    head_learning_rate: Literal["auto"] | Annotated[Number, Field(gt=0, lt=1)] | None = "auto"
    weight_decay: Number = Field(default=0.01, ge=0)
    warmup: Number = Field(default=0.1, ge=0, lt=1)
    max_grad_norm: Number = Field(default=1.0, gt=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    best_metric: BestMetric = "auto"
    checkpoint_minutes: Number = Field(default=10, gt=0)
