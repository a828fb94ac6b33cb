from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from distillora.data.dataset import Split
from distillora.data.tokens import (
    TokenizedSplit,
    load_or_tokenize,
    pad_batch,
    tokenize_texts,
    tokenizer_sha256,
)

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "i", "am", "so", "happy", "\ufffd"]
TEXTS = ("i am so happy", "so", "", "i am unhappy")


def make_tokenizer(words: list[str] = VOCABULARY) -> Any:
    ids = {word: i for i, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def make_split(texts: tuple[str, ...] = TEXTS) -> Split:
    return Split(texts, ((0,),) * len(texts), tuple(map(str, range(len(texts)))))


def equal(a: TokenizedSplit, b: TokenizedSplit) -> bool:
    return (
        np.array_equal(a.input_ids, b.input_ids)
        and np.array_equal(a.offsets, b.offsets)
        and np.array_equal(a.full_lengths, b.full_lengths)
    )


def test_the_first_rows_are_a_split_of_their_own() -> None:
    tokens = tokenize_texts(TEXTS, make_tokenizer(), 16)
    first = tokens.first(3)
    assert len(first) == len(first.full_lengths) == 3
    assert [row.tolist() for row in map(first.row, range(3))] == [
        row.tolist() for row in map(tokens.row, range(3))
    ]
    assert len(first.input_ids) == sum(first.lengths)
    assert len(tokens.first(100)) == len(TEXTS)


def test_chosen_rows_are_a_split_of_their_own_in_the_order_asked_for() -> None:
    tokenizer = make_tokenizer()
    texts = [TEXTS[i] for i in (3, 0, 3)]
    taken = tokenize_texts(TEXTS, tokenizer, 5).take([3, 0, 3])
    assert equal(taken, tokenize_texts(texts, tokenizer, 5))


def test_rows_are_what_the_tokenizer_makes_of_each_text() -> None:
    tokenizer = make_tokenizer()
    tokens = tokenize_texts(TEXTS, tokenizer, max_length=16)
    assert len(tokens) == 4
    for i, text in enumerate(TEXTS):
        assert tokens.row(i).tolist() == tokenizer(text)["input_ids"]
    assert tokens.lengths.tolist() == [6, 3, 2, 5]
    assert tokens.input_ids.dtype == np.int32
    assert tokens.offsets.tolist() == [0, 6, 9, 11, 16]


def test_long_texts_are_cut_and_their_full_length_is_kept() -> None:
    tokens = tokenize_texts(TEXTS, make_tokenizer(), max_length=4)
    assert tokens.row(0).tolist() == [2, 4, 5, 3]
    assert tokens.lengths.max() == 4
    assert tokens.full_lengths.tolist() == [6, 3, 2, 5]


def test_the_full_length_of_a_very_long_text_counts_special_tokens_once() -> None:
    tokens = tokenize_texts(["so " * 1000], make_tokenizer(), max_length=7)
    assert tokens.full_lengths.tolist() == [1002]


def test_no_texts_give_no_tokens() -> None:
    tokens = tokenize_texts([], make_tokenizer(), max_length=8)
    assert (len(tokens), tokens.input_ids.size) == (0, 0)


def test_odd_characters_do_not_stop_the_tokenizer() -> None:
    tokens = tokenize_texts(["so \ud83d happy", "so\x00happy"], make_tokenizer(), max_length=8)
    assert tokens.row(0).tolist() == [2, 6, 8, 7, 3]
    assert len(tokens) == 2


def test_the_hash_of_a_tokenizer_tells_tokenizers_apart_but_not_their_use() -> None:
    tokenizer = make_tokenizer()
    before = tokenizer_sha256(tokenizer)
    tokenizer(["so happy", "i"], truncation=True, max_length=3, padding=True)
    assert tokenizer_sha256(tokenizer) == before
    assert tokenizer_sha256(make_tokenizer([*VOCABULARY, "new"])) != before


class Untouchable:
    """A tokenizer that may be asked for its identity, not for tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.backend_tokenizer = tokenizer.backend_tokenizer

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return 2

    def __call__(self, text: list[str], **options: Any) -> Any:
        raise AssertionError("tokenized again")


def test_tokens_are_made_once(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    made = load_or_tokenize(make_split(), tokenizer, 8, tmp_path / "tokens")
    loaded = load_or_tokenize(make_split(), Untouchable(tokenizer), 8, tmp_path / "tokens")
    assert equal(made, loaded)
    assert [path.suffix for path in (tmp_path / "tokens").iterdir()] == [".safetensors"]


def test_other_rows_another_tokenizer_or_length_have_tokens_of_their_own(tmp_path: Path) -> None:
    other = make_tokenizer([*VOCABULARY, "unhappy"])
    load_or_tokenize(make_split(), make_tokenizer(), 8, tmp_path)
    load_or_tokenize(make_split(TEXTS[:2]), make_tokenizer(), 8, tmp_path)
    load_or_tokenize(make_split(), make_tokenizer(), 4, tmp_path)
    tokens = load_or_tokenize(make_split(), other, 8, tmp_path)
    assert tokens.row(3).tolist() == [2, 4, 5, 9, 3]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", ["torn", "empty", "flipped", "another file"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    made = load_or_tokenize(make_split(), make_tokenizer(), 8, tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    if damage == "another file":
        load_or_tokenize(make_split(TEXTS[:1]), make_tokenizer(), 8, tmp_path)
        (other,) = set(tmp_path.iterdir()) - {file}
        other.replace(file)
    else:
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        file.write_bytes({"torn": good[:-7], "empty": b"", "flipped": flipped}[damage])
    assert equal(load_or_tokenize(make_split(), make_tokenizer(), 8, tmp_path), made)
    loaded = load_or_tokenize(make_split(), Untouchable(make_tokenizer()), 8, tmp_path)
    assert equal(loaded, made)


def test_a_batch_is_padded_to_its_longest_row_and_no_further() -> None:
    rows = [np.array([2, 4, 3], dtype=np.int32), np.array([2, 4, 5, 6, 3], dtype=np.int32)]
    input_ids, attention_mask = pad_batch(rows, pad_token_id=9)
    assert input_ids.tolist() == [[2, 4, 3, 9, 9], [2, 4, 5, 6, 3]]
    assert attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert input_ids.dtype == attention_mask.dtype == np.int64


@pytest.mark.parametrize(("multiple_of", "width"), [(1, 5), (4, 8), (5, 5), (8, 8)])
def test_a_batch_is_rounded_up_to_a_multiple(multiple_of: int, width: int) -> None:
    input_ids, attention_mask = pad_batch([np.arange(5)], 0, multiple_of)
    assert input_ids.shape == attention_mask.shape == (1, width)
    assert attention_mask.sum() == 5
