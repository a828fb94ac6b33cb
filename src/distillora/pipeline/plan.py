"""What a run will make: the recipe, resolved once, and what a folder holds of it already.

Nothing below this module takes a recipe, but for the reading of data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from distillora.artifacts import RunLayout
from distillora.data.audit import find_warnings, format_warnings
from distillora.data.dataset import Dataset
from distillora.data.extra_text import ExtraText
from distillora.errors import ModelError, RunFolderError
from distillora.pipeline.changes import (
    Change,
    check_folder,
    find_changes,
    find_dropped,
    find_result,
    list_changes,
)
from distillora.pipeline.context import (
    ArmPlan,
    Needs,
    RunContext,
    RunPlan,
    Task,
    name_tasks,
    prepare_context,
)
from distillora.pipeline.method import PlanRequest
from distillora.pipeline.methods import method_of
from distillora.pipeline.run_data import read_source
from distillora.progress import Reporter
from distillora.recipe import Recipe

if TYPE_CHECKING:
    from pandas import DataFrame

_STATES = ("finished", "trained, to be scored", "begun", "not begun")


def plan_run(
    recipe: Recipe, dataset: Dataset, extra: Mapping[Path, ExtraText] | None = None
) -> RunPlan:
    """Resolve a recipe on its data.

    Args:
        recipe: complete.
        dataset: the data as it is used.
        extra: the texts without labels that arms name, by path.

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


def show_plan(recipe: Recipe, out: Path, frame: DataFrame | None = None) -> RenderableType:
    """Describe what a recipe would make in a folder, and what the folder already holds of it."""
    layout, notes = RunLayout(out), list[str]()
    source = read_source(recipe, layout, notes.append, frame)
    recipe, dataset = source.recipe, source.dataset
    plan = plan_run(recipe, dataset, source.extra)
    context = prepare_context(plan, layout, dataset, source.extra, Reporter(quiet=True), jobs=1)
    rows = ", ".join(f"{name} {len(split):,}" for name, split in dataset.splits.items())
    about = (
        f"{recipe.name}: {dataset.source}\n{recipe.task}, {len(dataset.label_names)} labels; {rows}"
    )
    found = [] if source.found is None else find_warnings(source.found)
    warnings = format_warnings([*found, *source.chosen])
    table = plan_table(plan)
    state = [Text(line) for line in _describe_folder(context)]
    return Group(Text(about), *notes, *warnings, *describe_extra(source.extra), table, *state)


def describe_extra(extra: Mapping[Path, ExtraText]) -> list[str]:
    """Describe what is used of each file of texts without labels."""
    return [f"extra text {path}: {found.record.describe()}" for path, found in extra.items()]


def describe_dropped(dropped: Iterable[Task]) -> str:
    """List the arms that the run holds but the recipe no longer makes."""
    return f"not in the recipe, and left as they are: {name_tasks(dropped)}"


def _describe_folder(context: RunContext) -> list[str]:
    """Describe what the folder holds and what the command would do; empty for a new folder."""
    layout = context.layout
    try:
        check_folder(context)
    except RunFolderError as error:
        return [f"The command would be refused: {error}"]
    if not layout.recipe.is_file():
        return []
    tasks = context.plan.to_train
    changes = find_changes(context, tasks)
    lines = [f"{layout.root} holds:"]
    lines += [f"  {state}: {name_tasks(own)}" for state, own in _sort(context, tasks, changes)]
    if changes:
        lines += ["  changed:"]
        lines += [f"    {line}" for line in list_changes(changes)]
    if dropped := find_dropped(layout, context.plan):
        lines.append(f"  {describe_dropped(dropped)}")
    return [*lines, _describe_next(context, tasks, changes)]


def _sort(
    context: RunContext, tasks: Iterable[Task], changes: Mapping[Task, Change]
) -> list[tuple[str, list[Task]]]:
    """Group the arms that fit by how far they are."""
    states: dict[str, list[Task]] = {name: [] for name in _STATES}
    for task in tasks:
        if task not in changes:
            states[_find_state(context, task)].append(task)
    return [(state, own) for state, own in states.items() if own]


def _find_state(context: RunContext, task: Task) -> str:
    if find_result(context, task).result is not None:
        return "finished"
    folder = context.folder(*task)
    if folder.training.is_file():
        return "trained, to be scored"
    return "begun" if folder.fingerprint.is_file() else "not begun"


def _describe_next(
    context: RunContext, tasks: Iterable[Task], changes: Mapping[Task, Change]
) -> str:
    if not changes:
        return "The command keeps what is finished and makes the rest."
    new = [task for task in tasks if not context.folder(*task).fingerprint.is_file()]
    steps = {
        "train again": [task for task, change in changes.items() if change.retrain],
        "score again": [task for task, change in changes.items() if not change.retrain],
        "train for the first time": new,
    }
    listed = "; ".join(f"{step}: {name_tasks(own)}" for step, own in steps.items() if own)
    return f"The command would stop there. With --retrain-changed it would {listed}."
