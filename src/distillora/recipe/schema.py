"""A recipe: one YAML file that says which data, which arms, which seeds.

Every model is frozen and refuses unknown keys; what contradicts itself is refused while it is
read, with the path of the key. Defaults are those of a good run, not those of the original study.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
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
    """

    backbone: str | None = None
    classifier: str | None = None
    arm: str | None = None
    revision: str | None = None
    layers: Layers = "all"
    count: Count | None = Field(default=None, ge=1)
    architecture: Literal["same", "distilbert"] = "same"

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
        allow_untrained_teacher: learn from a teacher that was never tuned on the task.
    """

    labels: Number = Field(default=1.0, ge=0)
    distillation: Number = Field(default=0.0, ge=0)
    logits_mse: Number = Field(default=0.0, ge=0)
    hidden_cosine: Number = Field(default=0.0, ge=0)
    temperature: Number = Field(default=2.0, gt=0)
    teacher: str | None = None
    allow_untrained_teacher: bool = False

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not self.labels and not self.uses_teacher:
            raise ValueError("all weights are 0: nothing to learn")
        if self.teacher is not None and not self.uses_teacher:
            raise ValueError("a teacher is named, but no distillation term has a weight")
        return self

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


class Arm(Section):
    """One way of making a model: ``init`` x ``tuning`` x ``objective``.

    ``training`` overrides single settings of the recipe's own ``training``.
    """

    init: Init
    tuning: Tuning = FullTuning()
    objective: Objective = Objective()
    training: Training = Training()

    @model_validator(mode="after")
    def _untrained_has_no_objective(self) -> Self:
        if self.tuning.method == "none" and "objective" in self.model_fields_set:
            raise ValueError("tuning 'none' trains nothing, so it takes no objective")
        return self

    @property
    def teacher(self) -> str | None:
        """The arm whose outputs this one learns from, if any."""
        return (self.objective.teacher or self.init.arm) if self.objective.uses_teacher else None

    @property
    def needs(self) -> tuple[str, ...]:
        """The arms that must be finished before this one, in order, each once."""
        return tuple(dict.fromkeys(a for a in (self.init.arm, self.teacher) if a is not None))


class Recipe(Section):
    """The whole of an experiment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    task: Literal["single_label", "multi_label"] = "single_label"
    data: Data = Data()
    training: Training = Training()
    arms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], Arm] = Field(
        min_length=1
    )
    seeds: tuple[Annotated[Count, Field(ge=0)], ...] = Field(default=(0,), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _training_is_inherited(cls, values: Any) -> Any:
        """Lay each arm's ``training`` over the recipe's."""
        if not isinstance(values, Mapping) or not isinstance(values.get("arms"), Mapping):
            return values
        shared = values.get("training") or {}
        if not isinstance(shared, Mapping):
            return values
        arms = {
            name: {**arm, "training": {**shared, **(arm.get("training") or {})}}
            if isinstance(arm, Mapping) and isinstance(arm.get("training") or {}, Mapping)
            else arm
            for name, arm in values["arms"].items()
        }
        return {**values, "arms": arms}

    @model_validator(mode="after")
    def _arms_fit_together(self) -> Self:
        for name, arm in self.arms.items():
            for key, other in (("init.arm", arm.init.arm), ("objective.teacher", arm.teacher)):
                if other is not None and other not in self.arms:
                    hint = did_you_mean(other, self.arms)
                    raise ValueError(f"arms.{name}.{key}: no arm is named '{other}'.{hint}")
            if arm.objective.uses_teacher and arm.teacher is None:
                raise ValueError(f"arms.{name}.objective.teacher: distillation needs a teacher")
        self.arm_order()
        for name, arm in self.arms.items():
            untrained = [other for other in arm.needs if not self._is_trained(other)]
            if untrained and not arm.objective.allow_untrained_teacher:
                raise ValueError(
                    f"arms.{name}: '{untrained[0]}' was never tuned on the task, so it has nothing "
                    "to teach; tune it, or set objective.allow_untrained_teacher to true"
                )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: a seed stands twice")
        return self

    def _is_trained(self, name: str) -> bool:
        """Whether an arm's head has ever been trained, here or before."""
        arm = self.arms[name]
        if arm.tuning.method != "none" or arm.init.classifier:
            return True
        return arm.init.arm is not None and self._is_trained(arm.init.arm)

    @property
    def multi_label(self) -> bool:
        """Whether every label of a text counts."""
        return self.task == "multi_label"

    def arm_order(self) -> tuple[str, ...]:
        """Names of the arms, each after those that it needs.

        Raises:
            ValueError: arms need each other in a circle.
        """
        order: list[str] = []

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise ValueError(f"arms need each other: {' -> '.join((*path, name))}")
            if name not in order:
                for other in self.arms[name].needs:
                    visit(other, (*path, name))
                order.append(name)

        for name in self.arms:
            visit(name, ())
        return tuple(order)

    def dump(self) -> str:
        """The recipe as YAML, every setting written out."""
        return yaml.safe_dump(
            self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
        )
