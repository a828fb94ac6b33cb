"""What a finished model costs to run: latency of one text, throughput, size on disk."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from distillora.data.tokens import TokenizedSplit
from distillora.models.forward import predict_logits

_WARM_UP = 5


def time_prediction(
    model: nn.Module, tokens: TokenizedSplit, pad_token_id: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the logits of all rows, shape (rows, labels), and texts per second."""
    start = time.perf_counter()
    logits = predict_logits(model, tokens, pad_token_id)
    return logits, len(logits) / (time.perf_counter() - start)


def measure_latency(
    model: nn.Module, tokens: TokenizedSplit, pad_token_id: int, texts: int = 100
) -> float:
    """Return the median time in milliseconds from the tokens of one text to its logits.

    The texts are spread evenly over the rows, each scored alone.
    """
    rows = np.linspace(0, len(tokens.lengths) - 1, texts + _WARM_UP).round().astype(int)
    seconds = []
    for row in rows:
        ids = tokens.row(row)
        one_text = TokenizedSplit(ids, np.array([0, len(ids)]), np.array([len(ids)]))
        start = time.perf_counter()
        predict_logits(model, one_text, pad_token_id)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[_WARM_UP:])


def weights_bytes(folder: Path) -> int:
    """Return the size of the safetensors files in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
