"""The sections of a recipe but ``data``: what an arm starts from, tuning, objective, training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distillora.recipe.base import Count, Number, Section

LayerRule = Literal["all", "odd", "even", "first", "last", "uniform"]
Layers = LayerRule | tuple[int, ...]


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


class LoraTuning(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on a frozen encoder, head trained.

    Attributes:
        rank, alpha, dropout: r, alpha (the update is scaled by alpha / r) and adapter dropout.
        targets: names of the linear modules that get an adapter, or ``auto``: query and value.
    """

    method: Literal["lora"]
    rank: Count = Field(default=8, ge=1)
    alpha: Number = Field(default=16, gt=0)
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    targets: Literal["auto"] | tuple[str, ...] = "auto"


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
