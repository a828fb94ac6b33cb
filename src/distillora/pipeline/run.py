"""The main job: from a recipe to a report, each stage leaving a file that ends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
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
from distillora.data.warnings import find_warnings
from distillora.errors import RunFolderError
from distillora.evaluation.comparison import compare_runs
from distillora.evaluation.results import ArmResult, DataRecord, Environment, Results
from distillora.models.backbones import BUNDLED, load_tokenizer
from distillora.pipeline.judge import judge_arm
from distillora.pipeline.make import Workbench, make_arm
from distillora.pipeline.plan import ArmPlan, plan_arms, plan_table
from distillora.pipeline.prepare import (
    PreparedData,
    audit_data,
    describe_data,
    read_data,
    save_audit,
    settle_recipe,
)
from distillora.progress import Reporter
from distillora.recipe import Recipe, load_recipe
from distillora.report import write_report
from distillora.runtime import (
    describe_environment,
    is_main_process,
    resolve_precision,
    start_processes,
    wait_for_everyone,
)


def show_plan(recipe: Recipe) -> RenderableType:
    """Work out what the recipe would make, and return it as tables; nothing is trained."""
    found, corpus = read_data(recipe)
    recipe, chosen = settle_recipe(recipe, corpus)
    plans = plan_arms(recipe, corpus)
    rows = ", ".join(f"{name} {len(split):,}" for name, split in corpus.splits.items())
    about = (
        f"{recipe.name}: {corpus.source}\n{recipe.task}, {len(corpus.label_names)} labels; {rows}"
    )
    notes = format_warnings([*find_warnings(found), *chosen])
    return Group(Text(about), *notes, plan_table(plans, recipe.seeds))


def compare(recipe: Recipe, out: Path, reporter: Reporter) -> Results | None:
    """Make every arm of the recipe at every seed, and the report.

    What is finished is skipped, what is half-trained goes on. Returns None in the processes
    that only helped to train.

    Raises:
        RunFolderError: the folder is in use, or holds a run of another recipe.
    """
    start_processes()
    layout = RunLayout(out)
    environment = _describe_environment(recipe)
    # first what may be wrong with the recipe or the data: then nothing has been written yet
    found, corpus = read_data(recipe)
    recipe, chosen = settle_recipe(recipe, corpus)
    plans = plan_arms(recipe, corpus)
    with _open_run(layout, recipe):
        data = PreparedData(recipe, corpus, layout.tokens)
        record = _audit(layout, recipe, found, data, plans)
        for note in format_warnings([*record.audit.warnings, *chosen]):
            reporter.say(note)
        reporter.say(plan_table(plans, recipe.seeds))
        benches = [Workbench(plans, data, layout, seed, reporter) for seed in recipe.seeds]
        arms = tuple(result for bench in benches for result in _make_arms(bench))
        if not is_main_process():
            return None
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
    # read as a recipe: keys that came later have their defaults in an older run
    before = _flatten(yaml.safe_load(load_recipe(str(layout.recipe)).dump()))
    now = _flatten(yaml.safe_load(recipe.dump()))
    # other seeds are other arms of the same experiment: they may be added to a finished run
    differing = sorted(
        key for key in {*before, *now} - {"seeds"} if before.get(key) != now.get(key)
    )
    if differing:
        shown = ", ".join(differing[:5]) + (" and more" if len(differing) > 5 else "")
        raise RunFolderError(
            f"{layout.root} holds a run of another recipe; it differs in {shown}. "
            "Give another folder with --out, or delete this one."
        )


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
    first = next(iter(plans.values()))
    audit = audit_data(found, data.tokenizer(first.tokenizer), recipe.data.max_length)
    if is_main_process():
        save_audit(layout, audit)
    return describe_data(recipe, data.corpus, audit)


def _make_arms(bench: Workbench) -> Iterator[ArmResult]:
    """Yield the arms of one seed, in order; only the main process scores them."""
    for name in bench.plans:
        finished = bench.folder(name).result
        if finished.is_file():
            bench.reporter.say(f"{name}, seed {bench.seed}: finished before")
        else:
            bench.reporter.stage(f"{name}, seed {bench.seed}")
            training = make_arm(bench, name)
            if is_main_process():
                judge_arm(bench, name, training)
        wait_for_everyone()
        if is_main_process():
            yield ArmResult.model_validate_json(finished.read_bytes())


def _describe_environment(recipe: Recipe) -> Environment:
    """Describe what is about to compute: asked at the start, while the code is as it was loaded."""
    wanted = {resolve_precision(arm.training.precision) for arm in recipe.arms.values()}
    return Environment(**describe_environment(" and ".join(sorted(wanted))))


def audit_source(recipe: Recipe) -> tuple[AuditRecord, RenderableType]:
    """Audit the data of a recipe; return the record and its tables for the terminal.

    Lengths are counted with the tokenizer of the bundled encoder.
    """
    audit = audit_data(read_data(recipe)[0], load_tokenizer(BUNDLED), recipe.data.max_length)
    return audit, format_audit(audit)
