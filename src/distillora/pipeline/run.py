"""A run from recipe to report. Each stage leaves a file that marks it as done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from distillora.artifacts import (
    RunLayout,
    delete_parts,
    explain_full_disk,
    lock_folder,
    write_atomic,
)
from distillora.data.audit import AuditRecord, format_warnings
from distillora.data.dataset import Dataset
from distillora.data.sources import read_dataset
from distillora.data.stored import is_stored, read_stored, store_data
from distillora.errors import InputError
from distillora.evaluation.comparison import compare_runs
from distillora.evaluation.results import ArmResult, Results
from distillora.models.backbones import load_tokenizer
from distillora.models.origin import BUNDLED
from distillora.pipeline.changes import (
    Change,
    FoundResult,
    check_folder,
    delete_replaced,
    find_changes,
    find_dropped,
    find_result,
    refuse_changes,
    set_changed_aside,
)
from distillora.pipeline.context import RunContext, RunPlan, Task, prepare_context
from distillora.pipeline.evaluate import evaluate_arm
from distillora.pipeline.executors import choose_executor
from distillora.pipeline.measure import fill_in, measure_arms
from distillora.pipeline.plan import describe_dropped, describe_extra, plan_run, plan_table
from distillora.pipeline.run_data import audit_data, describe_data, read_source, save_audit
from distillora.progress import Reporter
from distillora.recipe import Recipe
from distillora.report import write_report
from distillora.runtime import (
    is_main_process,
    process_count,
    start_processes,
    wait_for_everyone,
)

if TYPE_CHECKING:
    from pandas import DataFrame


def compare(
    recipe: Recipe,
    out: Path,
    reporter: Reporter,
    jobs: int = 1,
    *,
    retrain_changed: bool = False,
    frame: DataFrame | None = None,
) -> Results | None:
    """Train, evaluate and measure every arm at every seed, and write the report.

    Finished arms are skipped and interrupted ones continue, if they were made from what the recipe
    and the data are now. Returns None in processes that only helped to train.

    Args:
        recipe: what to make.
        out: the run's folder.
        reporter: where progress and messages go.
        jobs: how many arms to train at a time, each in its own process. They are evaluated one
            after the other.
        retrain_changed: retrain arms whose settings, data or parents changed.
        frame: the rows, if the recipe's source is ``dataframe``.

    Raises:
        RunFolderError: the folder is in use, or contains arms whose settings, data or parents
            changed; the message says what changed for each.
    """
    start_processes()
    layout = RunLayout(out)
    # before anything is written, so that a faulty recipe or data set leaves no folder
    source = read_source(recipe, layout, reporter.warn, frame)
    recipe = source.recipe
    plan = plan_run(recipe, source.dataset, source.extra)
    context = prepare_context(plan, layout, source.dataset, source.extra, reporter, jobs)
    with _open_run(context, recipe.dump(), retrain_changed=retrain_changed):
        record = describe_data(context.data, recipe.data.taxonomy, _audit(context, source.found))
        for note in format_warnings([*record.audit.warnings, *source.chosen]):
            reporter.say(note)
        for line in describe_extra(source.extra):
            reporter.say(line)
        reporter.say(plan_table(plan))
        _train_arms(context, jobs)
        if not is_main_process():
            return None
        evaluated = {task: _evaluate_task(context, task) for task in plan.tasks}
        # by seed, each with its arms in their order
        arms = tuple(evaluated[task] for task in sorted(evaluated, key=_by_seed(plan)))
        measured = measure_arms(context, arms, context.environment)
        reporter.say("  comparing the arms")
        results = Results(
            recipe=recipe.model_dump(mode="json"),
            data=record,
            environment=context.environment,
            measurement=measured.measurement,
            arms=fill_in(context, arms, measured),
            evidence=compare_runs(arms, layout.root, recipe.task, recipe.contrasts),
        )
        write_atomic(layout.results, results.model_dump_json(indent=1))
        layout.renewal.unlink(missing_ok=True)
        write_report(layout.root)
        delete_replaced(context, plan.to_train)
        return results


@contextmanager
def _open_run(context: RunContext, recipe: str, *, retrain_changed: bool) -> Iterator[None]:
    """Lock the folder, check that its arms fit the plan, and write recipe and data into it."""
    layout, data = context.layout, context.data
    with ExitStack() as stack:
        stack.enter_context(explain_full_disk(layout.root))
        if is_main_process():
            check_folder(context)
            stack.enter_context(lock_folder(layout.root))
            delete_parts(layout.root)
            changes = find_changes(context, context.plan.to_train)
            if changes and not retrain_changed:
                refuse_changes(layout, changes)
            if changes:
                set_changed_aside(context, changes)
            _say_what_happens(context, changes)
            if not _is_stored(context):
                store_data(layout.data, data.dataset, data.extra)
            write_atomic(layout.recipe, recipe)
        wait_for_everyone()
        yield


def _say_what_happens(context: RunContext, changes: Mapping[Task, Change]) -> None:
    if any(change.retrain for change in changes.values()):
        context.reporter.say(
            "  retrained arms keep their old model in arms/ARM/replaced-seed-N until the run is "
            "complete"
        )
    if dropped := find_dropped(context.layout, context.plan):
        context.reporter.say(f"  {describe_dropped(dropped)}")


def _is_stored(context: RunContext) -> bool:
    """Whether the run already holds exactly this data."""
    if not is_stored(context.layout.data):
        return False
    return read_stored(context.layout.data) == (context.data.dataset, context.data.extra)


def _audit(context: RunContext, found: Dataset | None) -> AuditRecord:
    """Audit the data as found; if it was not read from its source, return the stored audit."""
    if found is None and context.layout.audit.is_file():
        return AuditRecord.model_validate_json(context.layout.audit.read_bytes())
    named = (plan.tokenizer for plan in context.plans.values() if plan.tokenizer is not None)
    tokenizer = context.data.tokenizer(next(named, (BUNDLED, None)))
    audit = audit_data(found or context.data.dataset, tokenizer, context.data.max_length)
    if is_main_process():
        save_audit(context.layout, audit)
    return audit


def _train_arms(context: RunContext, jobs: int) -> None:
    """Train every arm that is not finished."""
    if jobs > 1 and process_count() > 1:
        raise InputError("Give `jobs` or start with torchrun, not both.")
    finished = {task for task in context.plan.to_train if find_result(context, task).result}
    for task in finished:
        context.reporter.say(f"{task}: finished before")
    choose_executor(jobs).train(context, finished)


def _by_seed(plan: RunPlan) -> Callable[[Task], int]:
    return lambda task: plan.seeds.index(task.seed)


def _evaluate_task(context: RunContext, task: Task) -> ArmResult:
    """Score an arm, unless that is done already.

    An arm without weights is always scored again, which takes seconds: its members may have
    changed.
    """
    found = find_result(context, task) if context.plans[task.arm].has_weights else FoundResult(None)
    if found.result is None:
        context.reporter.stage(f"{task}: scoring")
        if found.why_again:
            context.reporter.say(f"  scored again, not retrained: {found.why_again}")
        return evaluate_arm(context.at(task.seed), task.arm)
    return found.result


def audit_source(recipe: Recipe, frame: DataFrame | None = None) -> AuditRecord:
    """Audit the data of a recipe, or ``frame`` if it is given.

    Token lengths are those of the bundled encoder's tokenizer.
    """
    found = read_dataset(recipe.data, frame)
    return audit_data(found, load_tokenizer(BUNDLED), recipe.data.max_length)
