"""Training speed: the notebook way against ours, in turns, on the same texts.

Each way runs in a process of its own, because ours changes how the process allocates memory.
The notebook way is a plain ``transformers.Trainer`` with everything padded to 128 tokens, batches
of 16 in random order, fp32 on a CPU (the Trainer's own default on a GPU). Ours is what
``distillora compare`` does: tokens at their own length, batches of texts of one length, bf16 where
the hardware computes it, one fused optimizer step.

    python benchmarks/training_speed.py --data path/to/goemotions

Prints examples per second of both in every round, the ratio of the medians, and which share of the
machine's own peak in matrix products (measured here, same precision) each way reaches. Of the
operations that pad a batch, none counts as useful: 6 x parameters of the encoder x real tokens.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments

from distillora.artifacts import write_atomic
from distillora.data.dataset import Split
from distillora.data.sources import read_dataset
from distillora.data.tokens import tokenize_texts
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.backbones import load_backbone, load_tokenizer
from distillora.progress import Reporter
from distillora.recipe import Data, Training
from distillora.runtime import (
    Precision,
    describe_environment,
    device,
    resolve_precision,
    set_seed,
    start_processes,
)
from distillora.training.batches import Examples
from distillora.training.objectives import TrainingLoss
from distillora.training.trainer import train

BATCH = 16
LENGTH = 128


class PaddedTexts(Dataset[dict[str, Any]]):
    """Every text padded to 128 tokens, as ``tokenizer(padding="max_length")`` does."""

    def __init__(self, split: Split, tokenizer: Any) -> None:
        self.encoded = tokenizer(
            list(split.texts), padding="max_length", truncation=True, max_length=LENGTH
        )
        self.classes = split.classes()

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, i: int) -> dict[str, Any]:
        example = {name: torch.tensor(values[i]) for name, values in self.encoded.items()}
        return {**example, "labels": torch.tensor(self.classes[i])}


def load_texts(data: str, texts: int) -> tuple[Split, Split, tuple[str, ...]]:
    """Return the first training texts, a few validation texts, and the names of the labels."""
    dataset = read_dataset(Data().moved(data))
    few = dataset.splits["validation"].take(list(range(64)))
    return dataset.splits["train"].take(list(range(texts))), few, dataset.label_names


def new_model(labels: tuple[str, ...]) -> Any:
    """Return the bundled encoder with a new head, the same in every round."""
    set_seed(0)
    return load_backbone("bundled", None, labels, multi_label=False)


def time_notebook_way(data: str, texts: int) -> float:
    """Return examples per second of a plain Trainer."""
    split, _, labels = load_texts(data, texts)
    padded, model = PaddedTexts(split, load_tokenizer("bundled")), new_model(labels)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=padded)
        trainer.remove_callback(PrinterCallback)
        start = time.perf_counter()
        trainer.train()
        return texts / (time.perf_counter() - start)


def time_our_way(data: str, texts: int) -> float:
    """Return examples per second of distillora's loop, start and one small validation included."""
    start_processes()
    split, few, labels = load_texts(data, texts)
    tokenizer, model = load_tokenizer("bundled"), new_model(labels)
    examples, validation = (
        Examples(tokenize_texts(rows.texts, tokenizer, LENGTH), rows.classes())
        for rows in (split, few)
    )
    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            model,
            examples,
            validation,
            objective=TrainingLoss(),
            settings=Training(epochs=1, batch_size=BATCH),
            metric="loss",
            epoch_metrics=partial(epoch_metrics, task="single_label"),
            pad_token_id=tokenizer.pad_token_id,
            seed=0,
            precision=resolve_precision("auto"),
            checkpoints=Path(folder) / "checkpoints",
            tensorboard=Path(folder) / "tensorboard",
            reporter=Reporter(quiet=True),
            title="ours",
        )
    return texts / trained.clock.epochs[0]


def in_new_process(work: Callable[[str, int], float], data: str, texts: int) -> float:
    """Run one way where nothing else has run before."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, data, texts).result()


def measure_matmul_peak(precision: Precision, size: int = 2048, repeats: int = 8) -> float:
    """Return the best floating-point operations per second of a square matrix product."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device(), dtype=kind) for _ in range(2))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        (a @ b).sum().item()
        seconds.append(time.perf_counter() - start)
    return float(2 * size**3 / min(seconds))


def flops_per_example(model: Any, mean_length: float) -> float:
    """Return 6 x encoder parameters x tokens: forward, and twice that backward.

    Embeddings are looked up, not multiplied. Source: Kaplan et al. 2020 (arXiv 2001.08361),
    table 1.
    """
    encoder = sum(p.numel() for p in model.base_model.encoder.parameters())
    return 6.0 * encoder * mean_length


WAYS = {"notebook": time_notebook_way, "ours": time_our_way}


def main() -> None:
    """Run both ways in turns and print, or save, what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="sample", help="a data folder, or 'sample'")
    parser.add_argument("--texts", type=int, default=640, help="for each way and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()

    speeds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(options.rounds):
        for name, work in WAYS.items():
            speeds[name].append(in_new_process(work, options.data, options.texts))
        print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.1f}/s" for k, v in speeds.items()))

    start_processes()
    precision = resolve_precision("auto")
    split, _, labels = load_texts(options.data, options.texts)
    tokens = float(tokenize_texts(split.texts, load_tokenizer("bundled"), LENGTH).lengths.mean())
    flops = flops_per_example(new_model(labels), tokens)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    peaks = {"notebook": measure_matmul_peak("fp32"), "ours": measure_matmul_peak(precision)}
    figures = {
        "texts": options.texts,
        "mean_tokens": round(tokens, 2),
        "precision": precision,
        "examples_per_second": {k: [round(x, 1) for x in v] for k, v in speeds.items()},
        "median": {k: round(v, 1) for k, v in medians.items()},
        "ratio": round(medians["ours"] / medians["notebook"], 1),
        "matmul_peak_gflops": {k: round(v / 1e9) for k, v in peaks.items()},
        "share_of_peak": {k: round(medians[k] * flops / peaks[k], 3) for k in medians},
    }
    print(json.dumps(figures, indent=1))
    if options.save:
        figures["environment"] = describe_environment(precision)
        write_atomic(options.save, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
