"""Speed of the statistics: intervals, and paired tests of all pairs of arms.

The arms are made up: each gives a random share of the rows their own labels, and the others
another row's. How long counting takes does not depend on who is right.

    python benchmarks/statistics_speed.py --seeds 1 --seeds 3 --save figures.json

Prints the seconds of each round, and the least: what else runs on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from distillora.artifacts import write_atomic
from distillora.evaluation.comparison import RESAMPLES, compare_decisions
from distillora.runtime import describe_environment

Flags = npt.NDArray[np.bool_]


def make_up(rows: int, labels: int, arms: int, seeds: int) -> tuple[Flags, dict[str, Any]]:
    """Return a truth and every arm's decisions at every seed; rows have one label or two."""
    random = np.random.default_rng(0)
    chosen = random.integers(0, labels, (rows, 2))
    chosen[:, 1] = np.where(random.random(rows) < 0.15, chosen[:, 1], chosen[:, 0])
    truth = np.zeros((rows, labels), dtype=np.bool_)
    np.put_along_axis(truth, chosen, True, axis=1)
    decisions = {
        f"arm-{number}": {
            seed: np.where(random.random((rows, 1)) < 0.6, truth, random.permutation(truth))
            for seed in range(seeds)
        }
        for number in range(arms)
    }
    return truth, decisions


def measure(options: argparse.Namespace, seeds: int) -> dict[str, Any]:
    """Time the whole comparison of all arms at this many seeds, round after round."""
    truth, decisions = make_up(options.rows, options.labels, options.arms, seeds)
    rounds = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        evidence = compare_decisions(truth, decisions, "f1_macro", options.resamples)
        rounds.append(round(time.perf_counter() - start, 2))
    return {
        "seeds": seeds,
        "models": options.arms * seeds,
        "pairs": len(evidence.pairs),
        "seconds": min(rounds),
        "rounds": rounds,
    }


def main() -> None:
    """Measure each number of seeds, print, and save if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--seeds", type=int, action="append", help="may be given several times")
    parser.add_argument("--rows", type=int, default=5427, help="as GoEmotions' test split has")
    parser.add_argument("--labels", type=int, default=28)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()

    sizes = []
    for seeds in options.seeds or [1]:
        sizes.append(measure(options, seeds))
        print(json.dumps(sizes[-1]), flush=True)
    if options.save:
        record = {key: getattr(options, key) for key in ("arms", "rows", "labels", "resamples")}
        record |= {"sizes": sizes, "environment": describe_environment("fp32")}
        write_atomic(options.save, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
