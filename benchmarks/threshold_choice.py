"""What choosing the threshold method by cross-validation wins, on recorded predictions.

Draws rows from the validation split, tunes thresholds on them in every way, and measures macro F1
on rows that were not drawn: on the rest of validation, by which the rule of the choice was settled,
and on test, which only reports. Temperature, too, is fitted on the drawn rows.

    python benchmarks/threshold_choice.py results/starter --rows 100 --rows 1000 --save figures.json

Takes run folders with predictions of every arm at every seed; the task must be multi_label.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from distillora.artifacts import write_atomic
from distillora.evaluation.bootstrap import METRICS, measure_decisions
from distillora.evaluation.calibration import fit_temperature
from distillora.evaluation.threshold_choice import THRESHOLD_METHODS, MethodScore, score_methods
from distillora.evaluation.thresholds import tune_thresholds
from distillora.probabilities import sigmoid
from distillora.runtime import describe_environment

FACTORS = {"highest score": 0.0, "one error": 1.0, "two errors": 2.0}
"""How many standard errors a method may be behind the best one; 1 is what ships."""

COLUMNS = (*THRESHOLD_METHODS, *FACTORS)
Split = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def read_splits(path: Path) -> dict[str, Split]:
    """Return logits and labels of validation and test, each of shape (rows, labels)."""
    table = pq.read_table(path, columns=["split", "labels", "logits"]).to_pydict()
    logits = np.array(table["logits"], dtype=np.float64)
    truth = np.zeros(logits.shape, dtype=np.bool_)
    for row, labels in enumerate(table["labels"]):
        truth[row, labels] = True
    split = np.array(table["split"])
    return {name: (logits[split == name], truth[split == name]) for name in ("validation", "test")}


def choose(scored: Mapping[Any, MethodScore], factor: float) -> str:
    """Return the first method that is behind the best one by at most so many standard errors."""
    return next(name for name, own in scored.items() if own.behind <= factor * own.error)


def macro_f1(split: Split, temperature: float, cuts: Sequence[npt.NDArray[np.float64]]) -> Any:
    """Return macro F1 at several thresholds; shape (len(cuts),)."""
    scores = sigmoid(split[0] / temperature)
    decided = [scores >= own for own in cuts]
    return measure_decisions(split[1], decided)[:, METRICS.index("f1_macro")]


def try_rows(splits: Mapping[str, Split], rows: int, seed: int) -> dict[str, Any]:
    """Draw validation rows and return macro F1 by column, what was chosen, and the seconds."""
    logits, truth = splits["validation"]
    order = np.random.default_rng(seed).permutation(len(truth))
    drawn, rest = order[:rows], order[rows:]
    temperature = fit_temperature(logits[drawn], truth[drawn], "multi_label")
    scores = sigmoid(logits[drawn] / temperature)
    start = time.perf_counter()
    scored = score_methods(scores, truth[drawn])
    seconds = time.perf_counter() - start
    ways = [*THRESHOLD_METHODS, *(choose(scored, factor) for factor in FACTORS.values())]
    cuts = {
        name: tune_thresholds(scores, truth[drawn], **THRESHOLD_METHODS[name])
        for name in THRESHOLD_METHODS
    }
    found = {"test": splits["test"]}
    if len(rest):
        found["rest"] = (logits[rest], truth[rest])
    figures = {
        where: dict(
            zip(COLUMNS, macro_f1(split, temperature, [cuts[w] for w in ways]), strict=True)
        )
        for where, split in found.items()
    }
    return {"figures": figures, "chosen": ways[-2], "seconds": seconds}


def read_run(run: Path) -> list[dict[str, Split]]:
    """Return the splits of every arm at every seed."""
    files = sorted(run.glob("arms/*/seed-*/predictions.parquet"))
    if not files:
        sys.exit(f"{run} holds no predictions: give the --out of a finished `distillora compare`.")
    return [read_splits(path) for path in files]


def measure(models: Sequence[Mapping[str, Split]], rows: int, repeats: int) -> dict[str, Any]:
    """Return the means over all models and draws of so many validation rows."""
    tried = [try_rows(splits, rows, seed) for splits in models for seed in range(repeats)]
    chosen = [one["chosen"] for one in tried]
    return {
        "models": len(models),
        "rows": rows,
        "draws": repeats,
        **{where: _means(tried, where) for where in ("rest", "test")},
        "chosen": {name: chosen.count(name) / len(chosen) for name in THRESHOLD_METHODS},
        "seconds": float(np.mean([one["seconds"] for one in tried])),
    }


def _means(tried: Sequence[dict[str, Any]], where: str) -> dict[str, float]:
    found = [one["figures"][where] for one in tried if where in one["figures"]]
    return {name: float(np.mean([one[name] for one in found])) for name in COLUMNS} if found else {}


def print_table(measured: Sequence[dict[str, Any]], where: str) -> None:
    """Print macro F1 in points as a Markdown table."""
    print(f"\nMacro F1 on {'the rest of validation' if where == 'rest' else 'test'}\n")
    shares = [f"{name} chosen" for name in THRESHOLD_METHODS]
    print(f"| run | rows | {' | '.join((*COLUMNS, *shares))} |")
    print(f"| --- |{' ---: |' * (1 + len(COLUMNS) + len(shares))}")
    for one in filter(lambda one: one[where], measured):
        figures = [f"{100 * one[where][name]:.1f}" for name in COLUMNS]
        figures += [f"{one['chosen'][name]:.0%}" for name in THRESHOLD_METHODS]
        print(f"| {one['run']} | {one['rows']:,} | {' | '.join(figures)} |")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument(
        "--rows", action="append", type=int, help="validation rows to draw (give it several times)"
    )
    parser.add_argument("--repeats", type=int, default=20, help="draws of each number of rows")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    measured: list[dict[str, Any]] = []
    for run in options.runs:
        models = read_run(run)
        every = len(models[0]["validation"][1])
        for rows in [*(n for n in options.rows or (100, 300, 1000) if n < every), every]:
            # all rows can be drawn in one way only
            found = measure(models, rows, options.repeats if rows < every else 1)
            measured.append({"run": run.name, **found})
            print(f"{run.name}, {rows:,} rows: done", file=sys.stderr)
    for where in ("rest", "test"):
        print_table(measured, where)
    if options.save:
        saved = {"environment": describe_environment("fp32"), "figures": measured}
        write_atomic(options.save, json.dumps(saved, indent=1))


if __name__ == "__main__":
    main()
