"""The main job: from a recipe to a report, each stage leaving a file that ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from distillora.artifacts import (
    RunLayout,
    delete_parts,
    explain_full_disk,
    lock_folder,
    write_atomic,
)
from distillora.data.audit import AuditRecord, format_audit, format_warnings
from distillora.data.corpus import Corpus
from distillora.data.extra_text import ExtraText
from distillora.data.stored import is_stored, read_stored, store_data
from distillora.data.warnings import find_warnings
from distillora.errors import (
    DataError,
    InputError,
    OfflineError,
    RunFolderError,
)
from distillora.evaluation.comparison import compare_runs
from distillora.evaluation.results import ArmResult, Results
from distillora.models.backbones import BUNDLED, load_tokenizer
from distillora.pipeline.bench import Workbench, set_up_bench
from distillora.pipeline.changes import (
    discard_changed,
    find_changes,
    refuse_changes,
    refuse_older_run,
)
from distillora.pipeline.ensembles import plan_ensembles
from distillora.pipeline.finished import find_result
from distillora.pipeline.jobs import make_side_by_side
from distillora.pipeline.judge import judge_arm, judge_ensemble
from distillora.pipeline.make import make_arm
from distillora.pipeline.measure import fill_in, measure_arms
from distillora.pipeline.plan import plan_arms, plan_table
from distillora.pipeline.prepare import (
    audit_data,
    describe_data,
    read_data,
    read_extra_texts,
    save_audit,
    settle_recipe,
)
from distillora.pipeline.schedule import Task, plan_tasks
from distillora.progress import Reporter
from distillora.recipe import Recipe, load_recipe
from distillora.report import write_report
from distillora.runtime import (
    is_main_process,
    process_count,
    start_processes,
    wait_for_everyone,
)

_OURS = (".lock", "data")
"""What a run that was killed at its very beginning may have left."""


def show_plan(recipe: Recipe) -> RenderableType:
    """Work out what the recipe would make, and return it as tables; nothing is trained."""
    found, corpus = read_data(recipe)
    recipe, chosen = settle_recipe(recipe, corpus)
    extra = read_extra_texts(recipe, corpus)
    plans = plan_arms(recipe, corpus, extra)
    rows = ", ".join(f"{name} {len(split):,}" for name, split in corpus.splits.items())
    about = (
        f"{recipe.name}: {corpus.source}\n{recipe.task}, {len(corpus.label_names)} labels; {rows}"
    )
    notes = format_warnings([*find_warnings(found), *chosen])
    table = plan_table(plans, recipe.seeds, plan_ensembles(recipe))
    return Group(Text(about), *notes, *_describe_extra(extra), table)


def _describe_extra(extra: Mapping[Path, ExtraText]) -> list[str]:
    return [f"extra text {path}: {found.record.describe()}" for path, found in extra.items()]


def compare(
    recipe: Recipe,
    out: Path,
    reporter: Reporter,
    jobs: int = 1,
    *,
    retrain_changed: bool = False,
) -> Results | None:
    """Make every arm of the recipe at every seed, judge and measure them all, write the report.

    What is finished is skipped, what is half-trained goes on, as long as it was made from what the
    recipe and the data ask for now. Returns None in the processes that only helped to train.

    Args:
        recipe: what to make.
        out: the run's folder.
        reporter: what tells how it goes.
        jobs: how many arms to make at a time, each in a process of its own. They are judged one
            after the other all the same.
        retrain_changed: train the arms again that were made from something else.

    Raises:
        RunFolderError: the folder is in use, or holds arms that were made from something else;
            the message says for each what changed.
    """
    start_processes()
    layout = RunLayout(out)
    # first what may be wrong with the recipe or the data: then nothing has been written yet
    source = _read_source(recipe, layout, reporter)
    recipe, chosen = settle_recipe(recipe, source.corpus)
    extra = read_extra_texts(recipe, source.corpus, source.extra)
    bench = set_up_bench(recipe, layout, source.corpus, extra, reporter, jobs)
    tasks = plan_tasks(recipe)
    with _open_run(bench, tasks, retrain_changed=retrain_changed):
        record = describe_data(bench.data, _audit(bench, source.found))
        for note in format_warnings([*record.audit.warnings, *chosen]):
            reporter.say(note)
        for line in _describe_extra(extra):
            reporter.say(line)
        reporter.say(plan_table(bench.plans, recipe.seeds, plan_ensembles(recipe)))
        _make_arms(bench, tasks, jobs)
        if not is_main_process():
            return None
        judged = {task: _judge(bench, task) for task in tasks}
        judged |= _judge_ensembles(bench, judged)
        # by seed, each with its arms in their order
        arms = tuple(judged[task] for task in sorted(judged, key=_by_seed(recipe)))
        measured = measure_arms(bench, arms, bench.environment)
        reporter.say("  comparing the arms")
        results = Results(
            recipe=recipe.model_dump(mode="json"),
            data=record,
            environment=bench.environment,
            measurement=measured.measurement,
            arms=fill_in(bench, arms, measured),
            evidence=compare_runs(arms, layout.root, recipe.task, recipe.contrasts),
        )
        write_atomic(layout.results, results.model_dump_json(indent=1))
        layout.renewal.unlink(missing_ok=True)
        write_report(layout.root)
        return results


class _Source(NamedTuple):
    """The data of a run: as it was found (None: it was read from the run), and as it is used."""

    found: Corpus | None
    corpus: Corpus
    extra: Mapping[Path, ExtraText] = {}


def _read_source(recipe: Recipe, layout: RunLayout, reporter: Reporter) -> _Source:
    """Read the data from its source; from the run, where the source can no longer be reached."""
    try:
        return _Source(*read_data(recipe))
    except (DataError, OfflineError) as error:
        gone = isinstance(error, OfflineError) or not (recipe.data.path or layout.root).exists()
        if not gone or not is_stored(layout.data) or not _same_data(recipe, layout):
            raise
        reporter.warn(f"{error} The run continues with its own copy of the data.")
        return _Source(None, *read_stored(layout.data))


def _same_data(recipe: Recipe, layout: RunLayout) -> bool:
    return layout.recipe.is_file() and load_recipe(str(layout.recipe)).data == recipe.data


@contextmanager
def _open_run(bench: Workbench, tasks: Iterable[Task], *, retrain_changed: bool) -> Iterator[None]:
    """Hold the folder, make sure that what it holds fits, and write recipe and data into it."""
    layout, data = bench.layout, bench.data
    with ExitStack() as stack:
        stack.enter_context(explain_full_disk(layout.root))
        if is_main_process():
            _check_folder(layout)
            _check_ensembles(bench)
            stack.enter_context(lock_folder(layout.root))
            delete_parts(layout.root)
            changes = find_changes(bench, tasks)
            if changes and not retrain_changed:
                refuse_changes(layout, changes)
            if changes:
                discard_changed(bench, changes)
            if not _is_stored(bench):
                store_data(layout.data, data.corpus, data.extra)
            write_atomic(layout.recipe, data.recipe.dump())
        wait_for_everyone()
        yield


def _is_stored(bench: Workbench) -> bool:
    """Whether the run holds exactly this data already."""
    if not is_stored(bench.layout.data):
        return False
    return read_stored(bench.layout.data) == (bench.data.corpus, bench.data.extra)


def _check_ensembles(bench: Workbench) -> None:
    """Refuse an ensemble that has the name of an arm that the run holds trained.

    Raises:
        RunFolderError: which one.
    """
    for plan in plan_ensembles(bench.data.recipe):
        for seed in plan.members:
            if (folder := bench.folder(plan.name, seed)).fingerprint.is_file():
                raise RunFolderError(
                    f"{folder.root} holds a trained arm, and the recipe makes '{plan.name}' an "
                    "ensemble. Give the ensemble another name, or another folder with --out."
                )


def _check_folder(layout: RunLayout) -> None:
    """Refuse a folder that holds something else than a run, or a run of an earlier version.

    Raises:
        RunFolderError: what it holds.
    """
    if layout.recipe.is_file():
        refuse_older_run(layout)
    elif layout.root.is_dir() and any(path.name not in _OURS for path in layout.root.iterdir()):
        raise RunFolderError(
            f"{layout.root} holds other files and no run. Give an empty folder with --out."
        )


def _audit(bench: Workbench, found: Corpus | None) -> AuditRecord:
    """Audit the data as it was found; the audit in the run, where that could not be read."""
    if found is None:
        return AuditRecord.model_validate_json(bench.layout.audit.read_bytes())
    # a baseline has no tokenizer of its own
    encoders = [plan for plan in bench.plans.values() if not plan.arm.init.baseline]
    first = next(iter(encoders or bench.plans.values()))
    tokenizer = bench.data.tokenizer(first.tokenizer)
    audit = audit_data(found, tokenizer, bench.data.recipe.data.max_length)
    if is_main_process():
        save_audit(bench.layout, audit)
    return audit


def _make_arms(bench: Workbench, tasks: Mapping[Task, frozenset[Task]], jobs: int) -> None:
    """Train what is not finished, one after the other or side by side."""
    if jobs > 1 and process_count() > 1:
        raise InputError("Give --jobs or start with torchrun, not both.")
    finished = {task for task in tasks if find_result(bench, task).result}
    for task in finished:
        bench.reporter.say(f"{task}: finished before")
    if jobs > 1:
        make_side_by_side(bench, tasks, jobs, finished)
        return
    for task in tasks:
        if task not in finished:
            bench.reporter.stage(str(task))
            make_arm(bench.at(task.seed), task.arm)


def _by_seed(recipe: Recipe) -> Callable[[Task], int]:
    return lambda task: recipe.seeds.index(task.seed)


def _judge(bench: Workbench, task: Task) -> ArmResult:
    """Score an arm, unless that is done already."""
    found = find_result(bench, task)
    if found.result is None:
        bench.reporter.stage(f"{task}: scoring")
        if found.why_anew:
            bench.reporter.say(f"  scored anew, not trained: {found.why_anew}")
        return judge_arm(bench.at(task.seed), task.arm)
    return found.result


def _judge_ensembles(bench: Workbench, judged: Mapping[Task, ArmResult]) -> dict[Task, ArmResult]:
    """Evaluate every ensemble anew, which takes seconds: its members may have changed."""
    found = {}
    for plan in plan_ensembles(bench.data.recipe):
        for seed, members in plan.members.items():
            task = Task(plan.name, seed)
            bench.reporter.stage(f"{task}: averaging {len(members)} models")
            own = [judged[member] for member in members]
            found[task] = judge_ensemble(bench.at(seed), plan, own)
    return found


def audit_source(recipe: Recipe) -> tuple[AuditRecord, RenderableType]:
    """Audit the data of a recipe; return the record and its tables for the terminal.

    Lengths are counted with the tokenizer of the bundled encoder.
    """
    audit = audit_data(read_data(recipe)[0], load_tokenizer(BUNDLED), recipe.data.max_length)
    return audit, format_audit(audit)
