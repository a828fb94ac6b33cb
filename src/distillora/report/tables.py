"""The tables of figures by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import rich.box
import rich.table
import rich.text

from distillora.data.labels import EKMAN
from distillora.evaluation.results import ArmResult, Results
from distillora.recipe import Published, PublishedArm
from distillora.report import columns, formats
from distillora.report.columns import Column, Measure
from distillora.report.formats import Cell, Table, Text
from distillora.report.seeds import most_seeds, over_seeds, seed_exceptions
from distillora.report.summary import ArmSummary, MaybeReader, labels_on_test, summarise
from distillora.report.timing import DAGGER, comparable_time, explain_marks, mark

RARE = 30
"""Labels with fewer test rows are rare: two rows change their F1 by several points."""

_LADDER_NOTE = (
    "From left to right: 0.5 for every label; one threshold for all labels, tuned on validation; "
    "the best threshold of each label on validation; the exported thresholds; their method, chosen "
    "by cross-validation within the validation split: exact (the column before), smoothed, or "
    "shrunk (smoothed, and moved towards the common threshold for rare labels); the best threshold "
    "of each label on test, which is an oracle and not a result."
)
_FROM_TEXT = " (a baseline: from the text, since it extracts the features itself)"
HOW_TO_READ = "★ marks the best of a column; ↑ higher is better, ↓ lower is better."


def quality_tables(results: Results) -> list[Table]:
    """Return the main table; for multi-label also the tables at 0.5 and at tuned thresholds."""
    arms = summarise(results)
    over = over_seeds(arms)
    main = f"Measured on the test split{over}"
    if results.data.task == "single_label":
        return [_arm_table(main, arms, _single_label_columns(results), HOW_TO_READ)]
    tables = [
        _arm_table(main, arms, columns.MULTI_LABEL, HOW_TO_READ),
        _arm_table(f"At a threshold of 0.5{over}", arms, columns.AT_HALF),
    ]
    if any(run.metrics.test.tuned for run in results.arms):
        caption = f"At one threshold per label, tuned on validation{over}"
        tables.append(_arm_table(caption, arms, columns.TUNED))
    if any(run.ladder for run in results.arms):
        caption = f"Macro F1 on test by method of setting the thresholds{over}"
        tables.append(_arm_table(caption, arms, columns.LADDER, _LADDER_NOTE))
    return tables


def label_note(results: Results) -> Text | None:
    """Explain which label counts if test texts have several; None if none has."""
    data = results.data
    test = data.audit.splits["test"]
    several = test.rows - test.labels_per_row.get(1, 0)
    if data.task == "multi_label" or not several:
        return None
    lowest = " (in GoEmotions, the one with the lowest number)" if _is_goemotions(results) else ""
    sentences = [
        f"Of the {test.rows:,} test texts, {several:,} ({several / test.rows:.1%}) have several "
        f"labels. In training and on test, only the first one listed counts{lowest}."
    ]
    if _measured_any_label(results):
        title = columns.ACCURACY_ANY_LABEL.title
        sentences.append(f"‘{title}’ accepts any label of the text.")
    return Text(" ".join(sentences))


def _single_label_columns(results: Results) -> Sequence[Column]:
    if not _measured_any_label(results):
        return columns.SINGLE_LABEL
    place = columns.SINGLE_LABEL.index(columns.ACCURACY) + 1
    before, after = columns.SINGLE_LABEL[:place], columns.SINGLE_LABEL[place:]
    return (*before, columns.ACCURACY_ANY_LABEL, *after)


def _measured_any_label(results: Results) -> bool:
    return any(run.metrics.test.accuracy_any_label is not None for run in results.arms)


def cost_table(results: Results) -> Table:
    """Return the cost of training, storing and running each arm."""
    arms = summarise(results)
    known = {run.cost.device for run in results.arms if run.cost.device is not None}
    devices = formats.name_list(sorted(known))
    note = (
        f"{HOW_TO_READ} Training time does not include the teacher’s time (its training and its "
        "outputs over the training texts), which is spent once for all arms that learn from it. "
        "One text: median time from tokens to logits, in a batch of one"
        f"{_FROM_TEXT if any(run.is_baseline for run in results.arms) else ''}. "
        f"Texts/s: the test split in batches.{f' Both measured on {devices}.' if devices else ''}"
    )
    caption = f"Cost of training, storing and running{over_seeds(arms)}"
    return _arm_table(caption, arms, columns.COST, note)


def origin_table(results: Results) -> Table:
    """Return how each arm was made."""
    return _arm_table("How each arm was made", summarise(results), columns.ORIGIN, words=True)


def label_table(results: Results) -> Table:
    """Return F1 on test by label and arm, with the most frequent label first."""
    arms = summarise(results)
    labels = labels_on_test(arms[0].first)
    rows = []
    for index in sorted(range(len(labels)), key=lambda i: -labels[i].support):
        measure = Measure("F1", _label_f1(index), "higher")
        support = labels[index].support
        mark = " (rare)" if support < RARE else ""
        facts = (Cell(labels[index].label + mark), Cell(formats.count(support)))
        rows.append((*facts, *measure.cells(arms)))
    header = ("Label", "Test rows", *(arm.name for arm in arms))
    caption = f"F1 of each label on the test split{over_seeds(arms)}"
    note = "★ marks the best arm."
    if any(label.support < RARE for label in labels):
        note += f" A rare label has fewer than {RARE} test rows, so its F1 is unreliable."
    return Table(caption, header, tuple(rows), note=note, folded=True)


def _is_goemotions(results: Results) -> bool:
    """Whether the texts are GoEmotions', with their labels grouped or not.

    The bundled sample has the same labels but is not GoEmotions.
    """
    data = results.data
    if results.recipe.get("data", {}).get("source") in ("table", "dataframe", "sample"):
        return False
    return data.taxonomy != "goemotions" or set(data.labels) == {*chain(*EKMAN.values())}


def _label_f1(index: int) -> MaybeReader:
    return lambda run: labels_on_test(run)[index].f1


def published_table(results: Results, published: Published) -> Table:
    """Return the figures of another study, each followed by ours of the same arm."""
    arms = {arm.name: arm for arm in summarise(results)}
    rows: list[tuple[Cell, ...]] = []
    for row in published.arms:
        rows.append(_published_cells(row))
        rows += _our_cells(arms.pop(row.arm, None))
    for arm in arms.values():
        rows += _our_cells(arm)
    header = ("Arm", "Source", *(c.heading for c in columns.ALSO_PUBLISHED))
    caption = "Published figures beside this run"
    return Table(caption, header, tuple(rows), _explain_marks("", rows))


def _published_cells(row: PublishedArm) -> tuple[Cell, ...]:
    losses = (row.accuracy, row.f1_weighted, row.validation_loss)
    shown = (row.arm, "published", *map(formats.ratio, losses))
    trained = columns.trainable_share(row.trainable, row.total)
    return tuple(Cell(text) for text in (*shown, trained, formats.clock(row.training_seconds)))


def _our_cells(arm: ArmSummary | None) -> list[tuple[Cell, ...]]:
    if arm is None:
        return []
    return [
        (Cell(arm.name), Cell("this run"), *(c.cells([arm])[0] for c in columns.ALSO_PUBLISHED))
    ]


def summary_table(results: Results) -> rich.table.Table:
    """Return the main figures for a terminal of 80 columns."""
    block = summary_block(results)
    shown = rich.table.Table(
        title=block.caption,
        caption=block.note,
        box=rich.box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    shown.add_column("Arm", overflow="fold", vertical="bottom")
    for column in _summary_columns(results):
        heading = column.title.replace(" ", "\n")
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in block.rows:
        shown.add_row(*map(_rich_text, row))
    return shown


def summary_block(results: Results) -> Table:
    """Return the main figures as a table."""
    arms = summarise(results)
    seeds = most_seeds(arms)
    upto = "up to " if seed_exceptions(arms) else ""
    title = "Test split" + (" at tuned thresholds" if _is_multi_label(results) else "")
    title += f", means over {upto}{seeds} seeds" if seeds > 1 else ""
    table = _arm_table(title, arms, _summary_columns(results))
    return replace(table, note=_caption(results, table.rows))


def _summary_columns(results: Results) -> Sequence[Measure]:
    return columns.TERMINAL_TUNED if _is_multi_label(results) else columns.TERMINAL


def _is_multi_label(results: Results) -> bool:
    return results.recipe.get("task") == "multi_label"


def _caption(results: Results, rows: Sequence[Sequence[Cell]]) -> str:
    """Explain the marks in the terminal's table briefly."""
    parts = ["★ best of the column"]
    if _explain_marks("", rows):
        parts.append(f"{DAGGER} not comparable: the machine was shared")
    if results.measurement is not None and results.measurement.busy:
        parts.append("ms/text measured on a busy machine")
    return "; ".join(parts)


