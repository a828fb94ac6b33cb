"""Runs made up in code: results and predictions that fit each other, without any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix

from distillora.data.audit import AuditRecord, LengthRecord, SplitAudit
from distillora.data.labels import EKMAN
from distillora.evaluation.comparison import compare_runs
from distillora.evaluation.metrics import multi_label_metrics, sigmoid, single_label_metrics
from distillora.evaluation.results import (
    ArmResult,
    Cost,
    DataRecord,
    Environment,
    EpochRecord,
    Measurement,
    Metrics,
    Parameters,
    Results,
)
from distillora.evaluation.thresholds import compare_thresholds, tune_thresholds
from distillora.recipe import Contrast, Published, PublishedArm

GOEMOTIONS = tuple(sorted({label for group in EKMAN.values() for label in group}))
SPLITS = ("validation", "test")

# name -> how well it separates the labels, latency in ms, MB on disk; those of one size are of one
# shape, and equally fast
ARMS = {
    "teacher": (3.4, 24.0, 438.0),
    "lora": (2.2, 12.4, 271.0),
    "odd": (2.7, 12.2, 268.0),
    "even": (3.0, 12.2, 268.0),
    "tiny": (1.8, 3.0, 60.0),
}

TEST_SHA256 = "cd" * 32
PUBLISHED = Published(
    note="From example.org, measured under another protocol.",
    test_sha256=TEST_SHA256,
    arms=tuple(
        PublishedArm(
            arm=arm,
            accuracy=0.5294,
            f1_weighted=0.4861,
            validation_loss=1.5785,
            trainable=759_580,
            total=67_734_584,
            training_seconds=472,
        )
        for arm in ("lora", "odd", "even")
    ),
)

MEASUREMENT = Measurement(
    created="2025-01-02T04:05:06+00:00",
    distillora="0.1.0",
    commit="0123456789abcdef0123456789abcdef01234567",
    dirty=False,
    device="Example CPU",
    processor="Example CPU",
    threads=2,
    rounds=5,
    other_load=0.02,
    busy=False,
)

RunMaker = Callable[..., tuple[Path, Results]]


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Return a function that writes a run's folder and gives back its path and its results."""
    return partial(build_run, tmp_path)


@pytest.fixture(scope="session")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Return a run of three arms on 28 labels, for tests that only read it."""
    return build_run(tmp_path_factory.mktemp("run"))


def build_run(
    run_dir: Path,
    arms: Sequence[str] = ("lora", "odd", "even"),
    seeds: Sequence[int] = (0,),
    task: str = "single_label",
    labels: Sequence[str] = GOEMOTIONS,
    rows: int = 1200,
    teacher: str | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
    **data: Any,
) -> tuple[Path, Results]:
    """Write ``results.json`` and the predictions of a run.

    ``contrasts`` are pairs of arms; ``data`` goes into its recipe.
    """
    results = Results(
        recipe={
            "name": "made-up",
            "description": "Numbers made up for a test.",
            "task": task,
            "data": {"source": "hub", **data},
            "arms": {name: {"tuning": {"method": "full"}} for name in arms},
            "seeds": list(seeds),
            "published": PUBLISHED.model_dump(),
        },
        data=_data(task, labels, rows),
        environment=_environment(),
        measurement=MEASUREMENT,
        arms=tuple(
            _arm(run_dir, name, seed, task, labels, rows, teacher)
            for name in arms
            for seed in seeds
        ),
    )
    asked = [Contrast(question=f"Does {a} beat {b}?", first=a, second=b) for a, b in contrasts]
    evidence = compare_runs(results.arms, run_dir, task, asked, resamples=500)
    results = results.model_copy(update={"evidence": evidence})
    (run_dir / "results.json").write_text(results.model_dump_json())
    return run_dir, results


def _arm(
    run_dir: Path,
    name: str,
    seed: int,
    task: str,
    labels: Sequence[str],
    rows: int,
    teacher: str | None,
) -> ArmResult:
    skill, latency, megabytes = ARMS.get(name, (2.0, 10.0, 100.0))
    multi = task == "multi_label"
    truth = {split: _truth(split, rows, len(labels)) for split in SPLITS}
    logits = {
        s: _logits(t, skill, (seed, len(name), ord(name[0])), multi) for s, t in truth.items()
    }
    path = f"arms/{name}/seed-{seed}/predictions.parquet"
    _write_predictions(run_dir / path, truth, logits)
    thresholds = ladder = None
    if multi:
        hot = {split: _multi_hot(truth[split], len(labels)) for split in SPLITS}
        scores = {split: sigmoid(logits[split]) for split in SPLITS}
        thresholds = tune_thresholds(scores["validation"], hot["validation"], shrinkage=10)
        ladder = compare_thresholds(
            scores["validation"], hot["validation"], scores["test"], hot["test"], thresholds
        )
    measured = {
        split: multi_label_metrics(
            logits[split], _multi_hot(truth[split], len(labels)), labels, thresholds
        )
        if multi
        else single_label_metrics(logits[split], np.array([r[0] for r in truth[split]]), labels)
        for split in SPLITS
    }
    classes = [row[0] for row in truth["test"]]
    lora = name == "lora"
    total = int(megabytes * 250_000)
    loss = measured["validation"].loss
    return ArmResult(
        name=name,
        seed=seed,
        init=f"layers of {teacher}" if teacher else "bundled encoder",
        tuning="LoRA, rank 8" if lora else "all parameters",
        objective="labels",
        architecture="DistilBertForSequenceClassification",
        teachers=(teacher,) if teacher and name != teacher else (),
        layers={"odd": (1, 3, 5, 7, 9, 11), "even": (0, 2, 4, 6, 8, 10)}.get(name, tuple(range(6))),
        parameters=Parameters(trainable=total // 90 if lora else total, total=total),
        best_epoch=2,
        best_metric="f1_weighted",
        metrics=Metrics(**measured),
        thresholds=None if thresholds is None else tuple(thresholds),
        ladder=ladder,
        cost=Cost(
            model_bytes=int(megabytes * 1e6),
            adapter_bytes=3_040_000 if lora else None,
            training_seconds=latency * 60 + seed,
            teacher_seconds=2000.0 if teacher and name != teacher else None,
            examples_per_second=120.5,
            peak_memory_bytes=3_210_000_000,
            shape=f"DistilBertForSequenceClassification, {megabytes:.0f} wide",
            latency_ms=latency,
            throughput=1000 / latency,
            device="Example CPU, 2 threads",
        ),
        history=tuple(
            EpochRecord(
                epoch=epoch,
                train_loss=loss * (1.5 - 0.25 * epoch),
                validation_loss=loss * (1.1 if epoch != 2 else 1.0),
                accuracy=0.5,
                f1_weighted=0.5,
                f1_macro=0.4,
                seconds=100.0,
            )
            for epoch in (1, 2, 3)
        ),
        confusions=tuple(
            map(tuple, confusion_matrix(classes, logits["test"].argmax(axis=1)).tolist())
        ),
        predictions=path,
        weights_sha256="ab" * 32,
    )


def _truth(split: str, rows: int, n_labels: int) -> list[list[int]]:
    """Return label numbers a row; the labels' frequencies fall off as those of GoEmotions do."""
    random = np.random.default_rng(SPLITS.index(split))
    share = 1 / np.arange(1, n_labels + 1)
    order = np.random.default_rng(7).permutation(n_labels)
    classes = order[random.choice(n_labels, rows, p=share / share.sum())]
    extra = random.integers(0, n_labels, rows)
    return [
        [int(c), int(e)] if e != c and random.random() < 0.15 else [int(c)]
        for c, e in zip(classes, extra, strict=True)
    ]


