"""The columns of the tables of arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from distillora.evaluation.results import ArmResult, Ladder, Rung, TunedMetrics
from distillora.report import formats
from distillora.report.formats import MISSING, Cell
from distillora.report.summary import (
    ArmSummary,
    MaybeReader,
    Spread,
    latency,
    model_bytes,
    training_seconds,
)
from distillora.report.timing import mark

Better = Literal["higher", "lower", "neither"]
_ARROWS = {"higher": "\N{NO-BREAK SPACE}↑", "lower": "\N{NO-BREAK SPACE}↓", "neither": ""}


class Column(Protocol):
    """One column of a table of arms."""

    @property
    def heading(self) -> str:
        """The column's title."""

    def cells(self, arms: Sequence[ArmSummary]) -> list[Cell]:
        """Return one cell per arm."""


@dataclass(frozen=True)
class Fact:
    """A column for a property of an arm that does not depend on the seed."""

    heading: str
    tell: Callable[[ArmResult], str]

    def cells(self, arms: Sequence[ArmSummary]) -> list[Cell]:
        """Return one cell per arm."""
        return [Cell(self.tell(arm.first) or MISSING) for arm in arms]


@dataclass(frozen=True)
class SeedFact(Fact):
    """A column for a property that may depend on the seed: each value once, in seed order."""

    def cells(self, arms: Sequence[ArmSummary]) -> list[Cell]:
        """Return one cell per arm."""
        told = [dict.fromkeys(filter(None, map(self.tell, arm.runs))) for arm in arms]
        return [Cell(", ".join(values) or MISSING) for values in told]


@dataclass(frozen=True)
class Measure:
    """A column for a measured figure: the mean over the seeds and the standard deviation.

    ``compares`` says whether an arm's figure is comparable with those of others. One that is not
    gets a mark and is never the best. Neither is an ensemble, which cannot be exported.
    """

    title: str
    read: MaybeReader
    better: Better
    show: Callable[[float], str] = formats.ratio
    compares: Callable[[ArmSummary], bool] = lambda arm: True

    @property
    def heading(self) -> str:
        """The title, with an arrow that shows which values are better."""
        return self.title + _ARROWS[self.better]

    def cells(self, arms: Sequence[ArmSummary]) -> list[Cell]:
        """Return one cell per arm; figures that look equal share the mark, unless all do."""
        best = self._best([arm for arm in arms if self._competes(arm)])
        return [self._cell(arm, best) for arm in arms]

    def _competes(self, arm: ArmSummary) -> bool:
        return self.compares(arm) and not arm.first.is_ensemble

    def _best(self, arms: Sequence[ArmSummary]) -> str | None:
        means = [mean for arm in arms if (mean := arm.known(self.read)) is not None]
        if self.better == "neither" or len({self.show(mean) for mean in means}) < 2:
            return None
        return self.show(max(means) if self.better == "higher" else min(means))

    def _cell(self, arm: ArmSummary, best: str | None) -> Cell:
        spread = arm.spread(self.read)
        if spread is None:
            return Cell()
        text = self.show(spread.mean)
        is_best = text == best and self._competes(arm)
        return Cell(mark(text, self.compares(arm)), self._deviation(spread), is_best)

    def _deviation(self, spread: Spread) -> str:
        return f"± {self.show(spread.deviation)}" if spread.deviation else ""


def trainable_share(trainable: int, total: int) -> str:
    """Format both parameter counts and the share that was trained.

    >>> trainable_share(759580, 67734584).replace("\\N{NO-BREAK SPACE}", " ")
    '759,580 of 67,734,584 (1.12%)'
    """
    share = "100%" if trainable == total else f"{trainable / total:.2%}"
    return f"{trainable:,}\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}{total:,} ({share})"


def _tuned(title: str, read: Callable[[TunedMetrics], float], better: Better) -> Measure:
    """Return a column of figures at tuned thresholds, empty for arms without them."""

    def read_run(run: ArmResult) -> float | None:
        tuned = run.metrics.test.tuned
        return None if tuned is None else read(tuned)

    return Measure(title, read_run, better)


def _rung(title: str, read: Callable[[Ladder], Rung], better: Better = "higher") -> Measure:
    """Return a column of macro F1 for one method of setting thresholds."""

    def read_run(run: ArmResult) -> float | None:
        return None if run.ladder is None else read(run.ladder).f1_macro

    return Measure(title, read_run, better)


def threshold_method(run: ArmResult) -> str:
    """Return the method of an arm's thresholds; empty if it has none."""
    # older results do not name the method: all were shrunk
    return run.threshold_method or ("shrunk" if run.ladder else "")


def _tell_objective(run: ArmResult) -> str:
    precision = run.teacher_precision
    return run.objective + (f", teacher’s outputs in {precision}" if precision else "")


