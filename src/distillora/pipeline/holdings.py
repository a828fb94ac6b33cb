"""What a run's folder holds: whether it is a run's at all, what is finished, what is left over."""

from __future__ import annotations

from distillora.artifacts import ArmLayout, RunLayout
from distillora.errors import RunFolderError
from distillora.pipeline.bench import Workbench
from distillora.pipeline.ensembles import plan_ensembles
from distillora.pipeline.schedule import Task, plan_tasks
from distillora.recipe import Recipe

_OURS = (".lock", "data")
"""What a run that was killed at its very beginning may have left."""


def check_holdings(bench: Workbench) -> None:
    """Refuse a folder that the recipe's run cannot go into.

    Raises:
        RunFolderError: it holds something else than a run, a run of an earlier version, or an arm
            under the name of an ensemble.
    """
    _check_folder(bench.layout)
    _check_ensembles(bench)


def _check_folder(layout: RunLayout) -> None:
    """Refuse a folder that holds something else than a run, or a run of an earlier version.

    Raises:
        RunFolderError: what it holds.
    """
    if layout.recipe.is_file():
        _refuse_older_run(layout)
    elif layout.root.is_dir() and any(path.name not in _OURS for path in layout.root.iterdir()):
        raise RunFolderError(
            f"{layout.root} holds other files and no run. Give an empty folder with --out."
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
        "Give another folder with --out, or delete this one."
    )


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


def find_dropped(layout: RunLayout, recipe: Recipe) -> list[Task]:
    """Return the arms that have a folder in the run and are no longer in the recipe."""
    made = {*plan_tasks(recipe)}
    made |= {Task(plan.name, seed) for plan in plan_ensembles(recipe) for seed in plan.members}
    return [task for task in map(Task._make, layout.arms()) if task not in made]
