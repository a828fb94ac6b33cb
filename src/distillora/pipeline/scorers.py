"""What arms are scored and timed with: a finished arm as it is on disk, of whichever kind.

An encoder is given tokens, which are made once and kept; the TF-IDF baseline is given texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from distillora.data.tokens import TokenizedSplit
from distillora.evaluation.cost import weights_bytes
from distillora.models.backbones import weights_sha256
from distillora.models.forward import predict_logits
from distillora.models.tfidf import TfidfClassifier, stored_bytes
from distillora.pipeline.bench import Workbench, load_arm
from distillora.runtime import device, device_name, processor_name

Logits = npt.NDArray[np.float32]


class Scorer(Protocol):
    """A model that turns what it is given into logits.

    Attributes:
        sha256: hash of its weights.
        model_bytes: size on disk of what it computes with.
        device: the hardware that it runs on.
    """

    sha256: str
    model_bytes: int
    device: str

    def inputs(self, split: str) -> Any:
        """Return all rows of a split, ready to be scored."""

    def take(self, split: str, rows: Sequence[int]) -> Any:
        """Return some rows of a split, ready to be scored."""

    def __call__(self, inputs: Any) -> Logits:
        """Return logits of shape (rows, labels)."""


def load_scorer(bench: Workbench, name: str) -> Scorer:
    """Load a finished arm from disk."""
    if bench.plans[name].arm.init.baseline:
        return _TextScorer(bench, name)
    return _TokenScorer(bench, name)


class _TokenScorer:
    """An encoder; its inputs are tokens."""

    def __init__(self, bench: Workbench, name: str) -> None:
        model = load_arm(bench, name)
        self.sha256 = weights_sha256(model)
        self.model_bytes = weights_bytes(bench.folder(name).model)
        self.device = device_name()
        self._model = model.to(device())
        self._data = bench.data
        self._tokenizer = bench.plans[name].tokenizer

    def inputs(self, split: str) -> TokenizedSplit:
        return self._data.tokens(self._tokenizer, split)

    def take(self, split: str, rows: Sequence[int]) -> TokenizedSplit:
        return self.inputs(split).take(rows)

    def __call__(self, inputs: TokenizedSplit) -> Logits:
        pad = self._data.tokenizer(self._tokenizer).pad_token_id
        return predict_logits(self._model, inputs, pad)


class _TextScorer:
    """The TF-IDF baseline; its inputs are texts."""

    def __init__(self, bench: Workbench, name: str) -> None:
        folder = bench.folder(name).model
        self._model = TfidfClassifier.load(folder)
        self.sha256 = self._model.sha256
        self.model_bytes = stored_bytes(folder)
        self.device = processor_name()
        self._corpus = bench.data.corpus

    def inputs(self, split: str) -> Sequence[str]:
        return self._corpus.splits[split].texts

    def take(self, split: str, rows: Sequence[int]) -> Sequence[str]:
        texts = self.inputs(split)
        return [texts[row] for row in rows]

    def __call__(self, inputs: Sequence[str]) -> Logits:
        return self._model.predict_logits(inputs)