def _rich_text(cell: Cell) -> rich.text.Text:
    return rich.text.Text(f"{cell.text} ★", "bold") if cell.best else rich.text.Text(cell.text)


def _arm_table(
    caption: str,
    arms: Sequence[ArmSummary],
    shown: Sequence[Column],
    note: str = "",
    words: bool = False,
) -> Table:
    names = [Cell(arm.name) for arm in arms]
    rows = tuple(zip(names, *(column.cells(arms) for column in shown), strict=True))
    header = ("Arm", *(column.heading for column in shown))
    return Table(caption, header, rows, _explain_marks(note, rows), words)


def _explain_marks(note: str, rows: Sequence[Sequence[Cell]]) -> str:
    return explain_marks(note, [cell.text for row in rows for cell in row[1:]])


def search_table(results: Results) -> Table | None:
    """Return the result and the cost of each layer search; None if there was none."""
    rows = tuple(
        _row(run, comparable_time(run, results)) for run in results.arms if run.search is not None
    )
    if not rows:
        return None
    header = ("Arm", "Seed", "Layers kept", "Choices measured", "Validation loss", "Time")
    note = (
        "Before the student was trained, layers were removed one at a time, always the one whose "
        "removal gives the lowest validation loss. The loss is that of the kept layers."
    )
    note = explain_marks(note, [row[-1].text for row in rows])
    return Table("Layer search", header, rows, note)


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
