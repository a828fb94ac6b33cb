"""Logistic regression on TF-IDF of words: the baseline that every encoder should beat.

A text's features are its words, punctuation marks and pairs of neighbours (1-grams and 2-grams),
weighted by ``1 + log(count)`` times the smoothed inverse document frequency and scaled to length 1
(scikit-learn's ``TfidfVectorizer``; Salton and Buckley 1988). The model is stored as numbers
(safetensors) and text (JSON), never as a pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.special import log_softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import PreTrainedConfig

from distillora.errors import IntegrityError, ModelError

WEIGHTS_FILE, VOCABULARY_FILE = "model.safetensors", "vocabulary.json"

Floats = npt.NDArray[np.float32]


class TfidfConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers is not typed
    """The settings of a TF-IDF classifier, and its labels.

    Attributes:
        ngram_range: the fewest and the most words of a feature.
        token_pattern: what counts as a word; a punctuation mark or an emoji is one, too.
        min_df: training texts that a feature must occur in.
        c: inverse strength of the L2 penalty that it was fitted with.
    """

    model_type = "tfidf"
    ngram_range: tuple[int, int] = (1, 2)
    token_pattern: str = r"\w+|[^\w\s]"
    min_df: int = 2
    c: float = 1.0


def tfidf_config(label_names: Sequence[str], *, multi_label: bool) -> TfidfConfig:
    """Return the configuration of a classifier with these labels, label 0 first."""
    return TfidfConfig(
        architectures=[TfidfClassifier.__name__],
        id2label=dict(enumerate(label_names)),
        label2id={label: i for i, label in enumerate(label_names)},
        problem_type=f"{'multi' if multi_label else 'single'}_label_classification",
    )


def make_vectorizer(config: TfidfConfig, **options: Any) -> TfidfVectorizer:
    """Return the vectorizer of a configuration, not fitted yet."""
    return TfidfVectorizer(
        sublinear_tf=True,
        ngram_range=tuple(config.ngram_range),
        token_pattern=config.token_pattern,
        **options,
    )


def fit_vectorizer(config: TfidfConfig, texts: Sequence[str]) -> TfidfVectorizer:
    """Return the vectorizer with the vocabulary and the document frequencies of these texts.

    Raises:
        ModelError: no feature occurs in ``min_df`` texts.
    """
    vectorizer = make_vectorizer(config, min_df=min(config.min_df, len(texts)))
    try:
        return vectorizer.fit(texts)
    except ValueError as error:
        raise ModelError(
            f"TF-IDF finds no word that occurs in {config.min_df} training texts. "
            "Give it more texts (data.limit), or leave the baseline out."
        ) from error


@dataclass(frozen=True, eq=False)
class TfidfClassifier:
    """A fitted classifier.

    Attributes:
        config: its labels, its task and what a feature is.
        vocabulary: the features, in the order of the columns.
        idf: inverse document frequencies, shape (features,).
        coefficients: shape (features, labels).
        intercept: shape (labels,).
    """

    config: TfidfConfig
    vocabulary: tuple[str, ...]
    idf: Floats
    coefficients: Floats
    intercept: Floats

    @cached_property
    def _vectorizer(self) -> TfidfVectorizer:
        columns = {feature: column for column, feature in enumerate(self.vocabulary)}
        vectorizer = make_vectorizer(self.config, vocabulary=columns, dtype=np.float32)
        vectorizer.idf_ = self.idf
        return vectorizer

    def predict_logits(self, texts: Sequence[str]) -> Floats:
        """Return log-probabilities (single-label) or log-odds (multi-label).

        Shape (texts, labels), float32.
        """
        scores = self._vectorizer.transform(texts) @ self.coefficients + self.intercept
        if self.config.problem_type == "single_label_classification":
            scores = log_softmax(scores, axis=1)
        return np.asarray(scores, np.float32)

    @property
    def sha256(self) -> str:
        """Hash of vocabulary and numbers."""
        digest = hashlib.sha256(json.dumps(self.vocabulary).encode())
        for name, array in self._arrays().items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write configuration, vocabulary and numbers into a folder."""
        self.config.save_pretrained(folder)
        (folder / VOCABULARY_FILE).write_text(json.dumps(self.vocabulary, indent=0), "utf-8")
        save_file(self._arrays(), folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> TfidfClassifier:
        """Read what :meth:`save` wrote.

        Raises:
            IntegrityError: a file is missing or torn.
        """
        try:
            return cls(
                config=TfidfConfig.from_pretrained(folder, local_files_only=True),
                vocabulary=tuple(json.loads((folder / VOCABULARY_FILE).read_text("utf-8"))),
                **load_file(folder / WEIGHTS_FILE),
            )
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            raise IntegrityError(
                f"{folder} does not hold a TF-IDF classifier: {error}. "
                "Delete the folder above it and run `distillora compare` again."
            ) from error

    def _arrays(self) -> dict[str, Floats]:
        return {
            "idf": self.idf,
            "coefficients": self.coefficients,
            "intercept": self.intercept,
        }


def stored_bytes(folder: Path) -> int:
    """Return the size of the coefficients and of the vocabulary that they belong to."""
    return sum((folder / name).stat().st_size for name in (WEIGHTS_FILE, VOCABULARY_FILE))
