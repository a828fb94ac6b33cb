"""Inference speed: plain transformers, ONNX and ours, in turns, on the same comments.

The ways, for each model:

- ``pipeline``: ``transformers.pipeline`` with its defaults: one text at a time, torch, fp32;
- ``pipeline 32``: the same with ``batch_size=32``;
- ``onnx fp32``: onnxruntime with the transformers tokenizer, batches of 32 in the order given;
- ``ours fp32`` and ``ours int8``: ``TextClassifier.predict``, toxicity and all.

    python benchmarks/inference_speed.py --data path/to/goemotions

Prints texts per second (median of the rounds), the median and the 95th percentile of the time of
one text, and each way's speed as a multiple of ``pipeline 32``. Without ``--model`` it makes models
of six and three layers of the bundled encoder, untrained: what weights say costs no time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer, logging, pipeline

import distillora
from distillora.artifacts import write_atomic
from distillora.data.sources import read_dataset
from distillora.exporting import ExportOptions, export_arm
from distillora.inference.bundle import Bundle
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import Data, parse_recipe
from distillora.runtime import describe_environment

BATCH = 32
BASE = "pipeline 32"

Way = Callable[[Sequence[str]], Any]


def pipeline_way(bundle: Path, batch_size: int) -> Way:
    """Return plain transformers at a batch size."""
    classify = pipeline("text-classification", str(bundle))
    return lambda texts: classify([*texts], batch_size=batch_size)


def onnx_way(bundle: Path) -> Way:
    """Return onnxruntime as one would write it in a few lines."""
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    session = onnxruntime.InferenceSession(
        str(bundle / "model.onnx"), providers=["CPUExecutionProvider"]
    )

    def run(texts: Sequence[str]) -> list[Any]:
        found = []
        for start in range(0, len(texts), BATCH):
            batch = [*texts[start : start + BATCH]]
            tokens = tokenizer(batch, padding=True, truncation=True, return_tensors="np")
            inputs = {name: tokens[name] for name in ("input_ids", "attention_mask")}
            found += [*session.run(["logits"], inputs)[0]]
        return found

    return run


def ways_of(bundle: Path) -> dict[str, Way]:
    """Return every way to run one bundle."""
    return {
        "pipeline": pipeline_way(bundle, 1),
        BASE: pipeline_way(bundle, BATCH),
        "onnx fp32": onnx_way(bundle),
        "ours fp32": distillora.load(bundle, precision="fp32").predict,
        "ours int8": distillora.load(bundle, precision="int8").predict,
    }


@contextmanager
def plain_bundles() -> Iterator[dict[str, Path]]:
    """Make bundles of all layers of the bundled encoder and of its odd ones, untrained."""
    untrained = {"method": "none"}
    recipe: dict[str, Any] = {
        "name": "speed",
        "task": "multi_label",
        "data": {"source": "sample"},
        "arms": {
            "six-layers": {"init": {"backbone": "bundled"}, "tuning": untrained},
            "three-layers": {
                "init": {"backbone": "bundled", "layers": "odd"},
                "tuning": untrained,
            },
        },
    }
    reporter, options = Reporter(quiet=True), ExportOptions(int8=True, force=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        compare(parse_recipe(recipe), run, reporter)
        bundles = {name: Path(folder) / name for name in recipe["arms"]}
        for name, bundle in bundles.items():
            export_arm(run / "arms" / name / "seed-0", bundle, options, reporter)
        yield bundles


def measure(bundle: Path, texts: Sequence[str], single: int, rounds: int) -> dict[str, Any]:
    """Time every way on all texts in turns, and on single texts."""
    ways = ways_of(bundle)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    times: dict[str, list[float]] = {name: [] for name in ways if name != BASE}
    for number in range(rounds):
        for name, way in ways.items():
            way(texts[::4])  # while the others ran, its memory may have been taken away
            start = time.perf_counter()
            way(texts)
            speeds[name].append(len(texts) / (time.perf_counter() - start))
        for name, seconds in times.items():
            for text in texts[number::rounds][: single // rounds]:
                start = time.perf_counter()
                ways[name]([text])
                seconds.append(time.perf_counter() - start)
    return {name: _summary(values, times.get(name)) for name, values in speeds.items()}


def _summary(speeds: list[float], seconds: list[float] | None) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "texts_per_second": round(statistics.median(speeds), 1),
        "rounds": [round(speed, 1) for speed in speeds],
    }
    if seconds:
        p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
        summary |= {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2)}
    return summary


def show(model: str, figures: dict[str, Any]) -> None:
    """Print one model's figures."""
    table = Table(title=model)
    for column in ("way", "texts/s", f"x {BASE}", "one text p50", "p95"):
        table.add_column(column, justify="left" if column == "way" else "right")
    base = figures[BASE]["texts_per_second"]
    for name, found in figures.items():
        times = (f"{found[k]:.1f} ms" if k in found else "" for k in ("p50_ms", "p95_ms"))
        speed = found["texts_per_second"]
        table.add_row(name, f"{speed:.1f}", f"{speed / base:.1f}", *times)
    Console().print(table)


def main() -> None:
    """Measure, print, and save if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, action="append", help="a bundle with fp32 and int8")
    parser.add_argument("--data", default="sample", help="a data folder, or 'sample'")
    parser.add_argument("--texts", type=int, default=1024, help="of the test split")
    parser.add_argument("--single", type=int, default=200, help="texts to time one by one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()

    logging.set_verbosity_error()
    texts = read_dataset(Data().moved(options.data)).splits["test"].texts[: options.texts]
    figures: dict[str, Any] = {}

    def measure_all(bundles: dict[str, Path]) -> None:
        for name, bundle in bundles.items():
            found = measure(bundle, texts, options.single, options.rounds)
            show(name, found)
            sizes = {
                file: round(record.bytes / 1e6, 1)
                for file, record in Bundle.open(bundle).manifest.files.items()
                if file.endswith((".onnx", ".safetensors"))
            }
            figures[name] = {"megabytes": sizes, "ways": found}

    if options.model:
        measure_all({path.name: path for path in options.model})
    else:
        with plain_bundles() as bundles:
            measure_all(bundles)
    if options.save:
        environment = describe_environment("fp32")
        record = {"texts": len(texts), "models": figures, "environment": environment}
        write_atomic(options.save, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
