"""Which times compare with which: training beside other work, speed measured together or not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from distillora.evaluation.results import BUSY_CORES, ArmResult, Results
from distillora.report import formats

DAGGER = "†"
DAGGER_NOTE = (
    f"{DAGGER} not comparable: several jobs shared the machine, or other programs kept more than "
    f"{BUSY_CORES} processor cores busy."
)
Shape = tuple[object, ...]


def mark(text: str, comparable: bool) -> str:
    """Put a dagger after a time that does not compare with others.

    >>> mark("7:52", comparable=False).replace("\\N{NO-BREAK SPACE}", " ")
    '7:52 †'
    """
    return text if comparable else f"{text}\N{NO-BREAK SPACE}{DAGGER}"


def explain_marks(note: str, texts: Sequence[str]) -> str:
    """Add what the dagger means to a note, if one of the texts bears it."""
    marked = any(text.endswith(DAGGER) for text in texts)
    return f"{note} {DAGGER_NOTE}".strip() if marked else note


def comparable_time(run: ArmResult, results: Results) -> bool:
    """Whether an arm was trained with the machine to itself.

    Where it did not record its own environment (before schema version 2), the run's number of jobs
    tells.
    """
    if run.environment is not None:
        return run.environment.comparable_time
    return results.environment.jobs == 1


def shape_of(run: ArmResult) -> Shape:
    """Return what its speed depends on; models with an equal one are equally fast.

    Before schema version 2 no shape was recorded: architecture, depth and size tell it then.
    """
    if run.cost.shape is not None:
        return (run.cost.shape,)
    return (run.architecture, len(run.layers), run.cost.model_bytes)


def share_speed(results: Results) -> tuple[ArmResult, ...]:
    """Return the arms, each with the latency and throughput of its shape.

    One measurement gives that already. Results from before schema version 2 were timed arm by arm:
    there a shape gets the median of its arms.
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
    """Say when, how and on what latency and throughput were measured; empty if they were not."""
    found = results.measurement
    if found is None:
        return _ARM_BY_ARM if _is_timed(results) else ""
    commit = "" if found.commit is None else f" at commit {found.commit[:12]}"
    changed = " with uncommitted changes" if found.dirty else ""
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}"
    meanwhile = speed_caveat(results) or (
        f"Other programs used {found.other_load:.2f} processor cores meanwhile."
    )
    return (
        f"Speed (one text, texts/s) was measured at {found.created} with distillora "
        f"{found.distillora}{commit}{changed}, on {found.device}, {threads}: one model of each "
        f"shape (architecture, depth, width, vocabulary), in {found.rounds} rounds in turns, with "
        f"no training beside it. Arms of one shape share its figures. {meanwhile}"
    )


_ARM_BY_ARM = (
    "Speed (one text, texts/s) was timed arm by arm, whenever one was scored, and not in one "
    "session. Arms of one shape are shown with the median of their figures; figures of different "
    "shapes compare roughly. `distillora measure` on this run measures them together, where its "
    "models were kept."
)


def speed_caveat(results: Results) -> str:
    """Say in a sentence why the figures of speed are not what they should be; empty if they are."""
    found = results.measurement
    if found is None:
        return "Speed was timed arm by arm, not in one session." if _is_timed(results) else ""
    if not found.busy:
        return ""
    return (
        f"Other programs kept {formats.short(found.other_load)} processor cores busy while speed "
        "was measured, so the models are faster than shown; `distillora measure` on this run, on "
        "an idle machine, repeats it."
    )


def _is_timed(results: Results) -> bool:
    return any(run.cost.latency_ms is not None for run in results.arms)