def _logits(truth: list[list[int]], skill: float, seed: tuple[int, ...], multi: bool) -> np.ndarray:
    n_labels = max(max(row) for row in truth) + 1
    hot = _multi_hot(truth, n_labels)
    noise = np.random.default_rng(seed).normal(size=hot.shape)
    return (noise + skill * hot - (2.5 if multi else 0)).astype(np.float32)


def _multi_hot(truth: list[list[int]], n_labels: int) -> np.ndarray:
    matrix = np.zeros((len(truth), n_labels), dtype=np.float32)
    for row, labels in enumerate(truth):
        matrix[row, labels] = 1
    return matrix


def _write_predictions(
    path: Path, truth: dict[str, list[list[int]]], logits: dict[str, np.ndarray]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "split": [split for split in SPLITS for _ in truth[split]],
            "row": pa.array([i for split in SPLITS for i in range(len(truth[split]))], pa.int32()),
            "id": [f"{split}-{i}" for split in SPLITS for i in range(len(truth[split]))],
            "labels": pa.array([r for s in SPLITS for r in truth[s]], pa.list_(pa.int32())),
            "logits": pa.array(
                [r.tolist() for s in SPLITS for r in logits[s]], pa.list_(pa.float32())
            ),
        }
    )
    pq.write_table(table, path)


def _data(task: str, labels: Sequence[str], rows: int) -> DataRecord:
    sizes = {"train": rows * 8, "validation": rows, "test": rows}
    splits = {
        split: SplitAudit(
            rows=size,
            labels_per_row={1: size - size // 8, 2: size // 8},
            class_counts={name: size // (3 + i) for i, name in enumerate(labels)},
            lengths=LengthRecord(mean=18.2, p50=17, p95=33, p99=41, longest=316, truncated=2),
            duplicate_texts=12,
            empty_texts=0,
            odd_characters=3,
        )
        for split, size in sizes.items()
    }
    return DataRecord(
        source="a made-up set",
        task=task,
        taxonomy="goemotions",
        labels=tuple(labels),
        rows=sizes,
        sha256=dict.fromkeys(sizes, TEST_SHA256),
        dropped_from_train=66,
        audit=AuditRecord(labels=tuple(labels), splits=splits, shared_texts={"test in train": 66}),
    )


def _environment() -> Environment:
    return Environment(
        distillora="0.1.0",
        python="3.11.9",
        platform="Linux-6.1",
        processor="Example CPU",
        cores=2,
        memory_bytes=8_000_000_000,
        device="cpu",
        precision="fp32",
        processes=1,
        packages={"torch": "2.13.0", "transformers": "5.23.0"},
        commit="0123456789abcdef0123456789abcdef01234567",
        dirty=True,
        created="2025-01-02T03:04:05Z",
    )
