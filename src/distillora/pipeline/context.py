"""What the stages of a run work with: what it makes, from which data, in which folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from distillora.artifacts import ArmLayout, RunLayout
from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
from distillora.data.stored import read_stored
from distillora.evaluation.results import Environment
from distillora.pipeline.run_data import PreparedData, TokenizerName
from distillora.probabilities import TaskType
from distillora.progress import Reporter
from distillora.recipe import Arm
from distillora.runtime import Precision, describe_environment, resolve_precision


class Task(NamedTuple):
    """One arm at one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Needs:
    """What must be finished before a task can begin.

    Attributes:
        origin: the arm whose layers and weights it starts from, if it starts from one.
        teachers: whose outputs it learns from.
        members: whose logits it averages.
    """

    origin: Task | None = None
    teachers: tuple[Task, ...] = ()
    members: tuple[Task, ...] = ()

    @property
    def parents(self) -> tuple[Task, ...]:
        """All of them, each once."""
        start = () if self.origin is None else (self.origin,)
        return tuple(dict.fromkeys([*start, *self.teachers, *self.members]))


@dataclass(frozen=True, kw_only=True)
class ArmPlan(ABC):
    """One arm, resolved from configurations alone. Each method has a subclass of its own.

    Attributes:
        name, arm: as in the recipe.
        architecture: the class of the model.
        trainable, total: parameters while training, adapters included.
        steps: optimizer steps.
        tokenizer: whose tokens the model reads; None if it reads texts.
        has_weights: whether it is trained and saved; what is not is only evaluated.
    """

    name: str
    arm: Arm
    architecture: str
    trainable: int
    total: int
    tokenizer: TokenizerName | None
    steps: int = 0
    has_weights: ClassVar[bool] = True

    @abstractmethod
    def describe_init(self, layers: tuple[int, ...] | None = None) -> str:
        """One line on what the arm starts from, with the layers that it kept once it is made."""

    @abstractmethod
    def describe_tuning(self) -> str:
        """One line on what is trained."""

    def describe_objective(self) -> str:
        """One line on the loss."""
        return "-"

    def describe(self) -> tuple[str, ...]:
        """A few lines on what it starts from, trains, learns and becomes."""
        lines = self.describe_init(), self.describe_tuning(), self.describe_objective()
        return *lines, self.architecture

    def describe_layers(self) -> str:
        """The layers that it keeps, in a few characters."""
        return "-"

    def describe_shape(self) -> str | None:
        """What its speed depends on; arms with the same words share one figure.

        None if it has no speed of its own.
        """
        return None

    def weight_settings(self, *, multi_label: bool) -> dict[str, Any]:
        """The settings that its weights depend on, resolved, by their path."""
        raise NotImplementedError(f"'{self.name}' has no weights of its own")

    def best_metric(self, *, multi_label: bool) -> str:
        """The validation metric that chooses the epoch."""
        wanted = self.arm.training.best_metric
        if wanted == "auto":
            return "average_precision" if multi_label else "f1_weighted"
        return wanted

    @property
    def precision(self) -> Precision:
        """What it is trained in."""
        return resolve_precision(self.arm.training.precision)


@dataclass(frozen=True)
class RunPlan:
    """Everything that a run makes, worked out from configurations alone.

    Attributes:
        task: whether a text has one label or several.
        max_length: tokens per text, special ones included.
        seeds: in the recipe's order.
        arms: each after the arms that it needs.
        tasks: each arm at each of its seeds, with what it needs, in an order that keeps to that.
    """

    task: TaskType
    max_length: int
    seeds: tuple[int, ...]
    arms: Mapping[str, ArmPlan]
    tasks: Mapping[Task, Needs]

    @property
    def multi_label(self) -> bool:
        """Whether every label of a text counts."""
        return self.task == "multi_label"

    @property
    def to_train(self) -> tuple[Task, ...]:
        """The tasks that end in weights; the others are only evaluated."""
        return tuple(task for task in self.tasks if self.arms[task.arm].has_weights)


@dataclass(frozen=True)
class RunContext:
    """What every arm of one seed is made with.

    ``environment`` describes this process as it was when it began.
    """

    plan: RunPlan
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter
    environment: Environment

    @property
    def plans(self) -> Mapping[str, ArmPlan]:
        """All arms, by name."""
        return self.plan.arms

    def needs(self, name: str) -> Needs:
        """Return what an arm needs at this seed."""
        return self.plan.tasks[Task(name, self.seed)]

    def folder(self, name: str, seed: int | None = None) -> ArmLayout:
        """Return the paths of an arm, at this seed if no other is given."""
        return self.layout.arm(name, self.seed if seed is None else seed)

    def at(self, seed: int, reporter: Reporter | None = None) -> RunContext:
        """Return the same for another seed."""
        return replace(self, seed=seed, reporter=reporter or self.reporter)


def open_context(plan: RunPlan, root: Path, reporter: Reporter, jobs: int = 1) -> RunContext:
    """Read the data that a run holds; the context is for the first seed.

    Raises:
        IntegrityError: the data is missing or damaged.
    """
    layout = RunLayout(root)
    dataset, extra = read_stored(layout.data)
    return prepare_context(plan, layout, dataset, extra, reporter, jobs)


def prepare_context(
    plan: RunPlan,
    layout: RunLayout,
    dataset: Dataset,
    extra: Mapping[Path, ExtraText],
    reporter: Reporter,
    jobs: int,
) -> RunContext:
    """Put a plan and its data together; ``jobs`` arms are trained at a time."""
    data = PreparedData(plan.task, plan.max_length, dataset, layout.tokens, extra)
    return RunContext(plan, data, layout, plan.seeds[0], reporter, _environment(plan, jobs))


def _environment(plan: RunPlan, jobs: int) -> Environment:
    """Describe what is about to compute: asked at the start, while the code is as it was loaded."""
    trained = {task.arm for task in plan.to_train}
    wanted = {plan.arms[name].precision for name in trained}
    return Environment(**describe_environment(" and ".join(sorted(wanted))), jobs=jobs)


def name_tasks(tasks: Iterable[Task]) -> str:
    """List arms, each with its seeds.

    >>> name_tasks([Task("odd", 0), Task("odd", 1), Task("lora", 0)])
    'odd (seeds 0, 1), lora (seed 0)'
    """
    seeds: dict[str, list[int]] = {}
    for arm, seed in tasks:
        seeds.setdefault(arm, []).append(seed)
    return ", ".join(
        f"{arm} (seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))})"
        for arm, own in seeds.items()
    )
