"""What a run will make: the recipe, resolved once. Below this module nothing takes a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
from distillora.errors import ModelError
from distillora.pipeline.context import ArmPlan, Needs, RunPlan, Task
from distillora.pipeline.method import PlanRequest
from distillora.pipeline.methods import method_of
from distillora.recipe import Recipe


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
    tasks = plan_tasks(recipe)
    return RunPlan(
        task=recipe.task,
        max_length=recipe.data.max_length,
        seeds=recipe.seeds,
        arms=_plan_arms(recipe, tasks, dataset, extra or {}),
        tasks=tasks,
    )


def _plan_arms(
    recipe: Recipe,
    tasks: Mapping[Task, Needs],
    dataset: Dataset,
    extra: Mapping[Path, ExtraText],
) -> dict[str, ArmPlan]:
    plans: dict[str, ArmPlan] = {}
    for name in _arm_order(recipe):
        arm = recipe.arms[name]
        path = arm.objective.extra_text
        request = PlanRequest(
            name=name,
            arm=arm,
            needs=next((needs for task, needs in tasks.items() if task.arm == name), Needs()),
            planned=plans,
            dataset=dataset,
            extra_texts=0 if path is None else len(extra[path].rows),
            multi_label=recipe.multi_label,
            max_length=recipe.data.max_length,
        )
        try:
            plans[name] = method_of(arm).plan(request)
        except ModelError as error:
            raise ModelError(f"arms.{name}: {error}") from error
    return plans


def _arm_order(recipe: Recipe) -> list[str]:
    """Return the names of all arms, each after those that it needs, ensembles last."""
    return sorted(recipe.arm_order(), key=lambda name: bool(recipe.arms[name].init.ensemble))


def plan_tasks(recipe: Recipe) -> dict[Task, Needs]:
    """Map each arm at each seed to what must be finished before.

    An arm comes at all seeds before the next one does, for a student may learn from its teacher
    at all seeds. An ensemble of all seeds comes once, at the run's first seed; one of ``own``
    seeds at each seed at which all of its members are made.
    """
    tasks: dict[Task, Needs] = {}
    for name in _arm_order(recipe):
        if recipe.arms[name].init.ensemble:
            tasks |= _plan_ensemble(recipe, name, [*tasks])
        else:
            tasks |= {
                Task(name, seed): _find_needs(recipe, name, seed) for seed in recipe.seeds_of(name)
            }
    return tasks


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


def _plan_ensemble(recipe: Recipe, name: str, made: Sequence[Task]) -> dict[Task, Needs]:
    """Return an ensemble's tasks, each with its members, which are among ``made``."""
    init = recipe.arms[name].init
    arms = init.ensemble or ()
    members = [task for arm in arms for task in made if task.arm == arm]
    if init.ensemble_seeds == "all":
        return {Task(name, recipe.seeds[0]): Needs(members=tuple(members))}
    by_seed = {
        seed: tuple(task for task in members if task.seed == seed)
        for seed in dict.fromkeys(task.seed for task in members)
    }
    return {
        Task(name, seed): Needs(members=own)
        for seed, own in by_seed.items()
        if len(own) == len(arms)
    }


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
            "\n".join(plan.describe()),
            plan.describe_layers(),
            f"{plan.trainable:,}\n{plan.total:,}",
            f"{plan.steps:,}" if plan.steps else "-",
            end_section=True,
        )
    return table
