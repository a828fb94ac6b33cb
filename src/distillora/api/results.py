"""A finished run: its arms, its figures, its report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from distillora.api.bundles import Bundle, export
from distillora.api.packages import require, require_training
from distillora.artifacts import RunLayout
from distillora.errors import InputError, RunFolderError
from distillora.progress import Reporter

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from distillora.evaluation.results import ArmResult
    from distillora.evaluation.results import Results as Record


class Arm:
    """One arm of a finished run, at all its seeds.

    Attributes:
        name: as in the recipe.
        runs: what was measured at each seed, as in ``results.json``.
    """

    def __init__(self, layout: RunLayout, name: str, runs: tuple[ArmResult, ...]) -> None:
        self.name = name
        self.runs = runs
        self._layout = layout

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds at which it was trained."""
        return tuple(run.seed for run in self.runs)

    @property
    def metrics(self) -> dict[str, float]:
        """Figures on the test split, means over the seeds: shares in [0, 1], and the loss in nats.

        Several labels: ``accuracy`` and F1 at the thresholds tuned on validation. What was not
        measured is left out.
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
        """The seed with the best validation figure: weighted F1, or average precision."""
        from distillora.report.summary import chosen_by

        return max(self.runs, key=chosen_by).seed

    def folder(self, seed: int | None = None) -> Path:
        """Return where it is, ``RUN/arms/ARM/seed-N``; of the best seed, if none is given.

        Raises:
            InputError: it was not trained at this seed.
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
        """Make a bundle of it.

        >>> import distillora as dl
        >>> dl.open_run("runs/tickets").arms["odd"].export("bundles/odd").manifest.origin.seed
        2

        Args:
            out: the folder of the bundle.
            seed: which of its models; by default the best one on validation.
            int8, int8_only, vocabulary, overwrite, force, license, progress: see
                ``distillora.export``.

        Raises:
            InputError: it was not trained at this seed.
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


class Results:
    """What a finished run measured; ``distillora.compare`` and ``distillora.open_run`` return it.

    In a notebook it is shown as a table. Figures are read from ``results.json`` when they are first
    asked for, and do not change afterwards.

    >>> import distillora as dl
    >>> results = dl.open_run("runs/tickets")
    >>> results.recommended.name, results.arms["odd"].metrics["f1_macro"]
    ('odd', 0.9134)

    Args:
        folder: of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._layout = RunLayout(self.folder)

    @cached_property
    def record(self) -> Record:
        """All of ``results.json``, validated; its schema documents every field.

        Raises:
            RunFolderError: there is none, since the run is not finished.
            IntegrityError: it is torn, or of another schema version.
        """
        from distillora.evaluation.intact import load_results

        return load_results(self._layout)

    @cached_property
    def arms(self) -> Mapping[str, Arm]:
        """Name -> arm, in the recipe's order; baselines and ensembles included."""
        from distillora.report.summary import summarise

        return MappingProxyType(
            {arm.name: Arm(self._layout, arm.name, arm.runs) for arm in summarise(self.record)}
        )

    @property
    def recommended(self) -> Arm:
        """The arm that the report's verdict names as the best: see ``distillora.report.verdict``.

        It is chosen on validation, among the arms that can ship; a teacher larger than all others
        does not compete.
        """
        from distillora.report.verdict import judge

        return self.arms[judge(self.record).best.name]

    @property
    def report(self) -> Path:
        """The path of ``report.html``, which needs no other file."""
        return self._layout.report

    def to_pandas(self) -> DataFrame:
        """Return a row for each arm at each seed; a figure that was not measured is NaN.

        Columns: ``arm``, ``seed``, what it is (``init``, ``tuning``, ``objective``, ``layers``),
        ``parameters`` and ``trainable`` (counts), quality as ``validation_...`` and ``test_...``
        (shares in [0, 1]; loss in nats; thresholds of 0.5 unless the name has ``tuned``), and cost:
        ``model_bytes``, ``training_seconds``, ``latency_ms`` (one text), ``throughput`` (texts/s).

        Raises:
            InputError: pandas is missing.
        """
        require("train", "pandas")
        import pandas as pd

        return pd.DataFrame([_flatten(run) for run in self.record.arms])

    def contrasts(self) -> DataFrame:
        """Return a row for each question that the recipe asks, with its answer.

        ``difference`` is ``first`` minus ``second`` in ``metric`` on test, a share in [-1, 1], with
        the 95 % interval ``low`` to ``high``; ``p`` is raw, ``p_holm`` corrected for all contrasts
        (Holm 1979), ``detectable`` the minimum detectable difference; both are NaN for a contrast
        with too few seeds to be tested. ``shown`` says whether the difference is shown.

        Raises:
            InputError: pandas is missing.
        """
        require("train", "pandas")
        import pandas as pd

        evidence = self.record.evidence
        rows = [] if evidence is None else [found.model_dump() for found in evidence.contrasts]
        return pd.DataFrame(
            [
                {
                    **{key: row[key] for key in ("first", "second", "question", "metric")},
                    "difference": row["difference"]["mean"],
                    **{key: row["difference"][key] for key in ("low", "high", "p")},
                    **{key: row[key] for key in ("p_holm", "detectable", "shown")},
                    **dict(zip(("seeds_first", "seeds_second"), row["seeds"], strict=True)),
                }
                for row in rows
            ],
            columns=list(_CONTRAST_COLUMNS),
        )

    def measure(self, *, progress: bool = True) -> Results:
        """Measure again how fast the models are, write the report anew, and return the results.

        Close what else is running first: the results say so if the machine was busy.

        Raises:
            RunFolderError: the run is in use, its models were not kept, or its folder holds
                something else than its results are about.
        """
        require_training()
        from distillora.pipeline import measure_again

        measure_again(self.folder, Reporter(quiet=not progress))
        return Results(self.folder)

    def write_report(self, *, progress: bool = True) -> Path:
        """Make ``report.html`` and ``report.md`` again, and return the path of the first.

        Raises:
            RunFolderError: the folder holds something else than its results are about.
        """
        require_training()
        from distillora.report import write_report

        return write_report(self.folder, Reporter(quiet=not progress).warn)

    def _repr_html_(self) -> str:
        from distillora.report.page import table_html
        from distillora.report.tables import summary_block

        return table_html(summary_block(self.record))

    def __rich__(self) -> Table:
        from distillora.report import summary_table

        return summary_table(self.record)

    def __repr__(self) -> str:
        return f"Results({str(self.folder)!r})"


_CONTRAST_COLUMNS = (
    *("first", "second", "question", "metric", "difference", "low", "high"),
    *("p", "p_holm", "detectable", "shown", "seeds_first", "seeds_second"),
)


def open_run(folder: str | Path) -> Results:
    """Open the folder of a finished run.

    >>> import distillora as dl
    >>> dl.open_run("runs/tickets").recommended.name
    'odd'

    Raises:
        RunFolderError: it is not the folder of a finished run.
        IntegrityError: its results are torn, or of another schema version.
        InputError: packages are missing.
    """
    require_training()
    results = Results(folder)
    _check_folder(results.folder)
    _ = results.record
    return results


def _check_folder(path: Path) -> None:
    """Refuse what stands in a run's folder in place of the folder.

    Raises:
        RunFolderError: it names the folder.
    """
    if (path / "results.json").is_file():
        return
    for folder in path.parents:
        if path.exists() and (folder / "results.json").is_file():
            raise RunFolderError(
                f"{path} is inside a run's folder. Give the folder itself: {folder}"
            )
    if path.is_file():
        raise RunFolderError(f"{path} is a file. Give the folder of a run.")


def _flatten(run: ArmResult) -> dict[str, object]:
    """Return the figures of an arm at a seed, one a column."""
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