_LAYERS = Fact("Layers kept", lambda run: formats.layer_list(run.layers))
ACCURACY = Measure("Accuracy", lambda run: run.metrics.test.accuracy, "higher")
ACCURACY_ANY_LABEL = Measure(
    "Accuracy, any label", lambda run: run.metrics.test.accuracy_any_label, "higher"
)
_WEIGHTED = Measure("Weighted F1", lambda run: run.metrics.test.f1_weighted, "higher")
_MACRO = Measure("Macro F1", lambda run: run.metrics.test.f1_macro, "higher")
_VALIDATION_LOSS = Measure("Validation loss", lambda run: run.metrics.validation.loss, "lower")
_TEST_LOSS = Measure("Test loss", lambda run: run.metrics.test.loss, "lower")
_TRAINABLE = Fact(
    "Trainable parameters",
    lambda run: trainable_share(run.parameters.trainable, run.parameters.total),
)
_TIME = Measure(
    "Training time", training_seconds, "lower", formats.clock, lambda arm: arm.comparable_time
)
_TEACHERS_TIME = Measure(
    "Teacher’s time",
    lambda run: run.cost.teacher_seconds,
    "neither",
    formats.clock,
    lambda arm: arm.comparable_before,
)
_TRAINED = Measure(
    "Trained texts/s",
    lambda run: run.cost.examples_per_second,
    "higher",
    formats.short,
    lambda arm: arm.comparable_time,
)
_SIZE = Measure("Model on disk", model_bytes, "lower", formats.size)
_LATENCY = Measure("One text (ms)", latency, "lower", formats.short)

_TERMINAL_COST = (
    replace(_SIZE, title="Model"),
    replace(_LATENCY, title="ms/text"),
    replace(_TIME, title="Training"),
)
TERMINAL: tuple[Measure, ...] = (ACCURACY, _WEIGHTED, _MACRO, *_TERMINAL_COST)
SINGLE_LABEL: tuple[Column, ...] = (
    _LAYERS, ACCURACY, _WEIGHTED, _MACRO, _VALIDATION_LOSS, _TEST_LOSS, _TRAINABLE, _TIME,
)  # fmt: skip
MULTI_LABEL: tuple[Column, ...] = (
    _LAYERS,
    Measure("Average precision", lambda run: run.metrics.test.average_precision, "higher"),
    _VALIDATION_LOSS,
    _TEST_LOSS,
    _TRAINABLE,
    _TIME,
)
AT_HALF: tuple[Column, ...] = (
    Measure("Subset accuracy", lambda run: run.metrics.test.subset_accuracy, "higher"),
    _WEIGHTED,
    _MACRO,
    Measure("Micro F1", lambda run: run.metrics.test.f1_micro, "higher"),
    Measure("Hamming loss", lambda run: run.metrics.test.hamming_loss, "lower"),
)
TUNED: tuple[Measure, ...] = (
    _tuned("Subset accuracy", lambda tuned: tuned.accuracy, "higher"),
    _tuned("Weighted F1", lambda tuned: tuned.f1_weighted, "higher"),
    _tuned("Macro F1", lambda tuned: tuned.f1_macro, "higher"),
    _tuned("Micro F1", lambda tuned: tuned.f1_micro, "higher"),
    _tuned("Hamming loss", lambda tuned: tuned.hamming_loss, "lower"),
)
TERMINAL_TUNED: tuple[Measure, ...] = (
    replace(TUNED[0], title="Accuracy"), *TUNED[1:3], *_TERMINAL_COST,
)  # fmt: skip
LADDER: tuple[Column, ...] = (
    _rung("Fixed at 0.5", lambda ladder: ladder.fixed),
    _rung("One, tuned", lambda ladder: ladder.one),
    _rung("Per label, tuned", lambda ladder: ladder.exact),
    _rung("As shipped", lambda ladder: ladder.tuned),
    SeedFact("Method", threshold_method),
    _rung("Oracle, not a result", lambda ladder: ladder.oracle, "neither"),
)
COST: tuple[Column, ...] = (
    _SIZE,
    Measure("Adapter on disk", lambda run: run.cost.adapter_bytes, "neither", formats.size),
    _TIME,
    _TEACHERS_TIME,
    _TRAINED,
    Measure("Peak memory", lambda run: run.cost.peak_memory_bytes, "lower", formats.size),
    _LATENCY,
    Measure("Texts/s", lambda run: run.cost.throughput, "higher", formats.short),
)
ORIGIN: tuple[Column, ...] = (
    Fact("Starts from", lambda run: run.init),
    Fact("Trained", lambda run: run.tuning),
    Fact("Learns from", _tell_objective),
    Fact("Exported as", lambda run: run.cost.shape or run.architecture),
    Measure(
        "Best epoch", lambda run: run.best_epoch or None, "neither", lambda epoch: f"{epoch:.3g}"
    ),
    Fact("Chosen by", lambda run: run.best_metric),
)
ALSO_PUBLISHED: tuple[Column, ...] = (ACCURACY, _WEIGHTED, _VALIDATION_LOSS, _TRAINABLE, _TIME)
