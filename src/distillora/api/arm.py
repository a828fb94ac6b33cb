"""One arm of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from distillora.api.bundles import Bundle, export
from distillora.artifacts import RunLayout
from distillora.errors import InputError

if TYPE_CHECKING:
    from distillora.evaluation.results import ArmResult


class Arm:
    """One arm of a finished run, at all its seeds.

    Attributes:
        name: the arm's name in the recipe.
        runs: its results at each seed, as in ``results.json``.
    """

    def __init__(self, layout: RunLayout, name: str, runs: tuple[ArmResult, ...]) -> None:
        self.name = name
        self.runs = runs
        self._layout = layout

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds at which the arm was trained."""
        return tuple(run.seed for run in self.runs)

    @property
    def metrics(self) -> dict[str, float]:
        """Test metrics, means over the seeds: shares in [0, 1], and the loss in nats.

        For multi-label tasks, ``accuracy`` and F1 are at the thresholds tuned on validation.
        Metrics that were not measured are left out.
        """
        from distillora.report.summary import ArmSummary, operating_point

        summary = ArmSummary(self.name, self.runs)
        means = {
            "accuracy": summary.known(lambda run: operating_point(run.metrics.test).accuracy),
            "f1_weighted": summary.known(lambda run: operating_point(run.metrics.test).f1_weighted),
            "f1_macro": summary.known(lambda run: operating_point(run.metrics.test).f1_macro),
            "average_precision": summary.known(lambda run: run.metrics.test.average_precision),
            "loss": summary.known(lambda run: run.metrics.test.loss),
            "calibration_error": summary.known(lambda run: run.metrics.test.calibration_error),
        }
        return {name: mean for name, mean in means.items() if mean is not None}

    @property
    def best_seed(self) -> int:
        """The seed with the best weighted F1 (multi-label: average precision) on validation."""
        from distillora.report.summary import chosen_by

        return max(self.runs, key=chosen_by).seed

    def folder(self, seed: int | None = None) -> Path:
        """Return the arm's folder at a seed, by default the best one: ``RUN/arms/ARM/seed-N``.

        Raises:
            InputError: the arm was not trained at this seed.
        """
        chosen = self.best_seed if seed is None else seed
        if chosen not in self.seeds:
            raise InputError(
                f"'{self.name}' was not trained at seed {chosen}. "
                f"Its seeds: {', '.join(map(str, self.seeds))}."
            )
        return self._layout.arm(self.name, chosen).root

    def export(
        self,
        out: str | Path,
        *,
        int8: bool = True,
        int8_only: bool = False,
        seed: int | None = None,
        vocabulary: int | None = None,
        overwrite: bool = False,
        force: bool = False,
        license: str | None = None,
        progress: bool = True,
    ) -> Bundle:
        """Export the arm as a bundle.

        >>> import distillora as dl
        >>> dl.open_run("runs/tickets").arms["odd"].export("bundles/odd").manifest.origin.seed
        2

        Args:
            out: the folder of the bundle.
            seed: which model to export; by default the best one on validation.
            int8, int8_only, vocabulary, overwrite, force, license, progress: see
                ``distillora.export``.

        Raises:
            InputError: the arm was not trained at this seed.
            ExportError, RunFolderError, IntegrityError: see ``distillora.export``.
        """
        return export(
            self.folder(seed),
            out,
            int8=int8,
            int8_only=int8_only,
            vocabulary=vocabulary,
            overwrite=overwrite,
            force=force,
            license=license,
            progress=progress,
        )

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={value:.4f}" for name, value in self.metrics.items())
        return f"Arm({self.name!r}, seeds={list(self.seeds)}, {figures})"


def flatten_run(run: ArmResult) -> dict[str, object]:
    """Return the figures of an arm at a seed as column -> value."""
    quality = {
        f"{name}_{key}": value
        for name, split in (("validation", run.metrics.validation), ("test", run.metrics.test))
        for key, value in split.model_dump(exclude={"per_label", "tuned"}).items()
    }
    if run.metrics.test.tuned is not None:
        tuned = run.metrics.test.tuned.model_dump(exclude={"per_label"})
        quality |= {f"test_tuned_{key}": value for key, value in tuned.items()}
    return {
        "arm": run.name,
        **run.model_dump(include={"seed", "init", "tuning", "objective", "layers"}),
        "parameters": run.parameters.total,
        "trainable": run.parameters.trainable,
        **quality,
        **run.cost.model_dump(exclude={"shape", "device"}),
    }
