"""Record a finished run: copy its results and report into this folder, with compact predictions.

    python results/record.py runs/evidence --data-as data/goemotions
    python results/record.py runs/six --data-as data/goemotions --backbone-as owner/name@revision

Weights, data and caches stay behind. Of the predictions, the test split is kept: for each row its
labels and the labels that the arm decided on, exactly, and the logits in steps of 1/32, which is
about 170 kB an arm on GoEmotions. Validation is kept, too, where the run stays below 6 MB with it.
Paths mean nothing on another machine, so ``--data-as`` and ``--backbone-as`` say what to write for
the path of the data and for the folder of a backbone. Compare the backbone's weights with those
published under that name first; nothing here does.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from distillora.artifacts import sha256_file
from distillora.evaluation.predictions import decide_logits
from distillora.evaluation.results import ArmResult, Results
from distillora.recipe import Recipe, parse_recipe
from distillora.report import write_report

HERE = Path(__file__).parent
STEP = 1 / 32
"""What logits are rounded to."""
MOST_BYTES = 6_000_000
"""What the predictions of one run may take."""


class Kept(NamedTuple):
    """The predictions of one arm on one split, as they are recorded.

    Attributes:
        labels: the labels of each row, the class first.
        decided: which labels the arm gives each row, shape (rows, labels).
        logits: to the nearest ``STEP``, shape (rows, labels).
    """

    labels: list[list[int]]
    decided: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float64]


def write_kept(path: Path, splits: dict[str, Kept]) -> None:
    """Write the recorded predictions of one arm."""
    logits = np.concatenate([own.logits for own in splits.values()])
    steps = np.round(logits / STEP).astype(np.int32)
    decided = [np.flatnonzero(row) for own in splits.values() for row in own.decided]
    columns: dict[str, Any] = {
        "split": [name for name, own in splits.items() for _ in own.labels],
        "labels": pa.array([r for own in splits.values() for r in own.labels], pa.list_(pa.int8())),
        "decided": pa.array(decided, pa.list_(pa.int8())),
    }
    names = [f"steps.{label}" for label in range(steps.shape[1])]
    columns |= dict(zip(names, steps.T, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table(columns),
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=["split"],
        column_encoding=dict.fromkeys(names, "BYTE_STREAM_SPLIT"),
    )


def read_kept(path: Path, split: str = "test") -> Kept:
    """Read the recorded predictions of one arm on one split."""
    table = pq.read_table(path, filters=[("split", "=", split)])
    names = [name for name in table.column_names if name.startswith("steps.")]
    logits = np.stack([table[name].to_numpy() for name in names], axis=1) * STEP
    decided = np.zeros(logits.shape, dtype=np.bool_)
    for row, labels in enumerate(table["decided"].to_pylist()):
        decided[row, labels] = True
    return Kept(table["labels"].to_pylist(), decided, logits)


def keep(run: Path, arm: ArmResult, task: str) -> dict[str, Kept]:
    """Read the predictions of an arm as its run left them."""
    table = pq.read_table(run / arm.predictions, columns=["split", "labels", "logits"]).to_pydict()
    logits = np.array(table["logits"], dtype=np.float64)
    split = np.array(table["split"])
    cuts = None if arm.thresholds is None else np.array(arm.thresholds)
    return {
        name: Kept(
            [labels for labels, own in zip(table["labels"], split == name, strict=True) if own],
            decide_logits(logits[split == name], task, arm.temperature or 1.0, cuts),
            logits[split == name],
        )
        for name in ("validation", "test")
    }


def record(run: Path, target: Path, data_as: str | None, backbone_as: str | None) -> None:
    """Copy a run's results into a folder."""
    results = Results.load(run / "results.json")
    if data_as is not None:
        results = rename_path(results, results.recipe["data"]["path"], data_as)
    if backbone_as is not None:
        results = rename_backbone(results, backbone_as)
    if target.exists():
        shutil.rmtree(target / "arms", ignore_errors=True)
        shutil.rmtree(target / "charts", ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    (target / "audit.json").write_text(results.data.audit.model_dump_json(indent=1))
    (target / "recipe.yaml").write_text(recorded_recipe(results).dump())
    record_predictions(run, target, results)
    results = with_checksums(target, results)
    (target / "results.json").write_text(results.model_dump_json(indent=1))
    write_report(target)


def recorded_recipe(results: Results) -> Recipe:
    """Return the recipe of recorded results."""
    return parse_recipe(results.recipe)


def rename_path(results: Results, path: str, name: str) -> Results:
    """Write a name for a path, wherever it occurs."""
    return Results.model_validate_json(
        results.model_dump_json().replace(json.dumps(path)[1:-1], json.dumps(name)[1:-1])
    )


def rename_backbone(results: Results, hub_name: str) -> Results:
    """Write a name on the Hub, ``owner/name@revision``, for the folder that held the backbone."""
    name, _, revision = hub_name.partition("@")
    inits = [arm["init"] for arm in results.recipe["arms"].values()]
    (folder,) = {
        init["backbone"] for init in inits if Path(init.get("backbone") or "").is_absolute()
    }
    results = rename_path(results, folder, name)
    recipe = copy.deepcopy(results.recipe)
    for arm in recipe["arms"].values():
        if arm["init"].get("backbone") == name:
            arm["init"]["revision"] = revision or None
    return results.model_copy(update={"recipe": recipe})


def record_predictions(run: Path, target: Path, results: Results) -> None:
    """Write the compact predictions of every arm; without validation where they take too much."""
    kept = {arm.predictions: keep(run, arm, results.data.task) for arm in results.arms}
    for path, splits in kept.items():
        write_kept(target / path, splits)
    if sum((target / path).stat().st_size for path in kept) > MOST_BYTES:
        for path, splits in kept.items():
            write_kept(target / path, {"test": splits["test"]})


def with_checksums(target: Path, results: Results) -> Results:
    """Put the checksums of the recorded predictions in the place of those that the run had."""
    arms = tuple(
        arm.model_copy(update={"predictions_sha256": sha256_file(target / arm.predictions)})
        for arm in results.arms
    )
    return results.model_copy(update={"arms": arms})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--data-as", help="how to write the path of the data")
    parser.add_argument("--backbone-as", help="owner/name@revision of a backbone from a folder")
    given = parser.parse_args()
    name = Results.load(given.run / "results.json").recipe["name"]
    record(given.run, HERE / name, given.data_as, given.backbone_as)


if __name__ == "__main__":
    main()
