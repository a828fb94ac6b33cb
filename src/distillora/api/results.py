"""A finished run: its arms, its figures, its report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from distillora.api.arm import Arm, flatten_run
from distillora.api.packages import require, require_training
from distillora.artifacts import RunLayout
from distillora.errors import RunFolderError
from distillora.progress import Reporter

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from distillora.evaluation.results import Results as Record


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
        from distillora.evaluation.integrity import load_results

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

        return pd.DataFrame([flatten_run(run) for run in self.record.arms])

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

    def __str__(self) -> str:
        """Write the table as plain text."""
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
    """Refuse a file or subfolder of a run, given instead of the run's folder.

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
