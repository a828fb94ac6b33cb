"""How layers were searched, as a table."""

from __future__ import annotations

from distillora.evaluation.results import ArmResult, Results
from distillora.report import formats
from distillora.report.blocks import Cell, Table
from distillora.report.timing import comparable_time, explain_marks, mark


def search_table(results: Results) -> Table | None:
    """Return what each search for layers found and cost; None if there was none."""
    rows = tuple(
        _row(run, comparable_time(run, results)) for run in results.arms if run.search is not None
    )
    if not rows:
        return None
    header = ("Arm", "Seed", "Layers kept", "Choices measured", "Their loss on validation", "Time")
    note = (
        "Layers were dropped one by one, each time the one without which the loss on validation is "
        "least, before any training of the student. The loss is that of what was left."
    )
    note = explain_marks(note, [row[-1].text for row in rows])
    return Table("Layers that were searched", header, rows, note)


def _row(run: ArmResult, comparable: bool) -> tuple[Cell, ...]:
    assert run.search is not None
    loss = {tried.layers: tried.loss for tried in run.search.tried}.get(run.layers)
    return (
        Cell(run.name),
        Cell(str(run.seed)),
        Cell(formats.layer_list(run.layers)),
        Cell(formats.count(len(run.search.tried))),
        Cell() if loss is None else Cell(f"{loss:.3f}"),
        Cell(mark(formats.clock(run.search.seconds), comparable)),
    )
