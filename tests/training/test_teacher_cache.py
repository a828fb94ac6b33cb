"""Cached teacher outputs, against running the teacher one row at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distillora.errors import IntegrityError
from distillora.training.teacher_cache import (
    TeacherKey,
    TeacherOutputs,
    compute_outputs,
    load_outputs,
    mean_outputs,
)
from tiny import ARCHITECTURES, tiny_model, tiny_tokens

KEY = TeacherKey("weights", "rows", "tokenizer", max_length=32, precision="fp32", hidden=True)
TOKENS = tiny_tokens(rows=150)


def fill(folder: Path, teacher: Any = None, key: TeacherKey = KEY, **options: Any) -> Path:
    compute_outputs(folder, key, teacher or tiny_model(), TOKENS, 0, **options)
    return folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs_are_what_the_teacher_says_of_each_text_alone(
    architecture: str, tmp_path: Path
) -> None:
    teacher = tiny_model(architecture)
    cached = load_outputs(fill(tmp_path / "cache", teacher), KEY, TOKENS)
    assert cached.hidden is not None
    assert cached.logits.shape == (150, 5)
    assert cached.hidden.shape == (TOKENS.offsets[-1], 16)
    assert cached.seconds > 0
    for i in range(0, 150, 5):
        ids = torch.from_numpy(TOKENS.row(i).astype(np.int64))[None]
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            alone = teacher(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        np.testing.assert_allclose(cached.logits[i], alone.logits[0], atol=1e-5)
        start, end = TOKENS.offsets[i : i + 2]
        states = cached.hidden[start:end].astype(np.float32)
        # kept in half precision: 11 bits of significand
        np.testing.assert_allclose(states, alone.hidden_states[-1][0], rtol=1e-3, atol=1e-3)


def test_dropout_is_off_while_the_teacher_speaks(tmp_path: Path) -> None:
    calm = load_outputs(fill(tmp_path / "calm", tiny_model().eval()), KEY, TOKENS)
    training = load_outputs(fill(tmp_path / "training", tiny_model().train()), KEY, TOKENS)
    assert np.array_equal(calm.logits, training.logits)


def test_hidden_states_are_left_out_where_nobody_asks_for_them(tmp_path: Path) -> None:
    key = dataclasses.replace(KEY, hidden=False)
    folder = fill(tmp_path / "cache", key=key)
    assert load_outputs(folder, key, TOKENS).hidden is None
    assert not (folder / "hidden.npy").exists()


def test_progress_ends_at_the_number_of_texts(tmp_path: Path) -> None:
    seen: list[int] = []
    fill(tmp_path / "cache", advance=seen.append)
    assert seen == sorted(seen) and seen[-1] == 150


def test_loading_again_needs_no_teacher(tmp_path: Path) -> None:
    folder = fill(tmp_path / "cache")
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    first, second = load_outputs(folder, KEY, TOKENS), load_outputs(folder, KEY, TOKENS)
    assert np.array_equal(first.logits, second.logits)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


@pytest.mark.parametrize("name", ["logits.npy", "hidden.npy", "about.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(
    name: str, damage: str, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "cache")
    file = folder / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"damaged. Delete {folder} and run again"):
        load_outputs(folder, KEY, TOKENS)


def test_computing_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "cache", advance=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher", "other weights"),
        ("data", "other rows"),
        ("tokenizer", "another"),
        ("max_length", 64),
        ("precision", "bf16"),
        ("hidden", False),
    ],
)
def test_outputs_of_another_key_are_refused_and_the_difference_is_named(
    field: str, value: Any, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "cache")
    other = dataclasses.replace(KEY, **{field: value})
    assert other.digest != KEY.digest
    with pytest.raises(IntegrityError, match=f"were made with another {field}\\."):
        load_outputs(folder, other, TOKENS)


def test_all_differences_are_named_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path / "cache")
    other = dataclasses.replace(KEY, teacher="b", data="c")
    with pytest.raises(IntegrityError, match="another data, teacher"):
        load_outputs(folder, other, TOKENS)


def test_outputs_over_other_rows_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "cache")
    with pytest.raises(IntegrityError, match="other rows"):
        load_outputs(folder, KEY, tiny_tokens(rows=149))
    with pytest.raises(IntegrityError, match="other rows"):
        load_outputs(folder, KEY, tiny_tokens(rows=150, seed=1))


def test_several_teachers_teach_the_mean_of_their_logits() -> None:
    first = TeacherOutputs(np.array([[1.0, 3.0]], np.float32), np.ones((4, 2), np.float16), 2.0)
    second = TeacherOutputs(np.array([[3.0, -1.0]], np.float32), None, 5.0)
    both = mean_outputs([first, second])
    assert both is not None
    assert both.logits.tolist() == [[2.0, 1.0]] and both.logits.dtype == np.float32
    assert both.hidden is None and both.seconds == 7.0
    assert mean_outputs([first]) is first
    assert mean_outputs([]) is None
