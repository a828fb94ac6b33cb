"""The charts of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from distillora.evaluation.results import AuditRecord, TaskType
from distillora.report import formats
from distillora.report.formats import Figure
from distillora.report.summary import ArmSummary, labels_on_test
from distillora.report.theme import arm_scales, colour, draw

MOST_LABELS = 40
_ROW = 22  # pixels: a line of text with air


def loss_figure(arms: Sequence[ArmSummary]) -> Figure | None:
    """Draw training and validation loss by epoch, one panel per arm; None without training."""
    trained = [arm for arm in arms if any(run.history for run in arm.runs)]
    if not trained:
        return None
    rows = [row for arm in trained for row in _loss_rows(arm)]
    ends = "; ".join(_last_losses(arm) for arm in trained)
    return Figure(
        "loss",
        "Loss by epoch",
        f"Line charts of training and validation loss by epoch, one for each arm. {ends}.",
        draw(_loss_chart(rows, [arm.name for arm in trained])),
        "The ring marks the epoch that was kept. Training loss is the arm’s own objective, so with "
        "distillation its scale differs from that of the validation loss on the labels. There is "
        "one line per seed.",
    )


def _loss_rows(arm: ArmSummary) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm.name,
            "run": f"{run.seed} {kind}",
            "epoch": epoch.epoch,
            "loss": loss,
            "kind": kind,
            "kept": kind == "Validation" and epoch.epoch == run.best_epoch,
        }
        for run in arm.runs
        for epoch in run.history
        for kind, loss in (("Training", epoch.train_loss), ("Validation", epoch.validation_loss))
    ]


def _last_losses(arm: ArmSummary) -> str:
    last = [run.history[-1] for run in arm.runs if run.history]
    train = np.mean([epoch.train_loss for epoch in last])
    validation = np.mean([epoch.validation_loss for epoch in last])
    return f"{arm.name} ends at {train:.3f} in training and {validation:.3f} on validation"


def _loss_chart(rows: list[dict[str, Any]], names: list[str]) -> alt.Chart:
    columns = 2 if len(names) in (2, 4) else min(3, len(names))
    losses = [row["loss"] for row in rows]
    # one domain for all panels, so that they can be compared
    scale = alt.Scale(domain=[min(losses), max(losses)], padding=10)
    panels = [
        _loss_panel(name, [row for row in rows if row["arm"] == name], scale).properties(
            width=620 / columns, height=160
        )
        for name in names
    ]
    return alt.concat(*panels, columns=columns)


def _loss_panel(name: str, rows: list[dict[str, Any]], scale: alt.Scale) -> alt.Chart:
    kinds = ["Training", "Validation"]
    colours = alt.Scale(domain=kinds, range=[colour("muted"), colour("accent")])
    dashes = alt.Scale(domain=kinds, range=[[5, 4], [1, 0]])
    legend = alt.Legend(symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=500)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("epoch:Q", title="Epoch", axis=_epoch_axis(rows), scale=alt.Scale(padding=10)),
        y=alt.Y("loss:Q", title="Loss", scale=scale),
        color=alt.Color("kind:N", scale=colours, legend=legend),
        detail="run:N",
    )
    lines = base.mark_line(strokeWidth=2.2).encode(
        strokeDash=alt.StrokeDash("kind:N", scale=dashes)
    )
    points = base.mark_point(filled=True, size=34, opacity=1)
    kept = base.mark_point(size=150, strokeWidth=2, opacity=1).transform_filter("datum.kept")
    return alt.layer(lines, points, kept, title=_panel_title(name))


def _epoch_axis(rows: list[dict[str, Any]]) -> alt.Axis:
    last = max(row["epoch"] for row in rows)
    ticks = list(range(1, last + 1, math.ceil(last / 6)))
    return alt.Axis(values=ticks, format="d", grid=False)


def label_figure(arms: Sequence[ArmSummary]) -> Figure:
    """Draw F1 by label and arm, with the most frequent label at the top."""
    labels = labels_on_test(arms[0].first)
    order = sorted(range(len(labels)), key=lambda i: -labels[i].support)[:MOST_LABELS]
    names = [f"{labels[i].label} · {formats.count(labels[i].support)}" for i in order]
    rows = [
        {"label": name, "arm": arm.name, "f1": _label_f1(arm, i)}
        for name, i in zip(names, order, strict=True)
        for arm in arms
    ]
    best = max(order, key=lambda i: max(_label_f1(arm, i) for arm in arms))
    alt_text = (
        f"Dot chart of F1 for {len(order)} labels and {len(arms)} arms. The label with the highest "
        f"F1 is {labels[best].label}. All values are in the table below."
    )
    note = "Labels are sorted by their test rows, shown next to them." + _cut_off(len(labels))
    chart = _label_chart(rows, names, [arm.name for arm in arms])
    return Figure("f1-by-label", "F1 of each label", alt_text, draw(chart), note)


def _label_f1(arm: ArmSummary, index: int) -> float:
    return arm.mean(lambda run: labels_on_test(run)[index].f1)


def _label_chart(rows: list[dict[str, Any]], labels: list[str], arms: list[str]) -> alt.Chart:
    colours, shapes = arm_scales(arms)
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(ticks=False, labelPadding=8))
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    span = base.mark_rule(color=colour("line"), strokeWidth=5).encode(
        x=alt.X("min(f1):Q", scale=scale), x2="max(f1):Q"
    )
    dots = base.mark_point(filled=True, size=75, opacity=0.92).encode(
        x=alt.X("f1:Q", title="F1 on test", scale=scale, axis=alt.Axis(orient="top", tickCount=5)),
        color=alt.Color("arm:N", scale=colours),
        shape=alt.Shape("arm:N", scale=shapes),
    )
    return (span + dots).properties(width=540, height=_ROW * len(labels))


def confusion_figure(arm: ArmSummary, labels: Sequence[str], task: TaskType) -> Figure | None:
    """Draw an arm's confusion matrix, as shares of each class's rows.

    Counts are summed over the seeds. None for older results without counts.
    """
    counted = [np.array(run.confusions) for run in arm.runs if run.confusions is not None]
    if len(counted) < len(arm.runs):
        return None
    counts = np.sum(counted, axis=0)
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_LABELS]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    of = "true class" if task == "single_label" else "first label of a text"
    note = (
        f"Rows: {of}, the most frequent at the top. Columns: the most probable label. "
        "Each cell is a share of its row in per cent; empty cells are 0."
    )
    if task == "multi_label":
        note += " Other labels of a text and thresholds are not used."
    return Figure(
        "confusion",
        f"Confusions of ‘{arm.name}’",
        f"Heat map of {of} against the most probable label. {_worst_confusions(shares, labels)}",
        draw(_confusion_chart(shares[np.ix_(order, order)], [labels[i] for i in order])),
        note + _cut_off(len(labels)),
    )


def _worst_confusions(shares: npt.NDArray[np.float64], labels: Sequence[str]) -> str:
    off = shares.copy()
    np.fill_diagonal(off, 0)
    cells = np.dstack(np.unravel_index(np.argsort(-off, axis=None)[:3], off.shape))[0]
    told = [
        f"{labels[true]} as {labels[seen]} ({off[true, seen]:.0%})"
        for true, seen in cells
        if off[true, seen]
    ]
    return (
        f"Most often confused: {formats.name_list(told)}." if told else "There are no confusions."
    )


def _confusion_chart(shares: npt.NDArray[np.float64], labels: list[str]) -> alt.Chart:
    cell = float(np.clip(640 / len(labels), 23, 56))
    rows = [
        {"true": labels[i], "seen": labels[j], "share": float(shares[i, j]),
         "text": f"{100 * shares[i, j]:.0f}" if shares[i, j] >= 0.005 else ""}
        for i, j in np.argwhere(shares > 0)
    ]  # fmt: skip
    domain = alt.Scale(domain=labels, paddingInner=0.06)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("seen:N", scale=domain, title="Most probable label",
                axis=alt.Axis(labelAngle=-60, ticks=False, domain=False, orient="top")),
        y=alt.Y("true:N", scale=domain, title="Truth", axis=alt.Axis(ticks=False, domain=False)),
    )  # fmt: skip
    opacity = alt.FillOpacity(
        "share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.05, 1])
    )
    fields = base.mark_rect(fill=colour("accent"), cornerRadius=2).encode(fillOpacity=opacity)
    words = base.mark_text(fontSize=10.5).encode(
        text="text:N",
        color=alt.condition(
            "datum.share > 0.5", alt.value(colour("on-accent")), alt.value(colour("ink"))
        ),
    )
    return (fields + words).properties(width=cell * len(labels), height=cell * len(labels))


def class_figure(audit: AuditRecord) -> Figure:
    """Draw the number of rows with each label, by split."""
    splits = list(audit.splits)
    main = audit.splits[splits[0]].class_counts
    labels = sorted(audit.labels, key=lambda label: -main.get(label, 0))[:MOST_LABELS]
    rows = [
        {"split": name, "label": label, "rows": split.class_counts.get(label, 0)}
        for name, split in audit.splits.items()
        for label in labels
    ]
    ends = " to ".join(f"{label} ({main.get(label, 0):,})" for label in (labels[0], labels[-1]))
    return Figure(
        "labels",
        "Rows of each label",
        f"Bar charts of rows by label for {formats.name_list(splits)}; in {splits[0]} from {ends}.",
        draw(_class_chart(rows, labels, splits)),
        "All labels of a text are counted. Each split has its own scale."
        + _cut_off(len(audit.labels)),
    )


def _class_chart(rows: list[dict[str, Any]], labels: list[str], splits: list[str]) -> alt.Chart:
    def panel(split: str, first: bool) -> alt.Chart:
        axis = alt.Axis(ticks=False, domain=False, labelPadding=8) if first else None
        own = [row for row in rows if row["split"] == split]
        most = max(row["rows"] for row in own) or 1
        base = alt.Chart(alt.Data(values=own), title=_panel_title(split)).encode(
            x=alt.X("rows:Q", axis=None, scale=alt.Scale(domain=[0, most * 1.32])),
            y=alt.Y("label:N", sort=labels, title=None, axis=axis, scale=alt.Scale(padding=0.2)),
        )
        bars = base.mark_bar(color=colour("accent"), opacity=0.85)
        text = base.mark_text(align="left", dx=5, fontSize=11, color=colour("muted"))
        counts = text.encode(text=alt.Text("rows:Q", format=","))
        return (bars + counts).properties(width=185, height=_ROW * len(labels))

    return alt.hconcat(*(panel(s, s == splits[0]) for s in splits), spacing=14)


def _panel_title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", frame="group", fontSize=13, color=colour("ink"))


def _cut_off(n_labels: int) -> str:
    if n_labels <= MOST_LABELS:
        return ""
    return f" Only the {MOST_LABELS} most frequent of {n_labels} labels are shown."
