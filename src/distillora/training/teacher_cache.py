"""The teacher's outputs over the training texts: computed once and kept on disk.

The folder is named by a hash of all that the outputs depend on, and holds what was hashed. If that
does not match, loading fails.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from distillora.artifacts import is_sealed, seal_folder, write_folder_atomic
from distillora.data.tokens import TokenizedSplit
from distillora.errors import IntegrityError
from distillora.models.forward import forward_batches


@dataclass(frozen=True)
class TeacherKey:
    """What the outputs depend on: hashes of weights, rows and tokenizer, and how they were run."""

    teacher: str
    data: str
    tokenizer: str
    max_length: int
    precision: str
    hidden: bool

    @property
    def digest(self) -> str:
        """The name of the folder: 16 hex digits."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TeacherOutputs:
    """Outputs over all training rows, mapped from disk.

    Attributes:
        logits: float32, shape (rows, labels).
        hidden: float16 last hidden states of all tokens in a row, shape (tokens, width), or None.
        seconds: wall time that it took to compute them.
    """

    logits: npt.NDArray[np.float32]
    hidden: npt.NDArray[np.float16] | None
    seconds: float


def mean_outputs(teachers: Sequence[TeacherOutputs]) -> TeacherOutputs | None:
    """Return the outputs of several teachers as one, the mean of their logits; None without any.

    Source: the ensembles of Hinton et al. 2015 (arXiv 1503.02531), section 5, with the geometric
    mean of their distributions. Hidden states are kept if there is one teacher.
    """
    if len(teachers) < 2:
        return teachers[0] if teachers else None
    logits = np.asarray(np.mean([teacher.logits for teacher in teachers], axis=0), np.float32)
    return TeacherOutputs(logits, None, sum(teacher.seconds for teacher in teachers))


def load_outputs(folder: Path, key: TeacherKey, tokens: TokenizedSplit) -> TeacherOutputs:
    """Open cached outputs.

    Raises:
        IntegrityError: they are damaged, or belong to another teacher, data, tokenizer or length.
    """
    remedy = f"Delete {folder} and run again: the outputs are computed anew."
    if not is_sealed(folder):
        raise IntegrityError(f"The teacher outputs in {folder} are damaged. {remedy}")
    about = json.loads((folder / "about.json").read_text())
    if differing := sorted(k for k, v in asdict(key).items() if about["key"].get(k) != v):
        raise IntegrityError(
            f"The teacher outputs in {folder} were made with another {', '.join(differing)}. "
            f"{remedy}"
        )
    # mapped, not read: hidden states can be larger than the memory; pickles are refused
    logits = np.load(folder / "logits.npy", mmap_mode="r", allow_pickle=False)
    hidden = None
    if key.hidden:
        hidden = np.load(folder / "hidden.npy", mmap_mode="r", allow_pickle=False)
    if len(logits) != len(tokens) or (hidden is not None and len(hidden) != tokens.offsets[-1]):
        raise IntegrityError(f"The teacher outputs in {folder} have other rows. {remedy}")
    return TeacherOutputs(logits, hidden, about["seconds"])


def compute_outputs(
    folder: Path,
    key: TeacherKey,
    teacher: nn.Module,
    tokens: TokenizedSplit,
    pad_token_id: int,
    advance: Callable[[int], None] = lambda done: None,
) -> None:
    """Run the teacher over all rows and store its outputs, whole or not at all."""
    config: Any = teacher.config

    def write(part: Path) -> None:
        start = time.perf_counter()
        logits = _open_array(part / "logits.npy", "float32", (len(tokens), config.num_labels))
        hidden = None
        if key.hidden:
            shape = (int(tokens.offsets[-1]), config.hidden_size)
            hidden = _open_array(part / "hidden.npy", "float16", shape)
        _fill(logits, hidden, key, teacher, tokens, pad_token_id, advance)
        about = {"key": asdict(key), "seconds": time.perf_counter() - start}
        (part / "about.json").write_text(json.dumps(about, indent=1))
        seal_folder(part)

    write_folder_atomic(folder, write)


def _fill(
    logits: npt.NDArray[np.float32],
    hidden: npt.NDArray[np.float16] | None,
    key: TeacherKey,
    teacher: nn.Module,
    tokens: TokenizedSplit,
    pad_token_id: int,
    advance: Callable[[int], None],
) -> None:
    done = 0
    batches = forward_batches(
        teacher, tokens, pad_token_id, hidden_states=key.hidden, bf16=key.precision == "bf16"
    )
    for rows, batch_logits, batch_hidden in batches:
        logits[rows] = batch_logits.cpu().numpy()
        if hidden is not None and batch_hidden is not None:
            states = batch_hidden.half().cpu().numpy()
            for row, state in zip(rows, states, strict=True):
                first, end = tokens.offsets[row : row + 2]
                hidden[first:end] = state[: end - first]
        done += len(rows)
        advance(done)


def _open_array(path: Path, dtype: str, shape: tuple[int, ...]) -> Any:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
