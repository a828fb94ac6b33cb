"""The section ``objective`` of an arm: what it learns from, and the weights of its losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distillora.recipe.removed import drop_defaults
from distillora.recipe.sections import Number, Settings

LabelLoss = Literal["plain", "weighted", "focal"]

_TEACHER_TERMS = ("distillation", "logits_mse", "hidden_cosine")


class Objective(Settings):
    """Weights of the terms of the training loss; those that are 0 are not computed.

    Attributes:
        labels: cross-entropy (single-label) or binary cross-entropy (multi-label).
        distillation: softened KL divergence to the teacher's outputs, at ``temperature``.
        logits_mse: mean squared error between the student's and the teacher's logits.
        hidden_cosine: cosine distance between the last hidden states.
        teacher: the arm whose outputs are learnt; by default the one that ``init`` starts from.
            Of several arms (a list) the mean of their logits is learnt.
        teacher_seeds: ``own``: the teacher of the arm's own seed; ``all``: the mean of the logits
            of all seeds of the run.
        teacher_precision: what the teacher's outputs are computed in; ``auto`` is bf16 where the
            hardware computes it natively, else fp32.
        allow_untrained_teacher: learn from a teacher that was never tuned on the task.
        label_loss: ``plain``; ``weighted`` by how rare a label is; ``focal``, with
            ``focal_gamma``. Validation losses stay plain.
        extra_text: a UTF-8 file of texts without labels, one a line, which the terms of the teacher
            use as well.
    """

    labels: Number = Field(default=1.0, ge=0)
    distillation: Number = Field(default=0.0, ge=0)
    logits_mse: Number = Field(default=0.0, ge=0)
    hidden_cosine: Number = Field(default=0.0, ge=0)
    temperature: Number = Field(default=2.0, gt=0)
    teacher: str | tuple[str, ...] | None = None
    teacher_seeds: Literal["own", "all"] = "own"
    teacher_precision: Literal["auto", "bf16", "fp32"] = "auto"
    allow_untrained_teacher: bool = False
    label_loss: LabelLoss = "plain"
    focal_gamma: Number = Field(default=2.0, ge=0)
    extra_text: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, values: Any) -> Any:
        return drop_defaults("objective", values)

    @field_validator("label_loss")
    @classmethod
    def _labels_count(cls, value: LabelLoss, info: ValidationInfo) -> LabelLoss:
        if value != "plain" and info.data.get("labels") == 0:
            raise ValueError("this is about the labels, and the weight of labels is 0")
        return value

    @field_validator("focal_gamma")
    @classmethod
    def _gamma_is_of_the_focal_loss(cls, value: float, info: ValidationInfo) -> float:
        chosen = info.data.get("label_loss", "focal")
        # a recipe that a run wrote out states the default too
        if chosen != "focal" and value != cls.model_fields["focal_gamma"].default:
            raise ValueError(f"this is for label_loss 'focal', not for '{chosen}'")
        return value

    @field_validator("teacher_precision")
    @classmethod
    def _precision_has_a_teacher(cls, value: str, info: ValidationInfo) -> str:
        # a recipe that a run wrote out states the default too
        if value != "auto" and not _has_teacher_term(info):
            raise ValueError(
                "there are no teacher's outputs to compute: give distillation, logits_mse or "
                "hidden_cosine a weight, or leave it out"
            )
        return value

    @field_validator("extra_text")
    @classmethod
    def _extra_text_is_taught(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not _has_teacher_term(info):
            raise ValueError(
                "only a teacher can label this text: give distillation, logits_mse or "
                "hidden_cosine a weight, or leave it out"
            )
        return value

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not self.labels and not self.uses_teacher:
            raise ValueError("all weights are 0: nothing to learn")
        if self.teacher is not None and not self.uses_teacher:
            raise ValueError("a teacher is named, but no distillation term has a weight")
        if self.hidden_cosine and (len(self.teachers) > 1 or self.teacher_seeds == "all"):
            raise ValueError("hidden_cosine learns from one teacher; name one, or set it to 0")
        if self.teacher_seeds == "all" and not self.uses_teacher:
            raise ValueError("teacher_seeds is given, but no distillation term has a weight")
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


def _has_teacher_term(info: ValidationInfo) -> bool:
    """Whether a term of the teacher has a weight; yes where a weight was refused itself."""
    return any(info.data.get(term, True) for term in _TEACHER_TERMS)
