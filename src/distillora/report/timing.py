"""Which times are comparable: training time on a shared machine, and speed by session."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from distillora.evaluation.results import BUSY_CORES, ArmResult, Results
from distillora.report import formats

DAGGER = "†"
DAGGER_NOTE = (
    f"{DAGGER} not comparable: several jobs shared the machine, or other programs used more than "
    f"{BUSY_CORES} processor cores."
)
Shape = tuple[object, ...]


def mark(text: str, comparable: bool) -> str:
    """Put a dagger after a time that is not comparable with others.

    >>> mark("7:52", comparable=False).replace("\\N{NO-BREAK SPACE}", " ")
    '7:52 †'
    """
    return text if comparable else f"{text}\N{NO-BREAK SPACE}{DAGGER}"


def explain_marks(note: str, texts: Sequence[str]) -> str:
    """Add the meaning of the dagger to a note, if one of the texts has it."""
    marked = any(text.endswith(DAGGER) for text in texts)
    return f"{note} {DAGGER_NOTE}".strip() if marked else note


def comparable_time(run: ArmResult, results: Results) -> bool:
    """Whether an arm had the machine to itself during training.

    Results from before schema version 2 have only the run's number of jobs.
    """
    if run.environment is not None:
        return run.environment.comparable_time
    return results.environment.jobs == 1


def shape_of(run: ArmResult) -> Shape:
    """Return the shape of an arm's model; models of the same shape are equally fast.

    Results from before schema version 2 have no shape: architecture, depth and size replace it.
    """
    if run.cost.shape is not None:
        return (run.cost.shape,)
    return (run.architecture, len(run.layers), run.cost.model_bytes)


def share_speed(results: Results) -> tuple[ArmResult, ...]:
    """Return the arms, each with the latency and throughput of its shape.

    Results with a ``measurement`` already have them. Older ones were timed arm by arm, and each
    shape gets the median of its arms.
    """
    if results.measurement is not None:
        return results.arms
    return tuple(
        run.model_copy(
            update={
                "cost": run.cost.model_copy(
                    update={
                        key: _median(results.arms, shape_of(run), key)
                        for key in ("latency_ms", "throughput")
                    }
                )
            }
        )
        for run in results.arms
    )


def _median(arms: Sequence[ArmResult], shape: Shape, key: str) -> float | None:
    values = [getattr(run.cost, key) for run in arms if shape_of(run) == shape]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def describe_measurement(results: Results) -> str:
    """Return when, how and where speed was measured; empty if it was not."""
    found = results.measurement
    if found is None:
        return _ARM_BY_ARM if _is_timed(results) else ""
    commit = "" if found.commit is None else f" at commit {found.commit[:12]}"
    changed = " with uncommitted changes" if found.dirty else ""
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}"
    meanwhile = speed_caveat(results) or (
        f"Other programs used {found.other_load:.2f} processor cores during the measurement."
    )
    return (
        f"Speed (one text, texts/s) was measured at {found.created} with distillora "
        f"{found.distillora}{commit}{changed}, on {found.device}, {threads}: one model of each "
        f"shape (architecture, depth, width, vocabulary), in {found.rounds} interleaved rounds, "
        f"after all training. Arms of the same shape share their figures. {meanwhile}"
    )


_ARM_BY_ARM = (
    "Speed (one text, texts/s) was timed arm by arm, when each was evaluated, and not in one "
    "session. Arms of the same shape have the median of their figures; figures of different shapes "
    "are only roughly comparable. If the run kept its models, `distillora measure` measures them "
    "in one session."
)


def speed_caveat(results: Results) -> str:
    """Return a sentence about a problem with the speed figures; empty if there is none."""
    found = results.measurement
    if found is None:
        return "Speed was timed arm by arm, not in one session." if _is_timed(results) else ""
    if not found.busy:
        return ""
    return (
        f"Other programs used {formats.short(found.other_load)} processor cores while speed was "
        "measured, so the models are faster than shown. Repeat it with `distillora measure` on an "
        "idle machine."
    )


def _is_timed(results: Results) -> bool:
    return any(run.cost.latency_ms is not None for run in results.arms)
