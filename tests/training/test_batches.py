"""Batches and the order that they come in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distillora.training.batches import Collator, Examples, JoinedExamples, LengthGroupedSampler
from distillora.training.label_losses import UNLABELLED, unlabelled_targets
from distillora.training.teacher_cache import TeacherOutputs
from tiny import learnable_classes, tiny_tokens

ROWS, BATCH = 1003, 16


@pytest.fixture
def lengths() -> np.ndarray:
    return np.random.default_rng(0).geometric(0.05, ROWS) + 2


def order_of(lengths: np.ndarray, seed: int = 0, epoch: int = 0) -> list[int]:
    sampler = LengthGroupedSampler(lengths, BATCH, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def padding_share(lengths: np.ndarray, order: list[int]) -> float:
    batches = [lengths[order[i : i + BATCH]] for i in range(0, len(order), BATCH)]
    return 1 - lengths.sum() / sum(len(b) * b.max() for b in batches)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 800, 801, 1003])
def test_every_row_comes_once(rows: int) -> None:
    lengths = np.random.default_rng(1).integers(3, 60, rows)
    assert len(LengthGroupedSampler(lengths, BATCH, 0)) == rows
    assert sorted(order_of(lengths)) == list(range(rows))


def test_the_order_depends_on_seed_and_epoch_alone(lengths: np.ndarray) -> None:
    first = order_of(lengths, seed=1, epoch=2)
    sampler = LengthGroupedSampler(lengths, BATCH, 1)
    for epoch in (0, 1, 2):
        sampler.set_epoch(epoch)
        last = list(sampler)
    assert last == first
    assert list(sampler) == first
    assert order_of(lengths, seed=1, epoch=3) != first
    assert order_of(lengths, seed=2, epoch=2) != first


def test_the_order_leaves_the_global_random_states_alone(lengths: np.ndarray) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    order_of(lengths)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_batches_hold_texts_of_about_one_length(lengths: np.ndarray) -> None:
    random = np.random.default_rng(0).permutation(ROWS).tolist()
    grouped = padding_share(lengths, order_of(lengths))
    assert grouped < padding_share(lengths, random) / 4


def test_long_and_short_batches_come_mixed(lengths: np.ndarray) -> None:
    order = order_of(lengths)
    means = [lengths[order[i : i + BATCH]].mean() for i in range(0, ROWS - BATCH, BATCH)]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.4


def examples(hidden: bool = False) -> Examples:
    tokens = tiny_tokens(rows=12)
    random = np.random.default_rng(5)
    teacher = TeacherOutputs(
        logits=random.normal(size=(12, 5)).astype(np.float32),
        hidden=random.normal(size=(tokens.offsets[-1], 4)).astype(np.float16) if hidden else None,
        seconds=0.0,
    )
    return Examples(tokens, learnable_classes(tokens), teacher)


@pytest.mark.parametrize("rows", [[0, 1, 2], [3], [11, 4, 5, 6]])
def test_padding_reaches_to_the_longest_text_of_the_batch_and_no_further(rows: list[int]) -> None:
    data = examples()
    batch = Collator(pad_token_id=1)([data[i] for i in rows])
    longest = max(data.tokens.lengths[rows])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (len(rows), longest)
    for i, row in enumerate(rows):
        n = data.tokens.lengths[row]
        assert batch["input_ids"][i, :n].tolist() == data.tokens.row(row).tolist()
        assert batch["input_ids"][i, n:].tolist() == [1] * (longest - n)
        assert batch["attention_mask"][i].tolist() == [1] * n + [0] * (longest - n)
    assert batch["labels"].tolist() == data.targets[rows].tolist()
    assert batch["labels"].dtype == torch.int64
    assert "teacher_hidden" not in batch


def test_a_teachers_outputs_stay_with_their_texts_and_tokens() -> None:
    data = examples(hidden=True)
    rows = [7, 2, 9]
    batch = Collator(pad_token_id=0)([data[i] for i in rows])
    teacher = data.teacher
    assert teacher is not None and teacher.hidden is not None
    assert np.array_equal(batch["teacher_logits"].numpy(), teacher.logits[rows])
    assert batch["teacher_hidden"].shape == (*batch["input_ids"].shape, 4)
    for i, row in enumerate(rows):
        start, end = data.tokens.offsets[row : row + 2]
        states = batch["teacher_hidden"][i].numpy()
        assert np.array_equal(states[: end - start], teacher.hidden[start:end])
        assert not states[end - start :].any()


def test_without_a_teacher_a_batch_has_tokens_and_labels_alone() -> None:
    tokens = tiny_tokens(rows=4)
    multi_hot = np.eye(4, 5, dtype=np.float32)
    data = Examples(tokens, multi_hot)
    assert len(data) == 4
    batch = Collator(0)([data[0], data[3]])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert batch["labels"].dtype == torch.float32
    assert batch["labels"].tolist() == multi_hot[[0, 3]].tolist()


def test_texts_without_labels_follow_those_with_them_and_keep_their_teacher() -> None:
    labelled, more = examples(hidden=True), tiny_tokens(rows=5, seed=8)
    random = np.random.default_rng(6)
    logits = random.normal(size=(5, 5)).astype(np.float32)
    states = random.normal(size=(more.offsets[-1], 4)).astype(np.float16)
    teacher = TeacherOutputs(logits, states, 0.0)
    extra = Examples(more, unlabelled_targets(5, like=labelled.targets), teacher)
    joined = JoinedExamples([labelled, extra])
    assert len(joined) == 17
    assert joined.lengths.tolist() == [*labelled.tokens.lengths, *more.lengths]
    batch = Collator(0)([joined[3], joined[12], joined[16]])
    assert batch["labels"].tolist() == [labelled.targets[3], UNLABELLED, UNLABELLED]
    assert np.array_equal(batch["teacher_logits"][1:].numpy(), logits[[0, 4]])
    length = more.lengths[4]
    assert batch["input_ids"][2, :length].tolist() == more.row(4).tolist()
    assert np.array_equal(batch["teacher_hidden"][2, :length].numpy(), states[-length:])
