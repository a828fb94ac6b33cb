"""Ensembles: arms that only average the logits of others, so nothing is made for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distillora.pipeline.schedule import Task, plan_tasks
from distillora.recipe import Recipe


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
