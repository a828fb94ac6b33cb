"""The classifier: texts in, predictions out. It runs on onnxruntime, without torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from distillora.errors import BundleError, InputError, IntegrityError
from distillora.inference.bundle import TOKENIZER, Bundle, Precision
from distillora.probabilities import to_probabilities
from distillora.signals.toxicity import ORIGINAL_EMOTIONS, ToxicityRule, measure_toxicity

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TOKENIZED_AT_ONCE = 4096
BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one text.

    Attributes:
        scores: label -> probability, the highest first.
        label: the most probable label.
        score: its probability.
        labels: multi-label: the labels at or above their thresholds, the most probable first,
            possibly none; single-label: only ``label``.
        toxicity: the probability of hostile emotions, in [0, 1]; None for a model without emotion
            labels.
        toxic: whether ``toxicity`` reaches the rule's threshold.
        toxic_by_label: the original study's rule: whether ``label`` is anger, annoyance,
            disapproval, disgust or sadness.
        truncated: whether the text was longer than the model's maximum.
    """

    scores: dict[str, float]
    label: str
    score: float
    labels: tuple[str, ...]
    toxicity: float | None
    toxic: bool | None
    toxic_by_label: bool | None
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types: ``scores`` is a dict, ``labels`` a list.

        >>> classifier.predict("thanks a lot!")[0].to_dict()["label"]
        'gratitude'
        """
        return {**asdict(self), "labels": list(self.labels)}

    def __str__(self) -> str:
        """Return a summary in one line."""
        parts = [f"{self.label} {self.score:.3f}", f"labels: {', '.join(self.labels) or 'none'}"]
        if self.toxicity is not None:
            parts.append(f"toxicity {self.toxicity:.3f} ({'' if self.toxic else 'not '}toxic)")
        return "; ".join(parts + ["truncated"] * self.truncated)


@dataclass(frozen=True)
class Scores:
    """The logits of many texts.

    Attributes:
        logits: float32, shape (rows, labels).
        truncated: whether each text was cut, shape (rows,).
    """

    logits: npt.NDArray[np.float32]
    truncated: npt.NDArray[np.bool_]


TruncationDirection = Literal["left", "right"]
"""Which end of a text that is too long is cut off."""


@dataclass(frozen=True)
class Tokens:
    """Texts as the model reads them.

    Attributes:
        ids: of each text's tokens, at most ``max_length``, special ones included.
        lengths: how many tokens each text has before it is cut.
    """

    ids: list[list[int]]
    lengths: list[int]


class TextClassifier:
    """The base of ``distillora.TextClassifier``, which documents its attributes.

    Args:
        bundle: an open bundle.
        precision, toxicity, threads: see ``distillora.load``.

    Raises:
        BundleError: the bundle does not have this precision.
        IntegrityError: a file of the bundle is damaged.
        InputError: the toxicity rule names a label that the model does not have, or ``threads`` is
            below 1.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: Precision | None = None,
        toxicity: ToxicityRule | None = None,
        threads: int | None = None,
    ) -> None:
        if toxicity is not None and not isinstance(toxicity, ToxicityRule):
            raise InputError(
                f"`toxicity` must be a ToxicityRule, not of type {type(toxicity).__name__}: "
                'ToxicityRule(emotions=("anger",)).'
            )
        if threads is not None and threads < 1:
            raise InputError(f"`threads` must be 1 or more, not {threads}.")
        manifest = bundle.manifest
        self.bundle = bundle
        self.labels = manifest.labels
        self.task = manifest.task
        self.thresholds = manifest.thresholds and np.array(manifest.thresholds)
        self.max_length = manifest.max_length
        self.toxicity = toxicity or manifest.toxicity
        self._hostile = self.toxicity.columns(self.labels) if self.toxicity else []
        self.precision, model = bundle.onnx(precision)
        self._tokenizers = {"right": _open_tokenizer(bundle)}
        self._session = _open_session(bundle, model, threads)
        self._inputs = {value.name for value in self._session.get_inputs()}

    def __repr__(self) -> str:
        name = repr(self.bundle.folder.name)
        return f"TextClassifier({name}, {len(self.labels)} labels, {self.task}, {self.precision})"

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        precision: Precision | None = None,
        toxicity: ToxicityRule | None = None,
        threads: int | None = None,
    ) -> Self:
        """Open the bundle in a folder, by default the starter model; see ``distillora.load``."""
        bundle = Bundle.open(starter_folder() if path is None else Path(path).expanduser())
        return cls(bundle, precision=precision, toxicity=toxicity, threads=threads)

    def predict(
        self, texts: str | Sequence[str], *, top_k: int | None = None, batch_size: int = BATCH_SIZE
    ) -> list[Prediction]:
        """Classify texts; the predictions are in the order of the texts.

        Every string gets a prediction: empty texts are classified like any other, lone surrogates
        are read as U+FFFD, and control characters as the tokenizer reads them.

        Args:
            texts: one text or many.
            top_k: the number of labels in ``scores``; by default all.
            batch_size: texts per batch; texts are sorted by length first.

        Raises:
            InputError: a text is not a string, or a number is below 1.
        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k must be 1 or more, not {top_k}.")
        scored = self.score([texts] if isinstance(texts, str) else texts, batch_size=batch_size)
        return self.predictions(scored, top_k=top_k)

    def predictions(self, scored: Scores, *, top_k: int | None = None) -> list[Prediction]:
        """Return what logits mean: labels, probabilities and signals, one for each row."""
        probabilities = to_probabilities(scored.logits, self.task)
        toxicity = measure_toxicity(probabilities, self._hostile, self.task)
        return [
            self._prediction(row, float(mass), bool(cut), top_k)
            for row, mass, cut in zip(probabilities, toxicity, scored.truncated, strict=True)
        ]

    def score(self, texts: Sequence[str], *, batch_size: int = BATCH_SIZE) -> Scores:
        """Return the calibrated logits of texts, in the order of the texts.

        Raises:
            InputError: a text is not a string, or ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise InputError(f"batch_size must be 1 or more, not {batch_size}.")
        tokens = self.tokenize(texts)
        truncated = [length > self.max_length for length in tokens.lengths]
        logits = self.score_tokens(tokens.ids, batch_size=batch_size)
        return Scores(logits, np.array(truncated, dtype=bool))

    def tokenize(self, texts: Sequence[str], *, direction: TruncationDirection = "right") -> Tokens:
        """Return the tokens of texts, in their order.

        Args:
            texts: any strings; lone surrogates are read as U+FFFD.
            direction: which end of a text that is too long is cut off.

        Raises:
            InputError: these are not texts, or a text is not a string.
        """
        if not (hasattr(texts, "__len__") and hasattr(texts, "__iter__")):
            raise InputError(
                "`texts` must be a string or a sequence of strings, not of type "
                f"{type(texts).__name__}."
            )
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(
                    f"Text {number} is not a string, but of type {type(text).__name__}."
                )
        tokenizer = self._tokenizers.get(direction) or self._open_left_tokenizer()
        special = tokenizer.num_special_tokens_to_add(False)
        tokens = Tokens([], [])
        for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
            batch = [_SURROGATE.sub("\ufffd", t) for t in texts[start : start + _TOKENIZED_AT_ONCE]]
            for encoding in _encode(tokenizer, batch):
                tokens.ids.append(encoding.ids)
                rest = sum(len(part.ids) - special for part in encoding.overflowing)
                tokens.lengths.append(len(encoding.ids) + rest)
        return tokens

    def _open_left_tokenizer(self) -> Tokenizer:
        """Open the tokenizer that keeps the end of a text; few ever need it."""
        tokenizer = Tokenizer.from_str(self._tokenizers["right"].to_str())
        tokenizer.enable_truncation(self.max_length, direction="left")
        self._tokenizers["left"] = tokenizer
        return tokenizer

    def score_tokens(
        self, rows: Sequence[list[int]], *, batch_size: int = BATCH_SIZE
    ) -> npt.NDArray[np.float32]:
        """Return the logits of texts that are tokenized already, shape (rows, labels).

        Args:
            rows: the token ids of each text, as ``tokenize`` returns them.
            batch_size: rows at once; they are sorted by length first.
        """
        logits = np.empty((len(rows), len(self.labels)), dtype=np.float32)
        order = np.argsort([len(row) for row in rows], kind="stable")
        for start in range(0, len(rows), batch_size):
            batch = order[start : start + batch_size]
            logits[batch] = self._run([rows[i] for i in batch])
        return logits

    def _run(self, rows: Sequence[list[int]]) -> npt.NDArray[np.float32]:
        """Pad on the right to the longest row and run the model."""
        shape = (len(rows), max(map(len, rows)))
        ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        outputs = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(outputs[0], dtype=np.float32)

    def _prediction(
        self, row: npt.NDArray[np.float64], toxicity: float, truncated: bool, top_k: int | None
    ) -> Prediction:
        order = np.argsort(-row, kind="stable")
        best = self.labels[order[0]]
        if self.thresholds is None:
            labels: tuple[str, ...] = (best,)
        else:
            labels = tuple(self.labels[i] for i in order if row[i] >= self.thresholds[i])
        rule = self.toxicity
        return Prediction(
            scores={self.labels[i]: float(row[i]) for i in order[:top_k]},
            label=best,
            score=float(row[order[0]]),
            labels=labels,
            toxicity=toxicity if rule else None,
            toxic=toxicity >= rule.threshold if rule else None,
            toxic_by_label=best in ORIGINAL_EMOTIONS if rule else None,
            truncated=truncated,
        )


def starter_folder() -> Path:
    """Return the folder of the starter model in the package.

    Raises:
        BundleError: this installation does not have it.
    """
    folder = Path(str(files("distillora.inference"))) / "starter"
    if not folder.is_dir():
        raise BundleError(
            "This installation has no starter model. Reinstall distillora, make the model with "
            "`make starter`, or give another bundle."
        )
    return folder


def _encode(tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
    if len(texts) == 1:  # not worth starting threads for
        return [tokenizer.encode(texts[0])]
    return list(tokenizer.encode_batch(texts))


def _open_tokenizer(bundle: Bundle) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(bundle.read(TOKENIZER))
    except IntegrityError:
        raise
    except Exception as error:  # the library has no exception type
        raise IntegrityError(f"{bundle.folder / TOKENIZER} cannot be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(bundle.manifest.max_length)
    return tokenizer


def _open_session(
    bundle: Bundle, model: bytes, threads: int | None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or available_cores()
    # texts differ in length, and buffers for every shape would pile up
    options.enable_mem_pattern = False
    # a model file may not load weights from outside the bundle
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(bundle.folder.resolve())
    )
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types are not public
        raise IntegrityError(f"{bundle.folder}: cannot open the model: {error}") from error


def available_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
