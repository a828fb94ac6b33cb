"""What a run's folder holds, and whether its recipe and data would still make the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from distillora.artifacts import ArmLayout, RunLayout, delete_folder, write_atomic
from distillora.data.dataset import Dataset
from distillora.data.stored import is_stored, read_stored
from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.integrity import find_weights_fault, note_renewal
from distillora.evaluation.predictions import has_recorded_checksum
from distillora.evaluation.results import ArmResult, Fingerprint
from distillora.pipeline.context import RunContext, RunPlan, Task, name_tasks
from distillora.pipeline.fingerprint import (
    EVALUATION_CODE,
    describe_change,
    read_fingerprint,
    take_fingerprint,
)
from distillora.pipeline.records import BeginningRecord, TrainingRecord

_MOST_SHOWN = 12
_OURS = (".lock", "data")
"""What a run that was killed at its very beginning may have left."""


def check_folder(context: RunContext) -> None:
    """Refuse a folder that the recipe's run cannot go into.

    Raises:
        RunFolderError: it holds something else than a run, a run of an earlier version, or an arm
            under the name of an ensemble.
    """
    _check_owner(context.layout)
    _check_ensembles(context)


def _check_owner(layout: RunLayout) -> None:
    """Refuse a folder that holds something else than a run, or a run of an earlier version.

    Raises:
        RunFolderError: what it holds.
    """
    if layout.recipe.is_file():
        _refuse_older_run(layout)
    elif layout.root.is_dir() and any(path.name not in _OURS for path in layout.root.iterdir()):
        raise RunFolderError(
            f"{layout.root} holds other files and no run. Give an empty folder with `out`."
        )


def _refuse_older_run(layout: RunLayout) -> None:
    """Refuse the folder of a run from before there were fingerprints.

    Raises:
        RunFolderError: it holds such a run.
    """
    arms = [ArmLayout(path) for path in layout.root.glob("arms/*/seed-*")]
    # an ensemble has results alone
    begun = [arm for arm in arms if arm.training.is_file() or arm.checkpoints.is_dir()]
    if all(arm.fingerprint.is_file() for arm in begun):
        return
    raise RunFolderError(
        f"{layout.root} holds a run of an earlier version, which did not record what its arms "
        "were made from. Whether they fit this command cannot be checked, so they are not reused. "
        "Give another folder with `out`, or delete this one."
    )


def _check_ensembles(context: RunContext) -> None:
    """Refuse an ensemble that has the name of an arm that the run holds trained.

    Raises:
        RunFolderError: which one.
    """
    for task in context.plan.tasks:
        folder = context.folder(*task)
        if not context.plans[task.arm].has_weights and folder.fingerprint.is_file():
            raise RunFolderError(
                f"{folder.root} holds a trained arm, and the recipe makes '{task.arm}' an "
                "ensemble. Give the ensemble another name, or another folder with `out`."
            )


def find_dropped(layout: RunLayout, plan: RunPlan) -> list[Task]:
    """Return the arms that have a folder in the run and are no longer in the recipe."""
    return [task for task in map(Task._make, layout.arms()) if task not in plan.tasks]


class FoundResult(NamedTuple):
    """The result of an arm that counts; else None and, where there is one, why it does not."""

    result: ArmResult | None
    why_anew: str = ""


def find_result(context: RunContext, task: Task) -> FoundResult:
    """Return the result of the arm that a folder holds now.

    One that is torn, was left by an ensemble of this name, or belongs to other weights does not
    count; neither does one whose predictions are gone or changed, or which another version of the
    evaluation code made.
    """
    folder = context.folder(*task)
    try:
        result = ArmResult.model_validate_json(folder.result.read_bytes())
        begun = BeginningRecord.read(folder)
    except FileNotFoundError:
        return FoundResult(None)
    except (OSError, ValueError, IntegrityError):
        return FoundResult(None, "its result cannot be read")
    if result.fingerprint != begun.fingerprint:
        return FoundResult(None, "its result is that of another model")
    if not has_recorded_checksum(context.layout.root, result):
        return FoundResult(None, "its predictions are gone, or changed after they were written")
    if result.evaluation_code != EVALUATION_CODE:
        return FoundResult(None, _describe_version(result.evaluation_code))
    return FoundResult(result)


def _describe_version(made: int | None) -> str:
    by = "an earlier version" if made is None else f"version {made}"
    return f"its result was made by {by} of the evaluation code, which is now {EVALUATION_CODE}"


@dataclass(frozen=True)
class Change:
    """Why an arm that was begun or finished is not the one that is asked for now.

    Attributes:
        reasons: in words.
        rescored: where the test texts alone changed, on which its weights do not depend, the
            fingerprint that it has once it is scored again; None if it must be trained again.
    """

    reasons: tuple[str, ...]
    rescored: Fingerprint | None = None

    @property
    def retrain(self) -> bool:
        """Whether its weights depend on what changed."""
        return self.rescored is None


def find_changes(context: RunContext, tasks: Iterable[Task]) -> dict[Task, Change]:
    """Compare what was begun or finished with what the recipe and the data ask for now.

    Args:
        context: plans and data as they are asked for.
        tasks: in the order in which they are made.
    """
    before = read_stored(context.layout.data)[0] if is_stored(context.layout.data) else None
    changes: dict[Task, Change] = {}
    for task in tasks:
        folder = context.folder(*task)
        if folder.fingerprint.is_file():
            change = _compare(context, task, folder, changes, before)
            if change is not None:
                changes[task] = change
    return changes


def _compare(
    context: RunContext,
    task: Task,
    folder: ArmLayout,
    changes: Mapping[Task, Change],
    before: Dataset | None,
) -> Change | None:
    if (torn := _find_torn(folder)) is not None:
        return Change((torn,))
    made = read_fingerprint(folder)
    needed, reasons = {}, []
    for parent in context.plan.tasks[task].parents:
        needed[parent] = made.parents.get(str(parent), "")
        if (why := _why_new(context, parent, changes)) is None:
            needed[parent] = TrainingRecord.read(context.folder(*parent)).identity
        elif str(parent) in made.parents:
            reasons.append(f"'{parent}', which it needs, {why}")
    wanted = take_fingerprint(context, task, needed)
    own = describe_change(made, wanted, before, context.data.dataset)
    if not own and not reasons:
        faults = _describe_weights(context, task, folder)
        return Change(faults) if faults else None
    only_test = made.model_copy(update={"data": wanted.data}) == wanted and all(
        made.data.get(name) == digest for name, digest in wanted.data.items() if name != "test"
    )
    rescored = only_test and not reasons and not _describe_weights(context, task, folder)
    return Change((*own, *reasons), wanted if rescored else None)


def _find_torn(folder: ArmLayout) -> str | None:
    """Name a file that should say what an arm was made from, or how, and cannot be read."""
    readers = ((folder.fingerprint, BeginningRecord.read), (folder.training, TrainingRecord.read))
    for path, read in readers:
        try:
            if path.is_file():
                read(folder)
        except IntegrityError:
            return f"its {path.name} is damaged"
    return None


def _why_new(context: RunContext, parent: Task, changes: Mapping[Task, Change]) -> str | None:
    if parent in changes and changes[parent].retrain:
        return "is trained again"
    if not context.folder(*parent).training.is_file():
        return "is not finished"
    return None


def _describe_weights(context: RunContext, task: Task, folder: ArmLayout) -> tuple[str, ...]:
    """Say what is wrong with the weights of an arm, if it was trained and anything is."""
    if not folder.training.is_file():
        return ("its weights on disk are damaged",) if folder.result.is_file() else ()
    fault = find_weights_fault(
        folder.model,
        TrainingRecord.read(folder).weights_sha256,
        context.plans[task.arm].architecture,
        context.data.dataset.label_names,
        multi_label=context.plan.multi_label,
    )
    return () if fault is None else (f"its weights on disk are {fault.what}",)


def list_changes(changes: Mapping[Task, Change]) -> list[str]:
    """Say of each arm what changed; arms with the same reasons share a line."""
    by_reason: dict[tuple[str, ...], list[Task]] = {}
    for task, change in changes.items():
        by_reason.setdefault(change.reasons, []).append(task)
    return [f"{name_tasks(tasks)}: {'; '.join(why)}" for why, tasks in by_reason.items()]


def refuse_changes(layout: RunLayout, changes: Mapping[Task, Change]) -> None:
    """Stop, and say of each arm what changed.

    Raises:
        RunFolderError: always.
    """
    lines = [f"  {line}" for line in list_changes(changes)]
    if len(lines) > _MOST_SHOWN:
        more = len(lines) - _MOST_SHOWN
        lines = [*lines[:_MOST_SHOWN], f"  and {more} more; `preview` lists them all"]
    listed = "\n".join(lines)
    scored = sum(not change.retrain for change in changes.values())
    again = f"trains these again ({len(changes) - scored})" if scored < len(changes) else ""
    if scored:
        again += f"{' and ' if again else ''}scores those again whose test texts alone changed"
    raise RunFolderError(
        f"{layout.root} holds arms that were made from something else:\n{listed}\n"
        f"`retrain_changed` {again}, and keeps the others. Or give another folder with `out`."
    )


def set_changed_aside(context: RunContext, changes: Mapping[Task, Change]) -> None:
    """Make way for the arms that no longer fit, so that they are made again.

    The run's results and report are deleted; ``renewal.json`` says which arms are being made again,
    until the run is finished. A trained arm moves to ``ArmLayout.replaced``, where it stays until
    ``delete_replaced``; one that was only begun is deleted.
    """
    trained = {task for task, change in changes.items() if change.retrain}
    note_renewal(context.layout, trained, set(changes) - trained)
    for path in (context.layout.results, context.layout.report, context.layout.root / "report.md"):
        path.unlink(missing_ok=True)
    for task, change in changes.items():
        folder = context.folder(*task)
        if change.rescored is None:
            _set_aside(folder)
            continue
        folder.result.unlink(missing_ok=True)
        folder.predictions.unlink(missing_ok=True)
        begun = BeginningRecord.read(folder)
        renewed = begun.model_copy(update={"fingerprint": change.rescored})
        write_atomic(folder.fingerprint, renewed.model_dump_json(indent=1))


def _set_aside(folder: ArmLayout) -> None:
    # what stands there already is of the last complete run: it is worth more than what came after
    if folder.training.is_file() and not folder.replaced.exists():
        folder.root.replace(folder.replaced)
    else:
        delete_folder(folder.root)


def delete_replaced(context: RunContext, tasks: Iterable[Task]) -> None:
    """Delete the models that were trained again, once the run is complete."""
    for task in tasks:
        if (replaced := context.folder(*task).replaced).is_dir():
            delete_folder(replaced)
