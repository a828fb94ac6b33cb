"""What has to be made, and in which order: every arm at every one of its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    at all seeds. An ensemble is not made, only evaluated (:mod:`distillora.pipeline.tasks`).
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


@dataclass(frozen=True)
class EnsemblePlan:
    """One ensemble, worked out.

    Attributes:
        name: as in the recipe.
        arms: whose logits it averages.
        all_seeds: whether at all of their seeds; else at one seed each time.
        members: for each seed at which it is evaluated, the models that it averages.
    """

    name: str
    arms: tuple[str, ...]
    all_seeds: bool
    members: Mapping[int, tuple[Task, ...]]

    def describe(self) -> str:
        """One line on what it averages."""
        seeds = ", all seeds" if self.all_seeds else ", of one seed"
        return f"mean of the logits of {' and '.join(self.arms)}{seeds}"


def plan_ensembles(recipe: Recipe) -> tuple[EnsemblePlan, ...]:
    """Work out every ensemble of a recipe.

    One of all seeds is evaluated once, at the run's first seed; one of ``own`` seeds at each seed
    at which all of its arms are made.
    """
    made = plan_tasks(recipe)
    return tuple(
        _plan_ensemble(name, arm.init.ensemble, arm.init.ensemble_seeds == "all", recipe, [*made])
        for name, arm in recipe.arms.items()
        if arm.init.ensemble
    )


def _plan_ensemble(
    name: str, arms: tuple[str, ...], all_seeds: bool, recipe: Recipe, made: list[Task]
) -> EnsemblePlan:
    members = [task for arm in arms for task in made if task.arm == arm]
    if all_seeds:
        return EnsemblePlan(name, arms, all_seeds, {recipe.seeds[0]: tuple(members)})
    by_seed = {
        seed: tuple(task for task in members if task.seed == seed)
        for seed in dict.fromkeys(task.seed for task in members)
    }
    complete = {seed: own for seed, own in by_seed.items() if len(own) == len(arms)}
    return EnsemblePlan(name, arms, all_seeds, complete)
