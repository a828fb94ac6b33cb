"""What has to be made, and in which order: every arm at every seed."""

from __future__ import annotations

from typing import NamedTuple

from distillora.recipe import Recipe


class Task(NamedTuple):
    """One arm at one seed."""

    arm: str
    seed: int


def plan_tasks(recipe: Recipe) -> dict[Task, frozenset[Task]]:
    """Map each arm at each seed to what must be made before; in an order that keeps to that.

    An arm comes at all seeds before the next one does, for a student may learn from its teacher
    at all seeds. A baseline draws no random numbers, so it is made once, at the first seed. An
    ensemble is not made, only evaluated (:mod:`distillora.pipeline.ensembles`).
    """
    return {
        Task(name, seed): frozenset(_needs(recipe, name, seed))
        for name in recipe.arm_order()
        if not recipe.arms[name].init.ensemble
        for seed in (recipe.seeds[:1] if recipe.arms[name].init.baseline else recipe.seeds)
    }


def _needs(recipe: Recipe, name: str, seed: int) -> list[Task]:
    arm = recipe.arms[name]
    needs = [Task(other, seed) for other in arm.needs]
    return needs + [
        Task(other, s) for other in arm.teachers for s in teacher_seeds(recipe, name, seed)
    ]


def teacher_seeds(recipe: Recipe, name: str, seed: int) -> tuple[int, ...]:
    """Return the seeds of its teachers that an arm learns from."""
    return recipe.seeds if recipe.arms[name].objective.teacher_seeds == "all" else (seed,)
