"""What a run's folder holds: whether it is a run's at all, what is finished, what is left over."""

from __future__ import annotations

from typing import NamedTuple

from distillora.artifacts import ArmLayout, RunLayout
from distillora.errors import IntegrityError, RunFolderError
from distillora.evaluation.predictions import has_recorded_checksum
from distillora.evaluation.results import ArmResult
from distillora.pipeline.context import RunContext, RunPlan, Task
from distillora.pipeline.fingerprint import EVALUATION_CODE
from distillora.pipeline.records import BeginningRecord

_OURS = (".lock", "data")
"""What a run that was killed at its very beginning may have left."""


def check_holdings(context: RunContext) -> None:
    """Refuse a folder that the recipe's run cannot go into.

    Raises:
        RunFolderError: it holds something else than a run, a run of an earlier version, or an arm
            under the name of an ensemble.
    """
    _check_folder(context.layout)
    _check_ensembles(context)


def _check_folder(layout: RunLayout) -> None:
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
