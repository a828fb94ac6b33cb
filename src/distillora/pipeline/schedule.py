"""What has to be made, and in which order: every arm at every one of its seeds."""

from __future__ import annotations

from typing import NamedTuple

from distillora.recipe import Recipe


class Task(NamedTuple):
    """One arm at one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"


def plan_tasks(recipe: Recipe) -> dict[Task, frozenset[Task]]:
    """Map each arm at each seed to what must be made before; in an order that keeps to that.

    An arm comes at all seeds before the next one does, for a student may learn from its teacher
    at all seeds. An ensemble is not made, only evaluated (:mod:`distillora.pipeline.ensembles`).
    """
    return {
        Task(name, seed): frozenset(parents(recipe, name, seed))
        for name in recipe.arm_order()
        if not recipe.arms[name].init.ensemble
        for seed in recipe.seeds_of(name)
    }


def parents(recipe: Recipe, name: str, seed: int) -> tuple[Task, ...]:
    """Return what an arm starts from and learns from, each once."""
    origin = recipe.arms[name].init.arm
    start = [] if origin is None else [Task(origin, recipe.parent_seed(origin, seed))]
    return tuple(dict.fromkeys([*start, *teachers(recipe, name, seed)]))


def teachers(recipe: Recipe, name: str, seed: int) -> tuple[Task, ...]:
    """Return whose outputs an arm learns from: arms at its own seed, or at all of theirs."""
    arm = recipe.arms[name]
    return tuple(
        Task(other, own)
        for other in arm.teachers
        for own in (
            recipe.seeds_of(other)
            if arm.objective.teacher_seeds == "all"
            else (recipe.parent_seed(other, seed),)
        )
    )
