"""What has to be made: every arm at every one of its seeds, and the ensembles of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Task(NamedTuple):
    """One arm at one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Needs:
    """What must be finished before a task can begin.

    Attributes:
        origin: the arm whose layers and weights it starts from, if it starts from one.
        teachers: whose outputs it learns from.
    """

    origin: Task | None
    teachers: tuple[Task, ...]

    @property
    def parents(self) -> tuple[Task, ...]:
        """All of them, each once."""
        start = () if self.origin is None else (self.origin,)
        return tuple(dict.fromkeys([*start, *self.teachers]))


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
