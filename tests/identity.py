"""A finished run of four small arms, to copy and to continue; what tests of its identity share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from distillora.artifacts import ArmLayout, RunLayout
from distillora.errors import RunFolderError
from distillora.evaluation.results import ArmResult, Results
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from tiny import save_tiny_backbone, tiny_recipe_values, write_tiny_data

Values = dict[str, Any]
ARMS = frozenset({"teacher", "odd", "lora", "floor"})


@contextmanager
def quick_stages() -> Iterator[None]:
    """Leave out the charts, and measure each shape once: no test of identity is about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distillora.pipeline.run.write_report", lambda _: None)
        patch.setattr("distillora.pipeline.measure.ROUNDS", 1)
        patch.setattr("distillora.pipeline.measure.LATENCY_TEXTS", 1)
        yield


@dataclass
class Made:
    """A run with all that it was made from, in one folder: ``backbone``, ``other``, ``data``, ...

    ``odd`` learns from ``teacher``, also on ``extra.txt``; ``lora`` starts from ``other``, and
    ``floor`` is TF-IDF.
    """

    place: Path
    values: Values

    @property
    def arms(self) -> Values:
        return dict[str, Any](self.values["arms"])

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.place / "run")

    def run(self, *, retrain: bool = False, jobs: int = 1, out: Path | None = None) -> Results:
        recipe, folder = parse_recipe(self.values), out or self.place / "run"
        results = compare(recipe, folder, Reporter(quiet=True), jobs, retrain_changed=retrain)
        assert results is not None
        return results

    def refusal(self) -> str:
        """Return the message with which the run refuses to go on."""
        with pytest.raises(RunFolderError) as stop:
            self.run()
        assert stop.value.exit_code == 2
        return str(stop.value)

    def arm(self, name: str, seed: int = 0) -> ArmLayout:
        return self.layout.arm(name, seed)

    def files(self, name: str) -> dict[str, int]:
        """Map each file of an arm, at all its seeds, to the time at which it was written."""
        folder = self.place / "run" / "arms" / name
        return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}

    def rewrite(self, file: str, change: Callable[[list[str]], list[str]]) -> None:
        path = self.place / file
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    def fresh(self, names: frozenset[str]) -> Results:
        """Make arms, and those that they need, in a new folder."""
        needed = names | ({"teacher"} if "odd" in names else set())
        arms = {name: arm for name, arm in self.arms.items() if name in needed}
        return Made(self.place, self.values | {"arms": arms}).run(out=self.place / "fresh")


def make_run(place: Path) -> Made:
    """Train the four arms on 24 texts, from two backbones of two layers."""
    backbone = save_tiny_backbone(place / "backbone", num_hidden_layers=2)
    values = tiny_recipe_values(backbone, write_tiny_data(place / "data", rows=24))
    values["training"] |= {"epochs": 1}
    arms = values["arms"]
    del arms["hybrid"]
    arms["floor"] = {"init": {"baseline": "tfidf"}}
    other = save_tiny_backbone(place / "other", num_hidden_layers=2, initializer_range=0.03)
    arms["lora"]["init"]["backbone"] = str(other)
    (place / "extra.txt").write_text("".join(f"w{i} w{i + 1}\n" for i in range(20, 28)))
    arms["odd"]["objective"] |= {"extra_text": str(place / "extra.txt"), "teacher_seeds": "all"}
    arms["odd"]["objective"]["teacher_precision"] = "fp32"
    made = Made(place, values)
    made.run()
    return made


def copy_run(made: Made, place: Path) -> Made:
    """Copy a run with all that it was made from, to change at will."""
    shutil.copytree(made.place, place)
    for name in ("recipe.yaml", "results.json", "data/about.json"):
        path = place / "run" / name
        path.write_text(path.read_text().replace(str(made.place), str(place)))
    values = deepcopy(made.values)
    values["data"]["path"] = str(place / "data")
    values["arms"]["teacher"]["init"]["backbone"] = str(place / "backbone")
    values["arms"]["lora"]["init"]["backbone"] = str(place / "other")
    values["arms"]["odd"]["objective"]["extra_text"] = str(place / "extra.txt")
    return Made(place, values)


def change_words(rows: int) -> Callable[[list[str]], list[str]]:
    """Return what puts a word before the first texts of a file."""
    return lambda lines: [f"w9 {line}" if i < rows else line for i, line in enumerate(lines)]


def of(results: Results, name: str, seed: int = 0) -> ArmResult:
    return next(arm for arm in results.arms if (arm.name, arm.seed) == (name, seed))


def figures(results: Results) -> dict[tuple[str, int], tuple[float, str]]:
    return {(a.name, a.seed): (a.metrics.test.loss, a.weights_sha256) for a in results.arms}
