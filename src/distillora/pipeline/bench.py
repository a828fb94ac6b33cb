"""What every arm of a run is made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distillora.artifacts import ArmLayout, RunLayout
from distillora.data.corpus import Corpus
from distillora.data.extra_text import ExtraText
from distillora.data.stored import read_stored
from distillora.evaluation.results import Environment
from distillora.models.backbones import load_classifier
from distillora.pipeline.plan import ArmPlan, plan_arms
from distillora.pipeline.prepare import PreparedData
from distillora.progress import Reporter
from distillora.recipe import Recipe
from distillora.runtime import describe_environment, resolve_precision


@dataclass(frozen=True)
class Workbench:
    """What every arm of one seed is made with.

    ``environment`` describes this process as it was when it began.
    """

    plans: Mapping[str, ArmPlan]
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter
    environment: Environment

    def folder(self, name: str, seed: int | None = None) -> ArmLayout:
        """Return the paths of an arm, at this seed if no other is given."""
        return self.layout.arm(name, self.seed if seed is None else seed)

    def at(self, seed: int, reporter: Reporter | None = None) -> Workbench:
        """Return the same for another seed."""
        return replace(self, seed=seed, reporter=reporter or self.reporter)


def open_bench(recipe: Recipe, root: Path, reporter: Reporter, jobs: int = 1) -> Workbench:
    """Read the data that a run holds and work out its arms; the bench is for the first seed.

    Raises:
        IntegrityError: the data is missing or damaged.
    """
    layout = RunLayout(root)
    corpus, extra = read_stored(layout.data)
    return set_up_bench(recipe, layout, corpus, extra, reporter, jobs)


def set_up_bench(
    recipe: Recipe,
    layout: RunLayout,
    corpus: Corpus,
    extra: Mapping[Path, ExtraText],
    reporter: Reporter,
    jobs: int,
) -> Workbench:
    """Work out the arms of a recipe on its data; ``jobs`` of them are made at a time."""
    data = PreparedData(recipe, corpus, layout.tokens, extra)
    plans = plan_arms(recipe, corpus, extra)
    environment = describe_run_environment(recipe, jobs)
    return Workbench(plans, data, layout, recipe.seeds[0], reporter, environment)


def describe_run_environment(recipe: Recipe, jobs: int) -> Environment:
    """Describe what is about to compute: asked at the start, while the code is as it was loaded."""
    trained = [arm for arm in recipe.arms.values() if not arm.init.ensemble]
    wanted = {resolve_precision(arm.training.precision) for arm in trained}
    return Environment(**describe_environment(" and ".join(sorted(wanted))), jobs=jobs)


def load_arm(bench: Workbench, name: str, seed: int | None = None) -> Any:
    """Load a finished arm's model from disk, of this seed if no other is given."""
    return load_classifier(
        str(bench.folder(name, seed).model),
        None,
        bench.data.corpus.label_names,
        multi_label=bench.data.recipe.multi_label,
    )
