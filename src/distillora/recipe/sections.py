"""The sections of a recipe: data, what an arm starts from, tuning, objective, training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from distillora.errors import did_you_mean

LayerRule = Literal["all", "odd", "even", "first", "last", "uniform"]
Layers = LayerRule | tuple[int, ...]

GOEMOTIONS_ID = "google-research-datasets/go_emotions"
GOEMOTIONS_REVISION = "add492243ff905527e67aeb8b80c082af02207c3"


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_bool)]
Count = Annotated[int, BeforeValidator(_refuse_bool)]


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Data(Section):
    """Where the texts come from and how they are read.

    Attributes:
        source: ``hub``, ``folder`` (with ``path``) or ``sample`` (the bundled one).
        path: the folder, for ``source: folder``.
        hub_id, hub_config, hub_revision: the data set on the Hub and its pinned revision.
        taxonomy: ``goemotions`` (the labels as they are), ``ekman`` (7) or ``sentiment`` (4).
        max_length: tokens per text at most, special tokens included.
        drop_shared: leave out training texts that validation or test hold too.
        limit: rows per split at most, for a quick trial; the report says so.
    """

    source: Literal["hub", "folder", "sample"] = "hub"
    path: Path | None = None
    hub_id: str = GOEMOTIONS_ID
    hub_config: str = "simplified"
    hub_revision: str = GOEMOTIONS_REVISION
    taxonomy: Literal["goemotions", "ekman", "sentiment"] = "goemotions"
    max_length: Count = Field(default=128, ge=4, le=128)
    drop_shared: bool = False
    limit: Count | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _path_fits_source(self) -> Self:
        if self.source == "folder" and self.path is None:
            raise ValueError("source 'folder' needs a path")
        if self.source != "folder" and self.path is not None:
            raise ValueError(f"path is for source 'folder', and source is '{self.source}'")
        return self

    def moved(self, place: str) -> Self:
        """Return the same, read from another place: ``hub``, ``sample`` or a folder."""
        source = place if place in ("hub", "sample") else "folder"
        path = place if source == "folder" else None
        return self.model_validate(self.model_dump() | {"source": source, "path": path})


class Init(Section):
    """What an arm starts from: exactly one of ``backbone``, ``classifier``, ``arm``.

    Attributes:
        backbone: a pretrained encoder (``bundled``, a folder, a Hub id); it gets a new head.
        classifier: a ready classifier (a folder, a Hub id) with its head and its labels.
        arm: another arm of this recipe, trained first.
        revision: the pinned Hub revision of ``backbone`` or ``classifier``.
        layers: which layers to keep, indices from 0.
        count: how many, for ``odd``, ``even``, ``first``, ``last`` and ``uniform``.
        architecture: ``distilbert`` turns a BERT into a DistilBERT with the same hidden states.
        output_bias: what a new head starts from: ``zero``, or the log-odds (single-label: the log)
            of how often each label occurs in the training data, so that it need not learn that.
    """

    backbone: str | None = None
    classifier: str | None = None
    arm: str | None = None
    revision: str | None = None
    layers: Layers = "all"
    count: Count | None = Field(default=None, ge=1)
    architecture: Literal["same", "distilbert"] = "same"
    output_bias: Literal["zero", "frequencies"] = "zero"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [k for k in ("backbone", "classifier", "arm") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of backbone, classifier, arm"
                + (f", not {' and '.join(given)}" if given else "")
            )
        if self.arm is not None and self.revision is not None:
            raise ValueError("revision is for a backbone or a classifier, not for an arm")
        if self.count is not None and (self.layers == "all" or not isinstance(self.layers, str)):
            raise ValueError("count goes with layers odd, even, first, last or uniform")
        if self.output_bias != "zero" and self.backbone is None:
            raise ValueError("output_bias is for a new head: it goes with a backbone")
        return self

    @property
    def origin(self) -> str:
        """The one of ``backbone``, ``classifier`` and ``arm`` that is given."""
        return self.backbone or self.classifier or self.arm or ""


class FullTuning(Section):
    """Every parameter is trained."""

    method: Literal["full"] = "full"


class NoTuning(Section):
    """Nothing is trained: the model is taken as it is."""

    method: Literal["none"]


TargetGroup = Literal["auto", "attention", "all"]


class LoraTuning(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on a frozen encoder, head trained.

    Attributes:
        rank, alpha, dropout: r, alpha (the update is scaled by alpha / r) and adapter dropout.
        targets: names of the linear modules that get an adapter, or a group of them: ``auto``
            (query and value), ``attention`` (all of the attention), ``all`` (the feed-forward too).
        rslora: scale by alpha / sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732).
        dora: learn each weight's magnitude apart from its direction (Liu et al. 2024, arXiv
            2402.09353).
        initialisation: ``pissa`` starts from the principal singular vectors of each weight (Meng
            et al. 2024, arXiv 2404.02948); ``default`` from A random and B zero.
        plus_ratio: the learning rate of B over that of A (LoRA+, Hayou et al. 2024, arXiv
            2402.12354).
        full_layers: indices, from 0, of the layers of this arm's model that are trained in full.
    """

    method: Literal["lora"]
    rank: Count = Field(default=8, ge=1)
    alpha: Number = Field(default=16, gt=0)
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    targets: TargetGroup | tuple[str, ...] = "auto"
    rslora: bool = False
    dora: bool = False
    initialisation: Literal["default", "pissa"] = "default"
    plus_ratio: Number = Field(default=1.0, ge=1)
    full_layers: tuple[Annotated[Count, Field(ge=0)], ...] = ()

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

    @field_validator("full_layers")
    @classmethod
    def _layers_rise(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if list(layers) != sorted(set(layers)):
            raise ValueError(f"layer indices must rise and stand once each: {list(layers)}")
        return layers

    @property
    def scale(self) -> float:
        """What the product of the factors, B A, is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


Tuning = Annotated[FullTuning | LoraTuning | NoTuning, Field(discriminator="method")]


class Objective(Section):
    """Weights of the terms of the training loss; those that are 0 are not computed.

    Attributes:
        labels: cross-entropy (single-label) or binary cross-entropy (multi-label).
        distillation: softened KL divergence to the teacher's outputs, at ``temperature``.
        logits_mse: mean squared error between the student's and the teacher's logits.
        hidden_cosine: cosine distance between the last hidden states.
        teacher: the arm whose outputs are learnt; by default the one that ``init`` starts from.
            Of several arms (a list) the mean of their logits is learnt.
        allow_untrained_teacher: learn from a teacher that was never tuned on the task.
    """

    labels: Number = Field(default=1.0, ge=0)
    distillation: Number = Field(default=0.0, ge=0)
    logits_mse: Number = Field(default=0.0, ge=0)
    hidden_cosine: Number = Field(default=0.0, ge=0)
    temperature: Number = Field(default=2.0, gt=0)
    teacher: str | tuple[str, ...] | None = None
    allow_untrained_teacher: bool = False

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not self.labels and not self.uses_teacher:
            raise ValueError("all weights are 0: nothing to learn")
        if self.teacher is not None and not self.uses_teacher:
            raise ValueError("a teacher is named, but no distillation term has a weight")
        if self.hidden_cosine and len(self.teachers) > 1:
            raise ValueError("hidden_cosine learns from one teacher; name one, or set it to 0")
        return self

    @property
    def teachers(self) -> tuple[str, ...]:
        """The arms that ``teacher`` names."""
        if self.teacher is None:
            return ()
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher

    @property
    def uses_teacher(self) -> bool:
        """Whether a term needs the teacher's outputs."""
        return bool(self.distillation or self.logits_mse or self.hidden_cosine)


BestMetric = Literal["auto", "loss", "accuracy", "f1_weighted", "f1_macro", "average_precision"]


class Training(Section):
    """How an arm is trained.

    Attributes:
        epochs, batch_size: passes over the data; texts per step, over all processes.
        learning_rate, weight_decay, warmup, max_grad_norm: AdamW with a linear schedule;
            ``warmup`` is the share of all steps.
        precision: ``auto`` is bf16 where the hardware computes it natively, else fp32.
        best_metric: the validation metric that chooses the epoch; ``auto`` is weighted F1
            for single-label and average precision for multi-label.
        checkpoint_minutes: also save the state between epochs, this often.
    """

    epochs: Count = Field(default=3, ge=1)
    batch_size: Count = Field(default=16, ge=1)
    learning_rate: Number = Field(default=1e-4, gt=0, lt=1)
    weight_decay: Number = Field(default=0.01, ge=0)
    warmup: Number = Field(default=0.1, ge=0, lt=1)
    max_grad_norm: Number = Field(default=1.0, gt=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    best_metric: BestMetric = "auto"
    checkpoint_minutes: Number = Field(default=10, gt=0)
