"""A recipe: one YAML file that says which data, which arms, which seeds.

Every model is frozen and refuses unknown keys. Contradictory settings are refused when a recipe is
read, with the path of the key. Defaults are those of a good run, not those of the original study.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from distillora.errors import did_you_mean
from distillora.recipe.contrasts import Contrast, check_contrasts
from distillora.recipe.data import Data
from distillora.recipe.grid import expand_grids
from distillora.recipe.objective import Objective
from distillora.recipe.published import Published
from distillora.recipe.sections import (
    Count,
    FullTuning,
    Init,
    Settings,
    Training,
    Tuning,
)

HEAD_FACTOR = 10
"""How many times the encoder's learning rate a new head gets under full tuning, by default."""


class Arm(Settings):
    """One way of making a model: ``init`` x ``tuning`` x ``objective``.

    ``training`` overrides single settings of the recipe's own ``training``. ``seeds`` selects some
    of the recipe's seeds; by default an arm has all. A parent or teacher with a single seed serves
    every seed of the arms that need it.
    """

    init: Init
    tuning: Tuning = FullTuning()
    objective: Objective = Objective()
    training: Training = Training()
    seeds: tuple[Annotated[Count, Field(ge=0)], ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _untrained_has_no_objective(self) -> Self:
        # a recipe that a run wrote out states the default objective too
        if self.tuning.method == "none" and self.objective != Objective():
            raise ValueError("tuning 'none' trains nothing, so it takes no objective")
        return self

    @model_validator(mode="after")
    def _baseline_is_only_fitted(self) -> Self:
        if self.init.baseline is None:
            return self
        if self.tuning != FullTuning():
            raise ValueError(
                f"tuning '{self.tuning.method}' is for an encoder; a baseline is fitted as a whole"
            )
        if self.objective != Objective():
            raise ValueError("a baseline learns the labels and nothing else: it takes no objective")
        return self

    @model_validator(mode="after")
    def _ensemble_is_only_evaluated(self) -> Self:
        if self.init.ensemble is None:
            return self
        if self.tuning.method == "lora":
            raise ValueError("tuning 'lora' is for an encoder; an ensemble is not trained")
        if self.objective != Objective():
            raise ValueError("an ensemble is not trained: it takes no objective")
        return self

    @property
    def head_learning_rate(self) -> float | None:
        """The learning rate of the head, ``auto`` worked out; None: that of everything else."""
        wanted = self.training.head_learning_rate
        if wanted != "auto":
            return wanted
        new = self.init.backbone is not None and self.init.weights == "pretrained"
        if not new or self.tuning.method != "full":
            return None
        return float(f"{HEAD_FACTOR * self.training.learning_rate:.6g}")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The arms whose outputs this one learns from."""
        if not self.objective.uses_teacher:
            return ()
        return self.objective.teachers or ((self.init.arm,) if self.init.arm else ())

    @property
    def needs(self) -> tuple[str, ...]:
        """The arms that must be finished before this one, in order, each once."""
        return tuple(dict.fromkeys(a for a in (self.init.arm, *self.teachers) if a is not None))


class Recipe(Settings):
    """A whole experiment.

    ``contrasts`` are its questions. Only they are tested, and the p-values of those whose arms have
    enough seeds are corrected for one another. ``published`` has
    figures of another study, which only the report uses.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    task: Literal["single_label", "multi_label"] = "single_label"
    data: Data = Data()
    training: Training = Training()
    arms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], Arm] = Field(
        min_length=1
    )
    seeds: tuple[Annotated[Count, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    contrasts: tuple[Contrast, ...] = ()
    published: Published | None = None

    @model_validator(mode="before")
    @classmethod
    def _arms_are_written_out(cls, values: Any) -> Any:
        """Expand grids, and lay each arm's ``training`` over the recipe's."""
        if not isinstance(values, Mapping) or not isinstance(values.get("arms"), Mapping):
            return values
        values = {**values, "arms": expand_grids(values["arms"])}
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
            named = [("init.arm", arm.init.arm)]
            named += [("objective.teacher", teacher) for teacher in arm.teachers]
            named += [("init.ensemble", member) for member in arm.init.ensemble or ()]
            for key, other in named:
                if other is not None and other not in self.arms:
                    hint = did_you_mean(other, self.arms)
                    raise ValueError(f"arms.{name}.{key}: no arm is named '{other}'.{hint}")
                if other is not None and self.arms[other].init.baseline:
                    raise ValueError(
                        f"arms.{name}.{key}: '{other}' is a baseline, which has no layers and "
                        "cannot teach; name an arm with an encoder"
                    )
                if other is not None and self.arms[other].init.ensemble:
                    members = ", ".join(self.arms[other].init.ensemble or ())
                    raise ValueError(
                        f"arms.{name}.{key}: '{other}' is an ensemble, which is only evaluated; "
                        f"name the arms that it averages ({members})"
                    )
            if arm.objective.uses_teacher and not arm.teachers:
                raise ValueError(f"arms.{name}.objective.teacher: distillation needs a teacher")
        self._check_training()
        self.arm_order()
        for name, arm in self.arms.items():
            untrained = [other for other in arm.needs if not self._is_trained(other)]
            if untrained and not arm.objective.allow_untrained_teacher:
                raise ValueError(
                    f"arms.{name}: '{untrained[0]}' was never tuned on the task, so it has nothing "
                    "to teach; tune it, or set objective.allow_untrained_teacher to true"
                )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: a seed is listed twice")
        self._check_seeds()
        check_contrasts(self.contrasts, {name: arm.init for name, arm in self.arms.items()})
        return self

    def _check_seeds(self) -> None:
        for name, arm in self.arms.items():
            if arm.seeds is not None and (
                len(set(arm.seeds)) != len(arm.seeds) or not set(arm.seeds) <= set(self.seeds)
            ):
                raise ValueError(
                    f"arms.{name}.seeds: {list(arm.seeds)} must be some of the recipe's seeds, "
                    f"{list(self.seeds)}, each once"
                )
        for name, arm in self.arms.items():
            for other in arm.needs:
                own, theirs = self.seeds_of(name), self.seeds_of(other)
                if len(theirs) > 1 and not set(own) <= set(theirs):
                    raise ValueError(
                        f"arms.{name}.seeds: {list(own)} includes seeds that '{other}', which it "
                        f"needs, does not have ({list(theirs)}); give '{other}' those too, or one"
                    )

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """Return the seeds at which an arm is made, in the recipe's order.

        A baseline draws no random numbers, so it is made once, at the first seed.
        """
        arm = self.arms[name]
        own = tuple(seed for seed in self.seeds if arm.seeds is None or seed in arm.seeds)
        return own[:1] if arm.init.baseline else own

    def parent_seed(self, parent: str, seed: int) -> int:
        """Return the seed of an arm that another one at ``seed`` starts from or learns from.

        It is the same seed, or the only one that the parent has.
        """
        seeds = self.seeds_of(parent)
        return seed if seed in seeds else seeds[0]

    def _check_training(self) -> None:
        for name, arm in self.arms.items():
            if arm.training.best_metric == "average_precision" and not self.multi_label:
                raise ValueError(
                    f"arms.{name}.training.best_metric: average_precision is for task multi_label"
                )
            used = {"best_metric": arm.training.best_metric}
            if arm.init.baseline and arm.training != self.training.model_copy(update=used):
                raise ValueError(
                    f"arms.{name}.training: a baseline takes best_metric alone, which chooses its "
                    "regularisation"
                )
            if arm.init.ensemble and arm.training != self.training:
                raise ValueError(f"arms.{name}.training: an ensemble is not trained")

    def _is_trained(self, name: str) -> bool:
        """Whether an arm's head is trained, in this run or before."""
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
            ValueError: arms depend on each other in a cycle.
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
