"""The main job: from a recipe to a report, each stage leaving a file that ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

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
from distillora.data.extra_text import ExtraText
from distillora.data.warnings import find_warnings
from distillora.errors import InputError, RunFolderError
from distillora.evaluation.comparison import compare_runs
from distillora.evaluation.results import ArmResult, DataRecord, Environment, Results
from distillora.models.backbones import BUNDLED, load_tokenizer
from distillora.pipeline.bench import Workbench
from distillora.pipeline.ensembles import plan_ensembles
from distillora.pipeline.jobs import make_side_by_side
from distillora.pipeline.judge import judge_arm, judge_ensemble
from distillora.pipeline.make import make_arm, read_training
from distillora.pipeline.plan import ArmPlan, plan_arms, plan_table
from distillora.pipeline.prepare import (
    PreparedData,
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
    describe_environment,
    is_main_process,
    process_count,
    resolve_precision,
    start_processes,
    wait_for_everyone,
)


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


def compare(recipe: Recipe, out: Path, reporter: Reporter, jobs: int = 1) -> Results | None:
    """Make every arm of the recipe at every seed, judge them all, and write the report.

    What is finished is skipped, what is half-trained goes on. Returns None in the processes
    that only helped to train.

    Args:
        recipe: what to make.
        out: the run's folder.
        reporter: what tells how it goes.
        jobs: how many arms to make at a time, each in a process of its own. They are judged one
            after the other all the same, so that nothing disturbs the clock.

    Raises:
        RunFolderError: the folder is in use, or holds a run of another recipe.
    """
    start_processes()
    layout = RunLayout(out)
    environment = _describe_environment(recipe, jobs)
    # first what may be wrong with the recipe or the data: then nothing has been written yet
    found, corpus = read_data(recipe)
    recipe, chosen = settle_recipe(recipe, corpus)
    extra = read_extra_texts(recipe, corpus)
    plans = plan_arms(recipe, corpus, extra)
    with _open_run(layout, recipe):
        data = PreparedData(recipe, corpus, layout.tokens, extra)
        record = _audit(layout, recipe, found, data, plans)
        for note in format_warnings([*record.audit.warnings, *chosen]):
            reporter.say(note)
        for line in _describe_extra(extra):
            reporter.say(line)
        reporter.say(plan_table(plans, recipe.seeds, plan_ensembles(recipe)))
        bench = Workbench(plans, data, layout, recipe.seeds[0], reporter)
        tasks = plan_tasks(recipe)
        _make_arms(bench, tasks, jobs)
        if not is_main_process():
            return None
        judged = {task: _judge(bench, *task) for task in tasks}
        judged |= _judge_ensembles(bench, judged)
        # by seed, each with its arms in their order
        arms = tuple(judged[task] for task in sorted(judged, key=_by_seed(recipe)))
        reporter.say("  comparing the arms")
        results = Results(
            recipe=recipe.model_dump(mode="json"),
            data=record,
            environment=environment,
            arms=arms,
            evidence=compare_runs(arms, layout.root, recipe.task),
        )
        write_atomic(layout.results, results.model_dump_json(indent=1))
        write_report(layout.root)
        return results


@contextmanager
def _open_run(layout: RunLayout, recipe: Recipe) -> Iterator[None]:
    """Hold the folder, make sure that it belongs to this recipe, and note the recipe in it."""
    with ExitStack() as stack:
        stack.enter_context(explain_full_disk(layout.root))
        if is_main_process():
            _check_recipe(layout, recipe)
            stack.enter_context(lock_folder(layout.root))
            delete_parts(layout.root)
            write_atomic(layout.recipe, recipe.dump())
        wait_for_everyone()
        yield


def _check_recipe(layout: RunLayout, recipe: Recipe) -> None:
    if not layout.recipe.is_file():
        if layout.root.is_dir() and any(path.name != ".lock" for path in layout.root.iterdir()):
            raise RunFolderError(
                f"{layout.root} holds other files and no run. Give an empty folder with --out."
            )
        return
    # read as a recipe: keys that are newer than the run have the defaults that it was made with
    before = _settings(load_recipe(str(layout.recipe)))
    now = _settings(recipe)
    # other seeds and other arms belong to the same experiment: they may be added to a run
    added = [f"arms.{name}." for name in recipe.arms if f"arms.{name}.init.layers" not in before]
    differing = sorted(
        key
        for key in {*before, *now} - {"seeds", "description"}
        if before.get(key) != now.get(key) and not key.startswith(tuple(added))
    )
    if differing:
        shown = ", ".join(differing[:5]) + (" and more" if len(differing) > 5 else "")
        raise RunFolderError(
            f"{layout.root} holds a run of another recipe; it differs in {shown}. "
            "Give another folder with --out, or delete this one."
        )


def _settings(recipe: Recipe) -> dict[str, Any]:
    return _flatten(recipe.model_dump(mode="json"))


def _flatten(values: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {path: values}
    return {
        key: leaf
        for name, value in values.items()
        for key, leaf in _flatten(value, f"{path}.{name}" if path else str(name)).items()
    }


def _audit(
    layout: RunLayout,
    recipe: Recipe,
    found: Any,
    data: PreparedData,
    plans: dict[str, ArmPlan],
) -> DataRecord:
    # a baseline has no tokenizer of its own
    encoders = [plan for plan in plans.values() if not plan.arm.init.baseline]
    first = next(iter(encoders or plans.values()))
    audit = audit_data(found, data.tokenizer(first.tokenizer), recipe.data.max_length)
    if is_main_process():
        save_audit(layout, audit)
    return describe_data(data, audit)


def _make_arms(bench: Workbench, tasks: Mapping[Task, frozenset[Task]], jobs: int) -> None:
    """Train what is not finished, one after the other or side by side."""
    if jobs > 1 and process_count() > 1:
        raise InputError("Give --jobs or start with torchrun, not both.")
    finished = {task for task in tasks if bench.folder(*task).result.is_file()}
    for name, seed in finished:
        bench.reporter.say(f"{name}, seed {seed}: finished before")
    if jobs > 1:
        make_side_by_side(bench, tasks, jobs, finished)
        return
    for name, seed in tasks:
        if (name, seed) not in finished:
            bench.reporter.stage(f"{name}, seed {seed}")
            make_arm(bench.at(seed), name)


def _by_seed(recipe: Recipe) -> Callable[[Task], int]:
    return lambda task: recipe.seeds.index(task.seed)


def _judge(bench: Workbench, name: str, seed: int) -> ArmResult:
    """Score an arm, unless that is done already."""
    own = bench.at(seed)
    finished = own.folder(name).result
    if not finished.is_file():
        bench.reporter.stage(f"{name}, seed {seed}: scoring")
        return judge_arm(own, name, read_training(own, name))
    return ArmResult.model_validate_json(finished.read_bytes())


def _judge_ensembles(bench: Workbench, judged: Mapping[Task, ArmResult]) -> dict[Task, ArmResult]:
    """Evaluate every ensemble anew, which takes seconds: its members may have changed."""
    found = {}
    for plan in plan_ensembles(bench.data.recipe):
        for seed, members in plan.members.items():
            bench.reporter.stage(f"{plan.name}, seed {seed}: averaging {len(members)} models")
            own = [judged[member] for member in members]
            found[Task(plan.name, seed)] = judge_ensemble(bench.at(seed), plan, own)
    return found


def _describe_environment(recipe: Recipe, jobs: int) -> Environment:
    """Describe what is about to compute: asked at the start, while the code is as it was loaded."""
    trained = [arm for arm in recipe.arms.values() if not arm.init.ensemble]
    wanted = {resolve_precision(arm.training.precision) for arm in trained}
    return Environment(**describe_environment(" and ".join(sorted(wanted))), jobs=jobs)


def audit_source(recipe: Recipe) -> tuple[AuditRecord, RenderableType]:
    """Audit the data of a recipe; return the record and its tables for the terminal.

    Lengths are counted with the tokenizer of the bundled encoder.
    """
    audit = audit_data(read_data(recipe)[0], load_tokenizer(BUNDLED), recipe.data.max_length)
    return audit, format_audit(audit)
