"""Training examples, their order, and batches padded to the longest text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Sampler

from distillora.data.tokens import TokenizedSplit, pad_batch
from distillora.training.teacher_cache import TeacherOutputs


class Examples(Dataset[dict[str, Any]]):
    """Tokens, targets and, if there is a teacher, its outputs, one row per text.

    Args:
        tokens: the token ids.
        targets: class numbers (rows,) as int64, or multi-hot (rows, labels) as float32.
        teacher: the teacher's cached outputs over the same rows.
    """

    def __init__(
        self,
        tokens: TokenizedSplit,
        targets: npt.NDArray[Any],
        teacher: TeacherOutputs | None = None,
    ) -> None:
        self.tokens = tokens
        self.targets = targets
        self.teacher = teacher

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row; shape (rows,)."""
        return self.tokens.lengths

    def __getitem__(self, i: int) -> dict[str, Any]:
        example = {"input_ids": self.tokens.row(i), "labels": self.targets[i]}
        if self.teacher is not None:
            example["teacher_logits"] = self.teacher.logits[i]
            if self.teacher.hidden is not None:
                start, end = self.tokens.offsets[i : i + 2]
                example["teacher_hidden"] = self.teacher.hidden[start:end]
        return example


class JoinedExamples(ConcatDataset[dict[str, Any]]):
    """Examples of several sources, one after another: labelled and unlabelled texts."""

    def __init__(self, parts: Sequence[Examples]) -> None:
        super().__init__(parts)
        self.lengths = np.concatenate([part.lengths for part in parts])


@dataclass(frozen=True)
class Collator:
    """Stack examples; padding never exceeds the longest text of the batch."""

    pad_token_id: int

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Return tensors of shape (batch, longest), (batch, ...)."""
        ids, mask = pad_batch([example["input_ids"] for example in examples], self.pad_token_id)
        batch = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(np.stack([example["labels"] for example in examples])),
        }
        if "teacher_logits" in examples[0]:
            logits = np.stack([example["teacher_logits"] for example in examples])
            batch["teacher_logits"] = torch.from_numpy(logits)
        if "teacher_hidden" in examples[0]:
            batch["teacher_hidden"] = _pad_hidden(
                [example["teacher_hidden"] for example in examples], ids.shape[1]
            )
        return batch


def _pad_hidden(rows: Sequence[npt.NDArray[np.float16]], longest: int) -> Tensor:
    padded = np.zeros((len(rows), longest, rows[0].shape[1]), dtype=np.float16)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return torch.from_numpy(padded)


class LengthGroupedSampler(Sampler[int]):
    """Rows in an order in which the texts of a batch have similar lengths.

    A random order is cut into pools of ``pool`` batches; each pool is sorted by length and cut
    into batches, and the batches of all pools are shuffled. The order depends on the seed and the
    epoch alone, so a run that resumes from a checkpoint sees the batches of an uninterrupted one.
    """

    def __init__(
        self, lengths: npt.NDArray[np.integer], batch_size: int, seed: int, pool: int = 50
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is used next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        size = self.batch_size * self.pool
        batches = []
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        # the one batch that may be short stays last: the loader cuts every batch_size rows
        full, short = batches[:-1], batches[-1]
        for i in random.permutation(len(full)):
            yield from full[i].tolist()
        yield from short.tolist()
