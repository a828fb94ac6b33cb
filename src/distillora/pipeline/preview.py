"""What a command would do, worked out without doing it: nothing is trained or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from distillora.artifacts import RunLayout
from distillora.data.audit import find_warnings, format_warnings
from distillora.data.extra_text import ExtraText
from distillora.errors import RunFolderError
from distillora.pipeline.changes import Change, find_changes, list_changes
from distillora.pipeline.context import RunContext, Task, name_tasks, prepare_context
from distillora.pipeline.holdings import check_holdings, find_dropped, find_result
from distillora.pipeline.plan import plan_run, plan_table
from distillora.pipeline.run_data import read_source
from distillora.progress import Reporter
from distillora.recipe import Recipe

if TYPE_CHECKING:
    from pandas import DataFrame

_STATES = ("finished", "trained, to be scored", "begun", "not begun")


def show_plan(recipe: Recipe, out: Path, frame: DataFrame | None = None) -> RenderableType:
    """Work out what the recipe would make in a folder, and what the folder holds of it already."""
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
    state = [Text(line) for line in _describe_holdings(context)]
    return Group(Text(about), *notes, *warnings, *describe_extra(source.extra), table, *state)


def describe_extra(extra: Mapping[Path, ExtraText]) -> list[str]:
    """Say of each file of texts without labels what is used of it."""
    return [f"extra text {path}: {found.record.describe()}" for path, found in extra.items()]


def describe_dropped(dropped: Iterable[Task]) -> str:
    """Say in one line which arms the run holds that the recipe no longer makes."""
    return f"not in the recipe, and left as they are: {name_tasks(dropped)}"


def _describe_holdings(context: RunContext) -> list[str]:
    """Say what the folder holds and what the command would do with it; nothing of a new folder."""
    layout = context.layout
    try:
        check_holdings(context)
    except RunFolderError as error:
        return [f"The command would be refused: {error}"]
    if not layout.recipe.is_file():
        return []
    tasks = context.plan.to_train
    changes = find_changes(context, tasks)
    lines = [f"{layout.root} holds:"]
    lines += [f"  {state}: {name_tasks(own)}" for state, own in _sort(context, tasks, changes)]
    if changes:
        lines += ["  made from something else:"]
        lines += [f"    {line}" for line in list_changes(changes)]
    if dropped := find_dropped(layout, context.plan):
        lines.append(f"  {describe_dropped(dropped)}")
    return [*lines, _describe_next(context, tasks, changes)]


def _sort(
    context: RunContext, tasks: Iterable[Task], changes: Mapping[Task, Change]
) -> list[tuple[str, list[Task]]]:
    """Return how far the arms are that fit, and which are that far."""
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
        return "The command keeps what is finished, and makes the rest."
    new = [task for task in tasks if not context.folder(*task).fingerprint.is_file()]
    steps = {
        "train again": [task for task, change in changes.items() if change.retrain],
        "score again": [task for task, change in changes.items() if not change.retrain],
        "train for the first time": new,
    }
    listed = "; ".join(f"{step}: {name_tasks(own)}" for step, own in steps.items() if own)
    return f"The command would stop there. With --retrain-changed it would {listed}."
