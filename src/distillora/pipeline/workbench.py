"""What the stages of one seed share: plans, data, folders, and the arms that are finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distillora.artifacts import ArmLayout, RunLayout
from distillora.models.backbones import load_classifier
from distillora.pipeline.plan import ArmPlan
from distillora.pipeline.prepare import PreparedData
from distillora.progress import Reporter


@dataclass(frozen=True)
class Workbench:
    """What every arm of one seed is made with."""

    plans: Mapping[str, ArmPlan]
    data: PreparedData
    layout: RunLayout
    seed: int
    reporter: Reporter

    def folder(self, name: str) -> ArmLayout:
        """Return the paths of an arm at this seed."""
        return self.layout.arm(name, self.seed)


def load_arm(bench: Workbench, name: str) -> Any:
    """Load a finished arm's model from disk."""
    return load_classifier(
        str(bench.folder(name).model),
        None,
        bench.data.corpus.label_names,
        multi_label=bench.data.recipe.multi_label,
    )
