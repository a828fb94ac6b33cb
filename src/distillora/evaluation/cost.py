"""What a finished model costs to run: latency of one text, throughput, size on disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

_WARM_UP = 5

Inputs = TypeVar("Inputs")


def time_prediction(
    predict: Callable[[Inputs], npt.NDArray[np.float32]], inputs: Inputs
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the logits of all rows, shape (rows, labels), and texts per second."""
    start = time.perf_counter()
    logits = predict(inputs)
    return logits, len(logits) / (time.perf_counter() - start)


def measure_latency(
    predict: Callable[[Inputs], object],
    take: Callable[[int], Inputs],
    rows: int,
    texts: int = 100,
) -> float:
    """Return the median time in milliseconds from the input of one text to its logits.

    The texts are spread evenly over the rows, each scored alone. ``take`` prepares a row and is
    not timed.
    """
    seconds = []
    for row in np.linspace(0, rows - 1, texts + _WARM_UP).round().astype(int):
        one_text = take(int(row))
        start = time.perf_counter()
        predict(one_text)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[_WARM_UP:])


def weights_bytes(folder: Path) -> int:
    """Return the size of the safetensors files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
