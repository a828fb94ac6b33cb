"""What every arm of a run is made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distillora.artifacts import ArmLayout, RunLayout
from distillora.models.backbones import load_classifier
from distillora.pipeline.plan import ArmPlan, plan_arms
from distillora.pipeline.prepare import PreparedData, read_data, read_extra_texts
from distillora.progress import Reporter
from distillora.recipe import Recipe


@dataclass(frozen=True)
class Workbench:
    """What every arm of one seed is made with."""

    plans: Mapping[str, ArmPlan]
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter

    def folder(self, name: str, seed: int | None = None) -> ArmLayout:
        """Return the paths of an arm, at this seed if no other is given."""
        return self.layout.arm(name, self.seed if seed is None else seed)

    def at(self, seed: int, reporter: Reporter | None = None) -> Workbench:
        """Return the same for another seed."""
        return replace(self, seed=seed, reporter=reporter or self.reporter)


def open_bench(recipe: Recipe, root: Path, reporter: Reporter) -> Workbench:
    """Read the data of a run and work out its arms; the bench is for the first seed."""
    _, corpus = read_data(recipe)
    extra = read_extra_texts(recipe, corpus)
    layout = RunLayout(root)
    data = PreparedData(recipe, corpus, layout.tokens, extra)
    return Workbench(plan_arms(recipe, corpus, extra), data, layout, recipe.seeds[0], reporter)


def load_arm(bench: Workbench, name: str, seed: int | None = None) -> Any:
    """Load a finished arm's model from disk, of this seed if no other is given."""
    return load_classifier(
        str(bench.folder(name, seed).model),
        None,
        bench.data.corpus.label_names,
        multi_label=bench.data.recipe.multi_label,
    )
