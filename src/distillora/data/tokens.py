"""Tokens: computed once per split, cached in a file, padded per batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from distillora.artifacts import write_file_atomic
from distillora.data.dataset import Split
from distillora.readers.rows import clean

_BATCH = 1024


class FastTokenizer(Protocol):
    """What is needed of a ``transformers.PreTrainedTokenizerFast``."""

    @property
    def backend_tokenizer(self) -> Any:
        """The ``tokenizers.Tokenizer`` that does the work."""

    def num_special_tokens_to_add(self, pair: bool = ...) -> int:
        """Return how many special tokens a single text gets."""

    def __call__(self, text: list[str], **options: Any) -> Any:
        """Return the encoding of a batch of texts."""


@dataclass(frozen=True)
class TokenizedSplit:
    """The tokens of many texts, concatenated in one array.

    Attributes:
        input_ids: the tokens of all rows, special tokens included; int32, shape (tokens,).
        offsets: row i is ``input_ids[offsets[i]:offsets[i + 1]]``; int64, shape (rows + 1,).
        full_lengths: tokens of each row before truncation; int64, shape (rows,).
    """

    input_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    full_lengths: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> npt.NDArray[np.int32]:
        """Return the tokens of row ``i``, as a view."""
        return self.input_ids[self.offsets[i] : self.offsets[i + 1]]

    def first(self, rows: int) -> TokenizedSplit:
        """Return the first ``rows`` rows, or all if there are fewer, as views."""
        offsets = self.offsets[: rows + 1]
        return TokenizedSplit(self.input_ids[: offsets[-1]], offsets, self.full_lengths[:rows])

    def take(self, rows: Sequence[int]) -> TokenizedSplit:
        """Return these rows, in this order, as a copy."""
        chosen = np.asarray(rows, dtype=np.int64)
        return TokenizedSplit(
            np.concatenate([self.row(int(i)) for i in chosen]),
            np.concatenate([[0], np.cumsum(self.lengths[chosen])]),
            self.full_lengths[chosen],
        )

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row; shape (rows,)."""
        return np.diff(self.offsets)


_FIELDS = fields(TokenizedSplit)


def tokenizer_sha256(tokenizer: FastTokenizer) -> str:
    """Return a hash of what the tokenizer does to a text."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # set by every call, so they depend on the last use, not on the tokenizer
    state["truncation"] = state["padding"] = None
    if (side := getattr(tokenizer, "truncation_side", "right")) != "right":
        state["truncation_side"] = side
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def tokenize_texts(
    texts: Sequence[str], tokenizer: FastTokenizer, max_length: int
) -> TokenizedSplit:
    """Tokenize texts with special tokens, cut to ``max_length`` tokens, without padding.

    Lone surrogates, which no tokenizer accepts, are replaced by U+FFFD.
    """
    special = tokenizer.num_special_tokens_to_add()
    ids: list[list[int]] = []
    full_lengths: list[int] = []
    for start in range(0, len(texts), _BATCH):
        batch = [clean(text) for text in texts[start : start + _BATCH]]
        encodings = tokenizer(batch, truncation=True, max_length=max_length, padding=False)
        for encoding in encodings.encodings:
            cut = sum(len(part.ids) - special for part in encoding.overflowing)
            ids.append(encoding.ids)
            full_lengths.append(len(encoding.ids) + cut)
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in ids], out=offsets[1:])
    return TokenizedSplit(
        input_ids=np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=int(offsets[-1])),
        offsets=offsets,
        full_lengths=np.array(full_lengths, dtype=np.int64),
    )


def load_or_tokenize(
    split: Split, tokenizer: FastTokenizer, max_length: int, cache_dir: Path
) -> TokenizedSplit:
    """Return the split's tokens from ``cache_dir``; compute and store them if needed.

    The file is named by a hash of the rows, the tokenizer and ``max_length``. A damaged file is
    written again.
    """
    parts = (split.sha256, tokenizer_sha256(tokenizer), str(max_length))
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    path = cache_dir / f"{key}.safetensors"
    tokens = _load(path, key)
    if tokens is None:
        tokens = tokenize_texts(split.texts, tokenizer, max_length)
        _save(path, key, tokens)
    return tokens


def _load(path: Path, key: str) -> TokenizedSplit | None:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tokens = TokenizedSplit(**{f.name: file.get_tensor(f.name) for f in _FIELDS})
    except (FileNotFoundError, SafetensorError):
        return None
    intact = metadata == {"key": key, "sha256": _content_sha256(tokens)}
    return tokens if intact else None


def _save(path: Path, key: str, tokens: TokenizedSplit) -> None:
    arrays = {f.name: getattr(tokens, f.name) for f in _FIELDS}
    metadata = {"key": key, "sha256": _content_sha256(tokens)}
    write_file_atomic(path, lambda part: save_file(arrays, part, metadata))


def _content_sha256(tokens: TokenizedSplit) -> str:
    digest = hashlib.sha256()
    for field in _FIELDS:
        array = getattr(tokens, field.name)
        digest.update(f"{field.name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def pad_batch(
    rows: Sequence[npt.NDArray[np.integer]], pad_token_id: int, multiple_of: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pad rows on the right to the longest of them, rounded up to ``multiple_of`` tokens.

    Returns:
        Input ids and attention mask (1 for a token, 0 for padding), each of shape
        (rows, longest).
    """
    longest = max(map(len, rows), default=0)
    shape = (len(rows), -(-longest // multiple_of) * multiple_of)
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    attention_mask = np.zeros(shape, dtype=np.int64)
    for i, row in enumerate(rows):
        input_ids[i, : len(row)] = row
        attention_mask[i, : len(row)] = 1
    return input_ids, attention_mask
