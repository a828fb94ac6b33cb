"""The results of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from distillora.api.arm import Arm, flatten_run
from distillora.api.packages import require, require_training
from distillora.artifacts import RunLayout
from distillora.errors import InputError, RunFolderError, did_you_mean
from distillora.progress import Reporter

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from distillora.evaluation.results import Results as Record


class _UnknownArmError(InputError, KeyError):
    """The run has no arm of this name."""

    __str__ = Exception.__str__  # a KeyError's is in quotes


class _Arms(dict[str, Arm]):
    def __missing__(self, name: str) -> Arm:
        raise _UnknownArmError(f"The run has no arm '{name}'.{did_you_mean(str(name), self)}")


class Results:
    """The results of a finished run, from ``distillora.compare`` or ``distillora.open_run``.

    A notebook shows them as a table. They are read from ``results.json`` on first use and do not
    change afterwards.

    >>> import distillora as dl
    >>> results = dl.open_run("runs/tickets")
    >>> results.recommended.name, results.arms["odd"].metrics["f1_macro"]
    ('odd', 0.9134)

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._layout = RunLayout(self.folder)

    @cached_property
    def record(self) -> Record:
        """The content of ``results.json``, validated; its schema documents every field.

        Raises:
            RunFolderError: the file is missing, because the run is not finished.
            IntegrityError: the file is damaged, or has another schema version.
        """
        from distillora.evaluation.integrity import load_results

        return load_results(self._layout)

    @cached_property
    def arms(self) -> Mapping[str, Arm]:
        """Name -> arm, in the recipe's order, including baselines and ensembles.

        An unknown name raises an InputError that is a KeyError, too.
        """
        from distillora.report.summary import summarise

        return MappingProxyType(
            _Arms(
                (arm.name, Arm(self._layout, arm.name, arm.runs)) for arm in summarise(self.record)
            )
        )

    @property
    def recommended(self) -> Arm:
        """The arm that the report's verdict calls best; see ``distillora.report.verdict``.

        It is chosen on validation among the arms that can be exported. A teacher that is larger
        than all other arms does not compete.
        """
        from distillora.report.verdict import judge

        return self.arms[judge(self.record).best.name]

    @property
    def report(self) -> Path:
        """The path of ``report.html``, a self-contained file."""
        return self._layout.report

    def to_pandas(self) -> DataFrame:
        """Return a data frame with one row per arm and seed; a missing figure is NaN.

        Columns: ``arm``, ``seed``; its definition (``init``, ``tuning``, ``objective``,
        ``layers``); ``parameters`` and ``trainable`` (counts); quality as ``validation_...`` and
        ``test_...`` (shares in [0, 1], loss in nats, thresholds of 0.5 unless the name has
        ``tuned``); and cost, such as ``model_bytes``, ``training_seconds``, ``latency_ms`` (one
        text) and ``throughput`` (texts/s).

        Raises:
            InputError: pandas is missing.
        """
        require("train", "pandas")
        import pandas as pd

        frame = pd.DataFrame([flatten_run(run) for run in self.record.arms])
        figures = frame.columns.drop(["arm", "seed", "init", "tuning", "objective", "layers"])
        empty = [name for name in figures if frame[name].dtype == object]
        return frame.astype(dict.fromkeys(empty, float))

    def contrasts(self) -> DataFrame:
        """Return a data frame with one row per contrast of the recipe.

        ``difference`` is ``first`` minus ``second`` in ``metric`` on test, a share in [-1, 1], with
        the 95 % interval ``low`` to ``high``. ``p`` is raw, ``p_holm`` is corrected for all tested
        contrasts (Holm 1979), ``detectable`` is the minimum detectable difference; the last two are
        NaN for a contrast with too few seeds for a test. ``shown`` says whether the difference is
        shown.

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
        ).astype(dict.fromkeys(("difference", "low", "high", "p", "p_holm", "detectable"), float))

    def measure(self, *, progress: bool = True) -> Results:
        """Measure the speed of the models again, rewrite the report, and return the new results.

        Close other programs first: the results record if the machine was busy.

        Raises:
            RunFolderError: the run is in use, its models were not kept, or its files do not match
                its results.
        """
        require_training()
        from distillora.pipeline import measure_again

        measure_again(self.folder, Reporter(quiet=not progress))
        return Results(self.folder)

    def write_report(self, *, progress: bool = True) -> Path:
        """Write ``report.html`` and ``report.md`` again, and return the path of the former.

        Raises:
            RunFolderError: the run's files do not match its results.
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

    def __str__(self) -> str:
        """Return the table as plain text."""
        from rich.console import Console

        console = Console(width=120, color_system=None, force_terminal=False)
        with console.capture() as written:
            console.print(self)
        return written.get()

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
        RunFolderError: the folder is not that of a finished run.
        IntegrityError: its results are damaged, or have another schema version.
        InputError: packages are missing.
    """
    require_training()
    results = Results(folder)
    _check_folder(results.folder)
    _ = results.record
    return results


def _check_folder(path: Path) -> None:
    """Raise a RunFolderError for a file or a subfolder of a run, with the folder to give."""
    if (path / "results.json").is_file():
        return
    for folder in path.parents:
        if path.exists() and (folder / "results.json").is_file():
            raise RunFolderError(
                f"{path} is inside a run's folder. Give the run's folder instead: {folder}"
            )
    if path.is_file():
        raise RunFolderError(f"{path} is a file. Give the folder of a run.")
