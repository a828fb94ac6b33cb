"""What a run will make: the recipe, resolved once. Below this module nothing takes a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
from distillora.errors import ModelError
from distillora.pipeline.arm_plan import ArmPlan, plan_arm
from distillora.pipeline.tasks import EnsemblePlan, Needs, Task
from distillora.probabilities import TaskType
from distillora.recipe import Recipe


@dataclass(frozen=True)
class RunPlan:
    """Everything that a run makes, worked out from configurations alone.

    Attributes:
        task: whether a text has one label or several.
        max_length: tokens per text, special ones included.
        seeds: in the recipe's order.
        arms: those that are trained, each after the arms that it needs.
        tasks: each arm at each of its seeds, with what it needs, in an order that keeps to that.
        ensembles: what is only evaluated.
    """

    task: TaskType
    max_length: int
    seeds: tuple[int, ...]
    arms: Mapping[str, ArmPlan]
    tasks: Mapping[Task, Needs]
    ensembles: tuple[EnsemblePlan, ...]

    @property
    def multi_label(self) -> bool:
        """Whether every label of a text counts."""
        return self.task == "multi_label"


def plan_run(
    recipe: Recipe, dataset: Dataset, extra: Mapping[Path, ExtraText] | None = None
) -> RunPlan:
    """Resolve a recipe on its data.

    Args:
        recipe: with what it left open chosen.
        dataset: the data as it is used.
        extra: the texts without labels that arms name, by their path.

    Raises:
        ModelError: an arm cannot be made as asked; the message begins with ``arms.<name>``.
    """
    return RunPlan(
        task=recipe.task,
        max_length=recipe.data.max_length,
        seeds=recipe.seeds,
        arms=_plan_arms(recipe, dataset, extra or {}),
        tasks=plan_tasks(recipe),
        ensembles=plan_ensembles(recipe),
    )


def _plan_arms(
    recipe: Recipe, dataset: Dataset, extra: Mapping[Path, ExtraText]
) -> dict[str, ArmPlan]:
    plans: dict[str, ArmPlan] = {}
    for name in recipe.arm_order():
        arm = recipe.arms[name]
        if arm.init.ensemble:
            continue
        try:
            plans[name] = plan_arm(
                name,
                arm,
                dataset,
                extra,
                plans,
                multi_label=recipe.multi_label,
                max_length=recipe.data.max_length,
            )
        except ModelError as error:
            raise ModelError(f"arms.{name}: {error}") from error
    return plans


def plan_tasks(recipe: Recipe) -> dict[Task, Needs]:
    """Map each arm at each seed to what must be made before.

    An arm comes at all seeds before the next one does, for a student may learn from its teacher
    at all seeds. An ensemble is not made, only evaluated.
    """
    return {
        Task(name, seed): _find_needs(recipe, name, seed)
        for name in recipe.arm_order()
        if not recipe.arms[name].init.ensemble
        for seed in recipe.seeds_of(name)
    }


def _find_needs(recipe: Recipe, name: str, seed: int) -> Needs:
    """Return what an arm starts from, and learns from: arms at its own seed or at all of theirs."""
    arm = recipe.arms[name]
    origin = arm.init.arm and Task(arm.init.arm, recipe.parent_seed(arm.init.arm, seed))
    teachers = tuple(
        Task(other, own)
        for other in arm.teachers
        for own in (
            recipe.seeds_of(other)
            if arm.objective.teacher_seeds == "all"
            else (recipe.parent_seed(other, seed),)
        )
    )
    return Needs(origin or None, teachers)


def plan_ensembles(recipe: Recipe) -> tuple[EnsemblePlan, ...]:
    """Work out every ensemble of a recipe.

    One of all seeds is evaluated once, at the run's first seed; one of ``own`` seeds at each seed
    at which all of its arms are made.
    """
    made = [*plan_tasks(recipe)]
    return tuple(
        _plan_ensemble(name, arm.init.ensemble, arm.init.ensemble_seeds == "all", recipe, made)
        for name, arm in recipe.arms.items()
        if arm.init.ensemble
    )


def _plan_ensemble(
    name: str, arms: tuple[str, ...], all_seeds: bool, recipe: Recipe, made: list[Task]
) -> EnsemblePlan:
    members = [task for arm in arms for task in made if task.arm == arm]
    if all_seeds:
        return EnsemblePlan(name, arms, all_seeds, {recipe.seeds[0]: tuple(members)})
    by_seed = {
        seed: tuple(task for task in members if task.seed == seed)
        for seed in dict.fromkeys(task.seed for task in members)
    }
    complete = {seed: own for seed, own in by_seed.items() if len(own) == len(arms)}
    return EnsemblePlan(name, arms, all_seeds, complete)


def _layers_cell(plan: ArmPlan) -> str:
    if plan.layers is None:
        return f"{plan.depth} of {plan.available}"
    return " ".join(map(str, plan.layers)) or "-"


def plan_table(run: RunPlan) -> Table:
    """Return the plan as a table for the terminal, ensembles last."""
    seeds = ", ".join(map(str, run.seeds))
    table = Table(title=f"Plan, for each of the seeds {seeds}", box=SIMPLE)
    table.add_column("arm")
    table.add_column("starts from / trains / learns / becomes")
    for column in ("layers", "trainable\nof all", "steps"):
        table.add_column(column, justify="right", no_wrap=True)
    for plan in run.arms.values():
        table.add_row(
            plan.name,
            "\n".join(
                [
                    plan.describe_init(),
                    plan.describe_tuning(),
                    plan.describe_objective(),
                    plan.architecture,
                ]
            ),
            _layers_cell(plan),
            f"{plan.trainable:,}\n{plan.total:,}",
            f"{plan.steps:,}" if plan.steps else "-",
            end_section=True,
        )
    for ensemble in run.ensembles:
        members = next(iter(ensemble.members.values()), ())
        total = sum(run.arms[member.arm].total for member in members)
        what = f"{ensemble.describe()}\nnothing: it is only evaluated"
        table.add_row(ensemble.name, what, "-", f"0\n{total:,}", "-", end_section=True)
    return table
