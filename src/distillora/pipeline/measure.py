"""Measure: the speed of all arms, in one session after all training and scoring.

Speed depends on the shape of a model, not on its weights: arms of one architecture, depth, width
and vocabulary share one figure. One model of each shape is timed, in interleaved rounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from distillora.artifacts import RunLayout, explain_full_disk, lock_folder, write_atomic
from distillora.data.stored import read_stored
from distillora.errors import RunFolderError
from distillora.evaluation.cost import Trial, measure_rounds
from distillora.evaluation.integrity import check_chain, check_finished, check_run, load_results
from distillora.evaluation.results import (
    BUSY_CORES,
    ArmResult,
    Environment,
    Measurement,
    Record,
    Results,
)
from distillora.pipeline.context import RunContext, prepare_context
from distillora.pipeline.method import LoadedArm
from distillora.pipeline.methods import load_arm
from distillora.pipeline.plan import plan_run
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.report import build_report
from distillora.runtime import describe_environment, start_processes, timestamp, watch_load

ROUNDS = 5
LATENCY_TEXTS = 100
"""Texts to score one by one in each round, evenly spread over the test split."""
MOST_TEXTS = 1024
"""Most texts to score together in each round, evenly spread over the test split."""


class ShapeFigures(Record):
    """The speed of one shape; the fields are those of ``Cost``."""

    latency_ms: float
    throughput: float
    device: str


class RunMeasurement(Record):
    """``measurement.json``: how speed was measured, and the figures of each shape.

    ``weights`` are the hashes of the weights of the arms of each shape: if the run no longer has
    one of them, an arm was retrained.
    """

    measurement: Measurement
    figures: dict[str, ShapeFigures]
    weights: dict[str, tuple[str, ...]]


def measure_arms(
    context: RunContext, arms: Sequence[ArmResult], environment: Environment
) -> RunMeasurement:
    """Return the measurement of a run, made now unless the stored one covers every shape.

    A stored one is not used if an arm was retrained or the test texts changed since.
    """
    found, weights = _read(context.layout), _weights(context, arms)
    if found is None or not set(weights) <= set(found.figures):
        return measure_now(context, arms, environment)
    if found.measurement.test_sha256 != context.data.dataset.splits["test"].sha256:
        context.reporter.say("  speed is measured again, because the test texts changed")
        return measure_now(context, arms, environment)
    if gone := [s for s, own in weights.items() if not set(found.weights[s]) <= set(own)]:
        context.reporter.say(
            f"  speed is measured again, because arms were retrained: {'; '.join(gone)}"
        )
        return measure_now(context, arms, environment)
    found = found.model_copy(update={"weights": found.weights | weights})
    write_atomic(context.layout.measurement, found.model_dump_json(indent=1))  # with new arms
    return found


def measure_now(
    context: RunContext, arms: Sequence[ArmResult], environment: Environment
) -> RunMeasurement:
    """Measure one arm of each shape, in rounds, and write ``measurement.json``.

    If other programs keep the machine busy, that is recorded, and a warning is shown.
    """
    models = _load_models(context, arms)
    several = "" if len(models) == 1 else "s"
    context.reporter.stage(f"measuring {len(models)} shape{several} of model in {ROUNDS} rounds")
    trials = {shape: _trial(context, arm) for shape, arm in models.items()}
    created = timestamp()
    with watch_load() as others:
        speeds = measure_rounds(trials, ROUNDS)
    for shape, speed in speeds.items():
        context.reporter.say(
            f"  {shape}: {speed.latency_ms:.2f} ms for one text, {speed.throughput:,.0f} texts/s"
        )
    if busy := others.cores > BUSY_CORES:
        context.reporter.warn(
            f"other programs kept {others.cores:.1f} cores busy: repeat with "
            f"`distillora measure {context.layout.root}` on an idle machine"
        )
    measured = RunMeasurement(
        measurement=Measurement(
            created=created,
            distillora=environment.distillora,
            commit=environment.commit,
            dirty=environment.dirty,
            device=environment.device,
            processor=environment.processor,
            threads=torch.get_num_threads(),
            rounds=ROUNDS,
            other_load=others.cores,
            busy=busy,
            test_sha256=context.data.dataset.splits["test"].sha256,
        ),
        figures={
            shape: ShapeFigures(**speed._asdict(), device=models[shape].device)
            for shape, speed in speeds.items()
        },
        weights=_weights(context, arms),
    )
    write_atomic(context.layout.measurement, measured.model_dump_json(indent=1))
    return measured


def fill_in(
    context: RunContext, arms: Sequence[ArmResult], measured: RunMeasurement
) -> tuple[ArmResult, ...]:
    """Give every arm the figures of its shape; an ensemble has none."""
    shapes = _shapes(context, arms)
    return tuple(
        _with_figures(arm, shapes[arm.name], measured.figures) if arm.name in shapes else arm
        for arm in arms
    )


def measure_again(root: Path, reporter: Reporter) -> Results:
    """Measure the speed of a finished run again, and update its results and report.

    Raises:
        RunFolderError: there is no finished run, it is in use, its models were not kept, or its
            folder does not fit its results; the message names arm and file.
    """
    start_processes()
    environment = Environment(**describe_environment("fp32"))
    layout = RunLayout(root)
    results = load_results(layout)
    check_finished(layout, results)
    _check_models(layout, results)  # before the lock makes a folder
    with explain_full_disk(root), lock_folder(root):
        results = load_results(layout)
        check_chain(results)
        notes = check_run(layout, results)
        # not recipe.yaml, which an unfinished `compare` may have replaced
        dataset, extra = read_stored(layout.data)
        plan = plan_run(parse_recipe(results.recipe), dataset, extra)
        context = prepare_context(plan, layout, dataset, extra, reporter, jobs=1)
        measured = measure_now(context, results.arms, environment)
        results = results.model_copy(
            update={
                "measurement": measured.measurement,
                "arms": fill_in(context, results.arms, measured),
            }
        )
        write_atomic(layout.results, results.model_dump_json(indent=1))
        build_report(results, root, notes)
        return results


def _read(layout: RunLayout) -> RunMeasurement | None:
    try:
        return RunMeasurement.model_validate_json(layout.measurement.read_bytes())
    except (FileNotFoundError, ValidationError):  # written by another version
        return None


def _shapes(context: RunContext, arms: Sequence[ArmResult]) -> dict[str, str]:
    """Return the shape of each arm that has one, by its name."""
    found = {arm.name: context.plans[arm.name].describe_shape() for arm in arms}
    return {name: shape for name, shape in found.items() if shape is not None}


def _weights(context: RunContext, arms: Sequence[ArmResult]) -> dict[str, tuple[str, ...]]:
    """Return the hashes of the weights of all arms of each shape."""
    shapes, found = _shapes(context, arms), defaultdict(list)
    for arm in arms:
        if arm.name in shapes:
            found[shapes[arm.name]].append(arm.weights_sha256)
    return {shape: tuple(own) for shape, own in found.items()}


def _load_models(context: RunContext, arms: Sequence[ArmResult]) -> dict[str, LoadedArm]:
    """Load the first arm of each shape whose model is on disk."""
    shapes = _shapes(context, arms)
    chosen: dict[str, ArmResult] = {}
    for arm in arms:
        if arm.name in shapes and context.folder(arm.name, arm.seed).model.is_dir():
            chosen.setdefault(shapes[arm.name], arm)
    return {shape: load_arm(context.at(arm.seed), arm.name) for shape, arm in chosen.items()}


def _trial(context: RunContext, arm: LoadedArm) -> Trial:
    rows = len(context.data.dataset.splits["test"])
    together = _spread(rows, min(rows, MOST_TEXTS))
    return Trial(
        predict=arm,
        single=[arm.take("test", [row]) for row in _spread(rows, min(rows, LATENCY_TEXTS))],
        batch=arm.take("test", together),
        texts=len(together),
    )


def _spread(rows: int, count: int) -> list[int]:
    """Return ``count`` row numbers, evenly spread from the first row to the last."""
    return [int(row) for row in np.linspace(0, rows - 1, count).round()]


def _with_figures(arm: ArmResult, shape: str, figures: Mapping[str, ShapeFigures]) -> ArmResult:
    update = {"shape": shape, **figures[shape].model_dump()}
    return arm.model_copy(update={"cost": arm.cost.model_copy(update=update)})


def _check_models(layout: RunLayout, results: Results) -> None:
    kept = {arm.name for arm in results.arms if layout.arm(arm.name, arm.seed).model.is_dir()}
    missing = sorted({a.name for a in results.arms if not a.is_ensemble} - kept)
    if missing:
        raise RunFolderError(
            f"{layout.root} does not hold the weights of {', '.join(missing)}, so there is "
            "nothing to measure. Run `distillora measure` where the run was made, or make it "
            f"again: distillora compare --recipe {layout.recipe} --out FOLDER"
        )
