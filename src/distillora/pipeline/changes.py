"""What a run's folder holds, and whether recipe and data would still make the same."""

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
"""What a run that was killed at its start may have left."""


def check_folder(context: RunContext) -> None:
    """Refuse a folder that cannot hold the run.

    Raises:
        RunFolderError: it holds other files, a run of an earlier version, or a trained arm with
            the name of an ensemble.
    """
    _check_owner(context.layout)
    _check_ensembles(context)


def _check_owner(layout: RunLayout) -> None:
    """Refuse a folder that holds other files, or a run of an earlier version.

    Raises:
        RunFolderError: what it holds.
    """
    if layout.recipe.is_file():
        _refuse_older_run(layout)
    elif layout.root.is_dir() and any(path.name not in _OURS for path in layout.root.iterdir()):
        raise RunFolderError(
            f"{layout.root} holds other files but no run. Give an empty folder with `out`."
        )


def _refuse_older_run(layout: RunLayout) -> None:
    """Refuse a run without fingerprints.

    Raises:
        RunFolderError: it has none.
    """
    arms = [ArmLayout(path) for path in layout.root.glob("arms/*/seed-*")]
    # an ensemble has only results
    begun = [arm for arm in arms if arm.training.is_file() or arm.checkpoints.is_dir()]
    if all(arm.fingerprint.is_file() for arm in begun):
        return
    raise RunFolderError(
        f"{layout.root} holds a run of an earlier version, which did not record what its arms "
        "were made from. Whether they fit this command cannot be checked, so they are not reused. "
        "Give another folder with `out`, or delete this one."
    )


def _check_ensembles(context: RunContext) -> None:
    """Refuse an ensemble with the name of a trained arm.

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
    """Return the arms that have a folder in the run but are no longer in the recipe."""
    return [task for task in map(Task._make, layout.arms()) if task not in plan.tasks]


class FoundResult(NamedTuple):
    """The valid result of an arm; else None, and the reason if there is one on disk."""

    result: ArmResult | None
    why_again: str = ""


def find_result(context: RunContext, task: Task) -> FoundResult:
    """Return the result of an arm, if it is valid.

    It is not if it is torn, belongs to other weights or to an ensemble of this name, if its
    predictions are missing or changed, or if another version of the evaluation code made it.
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
        return FoundResult(None, "its result belongs to another model")
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
    """Why an arm on disk is not the one that the recipe asks for.

    Attributes:
        reasons: in words.
        rescored: if only the test texts changed, on which its weights do not depend, the
            fingerprint it gets when it is scored again; None if it must be retrained.
    """

    reasons: tuple[str, ...]
    rescored: Fingerprint | None = None

    @property
    def retrain(self) -> bool:
        """Whether its weights depend on what changed."""
        return self.rescored is None


def find_changes(context: RunContext, tasks: Iterable[Task]) -> dict[Task, Change]:
    """Compare the arms on disk with what the recipe and the data ask for.

    Args:
        context: plan and data as the recipe asks for them.
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
    """Name a record of an arm that cannot be read, or was changed; None if there is none."""
    readers = ((folder.fingerprint, BeginningRecord.read), (folder.training, TrainingRecord.read))
    for path, read in readers:
        try:
            if path.is_file():
                read(folder)
        except IntegrityError:
            return f"its {path.name} is damaged"
    if folder.training.is_file() and folder.fingerprint.is_file():
        trained = TrainingRecord.read(folder).fingerprint_sha256
        found = BeginningRecord.read(folder).fingerprint.weights_digest
        if trained not in (None, found):
            return f"its {folder.fingerprint.name} is not that of its training"
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
    """List what changed for each arm; arms with the same reasons share a line."""
    by_reason: dict[tuple[str, ...], list[Task]] = {}
    for task, change in changes.items():
        by_reason.setdefault(change.reasons, []).append(task)
    return [f"{name_tasks(tasks)}: {'; '.join(why)}" for why, tasks in by_reason.items()]


def refuse_changes(layout: RunLayout, changes: Mapping[Task, Change]) -> None:
    """Stop, and list what changed for each arm.

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
        f"{layout.root} contains arms whose settings, data or parents have changed:\n{listed}\n"
        f"`retrain_changed` {again}, and keeps the others. Or give another folder with `out`."
    )


def set_changed_aside(context: RunContext, changes: Mapping[Task, Change]) -> None:
    """Clear the folders of the arms that changed, so that they are made again.

    The run's results and report are deleted, and ``renewal.json`` lists the arms that are being
    made again until the run is finished. A trained arm moves to ``ArmLayout.replaced``, where it
    stays until ``delete_replaced``; one that was only begun is deleted.
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
        digest = change.rescored.weights_digest
        if folder.training.is_file() and begun.fingerprint.weights_digest != digest:
            # settings that were removed since are not in it any more
            record = TrainingRecord.read(folder).model_copy(update={"fingerprint_sha256": digest})
            write_atomic(folder.training, record.model_dump_json(indent=1))


def _set_aside(folder: ArmLayout) -> None:
    # a folder set aside earlier is from the last complete run, and worth more than a later one
    if folder.training.is_file() and not folder.replaced.exists():
        folder.root.replace(folder.replaced)
    else:
        delete_folder(folder.root)


def delete_replaced(context: RunContext, tasks: Iterable[Task]) -> None:
    """Delete the old models of retrained arms, once the run is complete."""
    for task in tasks:
        if (replaced := context.folder(*task).replaced).is_dir():
            delete_folder(replaced)
