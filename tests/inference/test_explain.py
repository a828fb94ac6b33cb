"""An explanation is exact: each effect is the difference of two logits."""

from __future__ import annotations

from pathlib import Path

import pytest

import distillora
from distillora import explain
from distillora.errors import InputError
from tiny import LABELS


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_each_effect_is_the_fall_of_the_logit_without_the_word(
    tiny_bundle: Path, precision: str
) -> None:
    classifier = distillora.load(tiny_bundle, precision=precision)
    text = "w5  w6\tw7 w6"
    told = explain(classifier, text, "sadness")
    column = LABELS.index("sadness")

    def logit(words: str) -> float:
        return float(classifier.score([words], batch_size=1).logits[0, column])

    assert told.logit == logit(text)
    assert [w.word for w in told.words] == ["w5", "w6", "w7", "w6"]
    for word in told.words:
        assert text[word.start : word.end] == word.word
        assert word.effect == logit(text) - logit(text[: word.start] + text[word.end :])
    assert any(word.effect for word in told.words)


def test_the_most_probable_label_is_explained_by_default(tiny_bundle: Path) -> None:
    classifier = distillora.load(tiny_bundle)
    assert explain(classifier, "w9 w8").label == classifier.predict("w9 w8")[0].label


def test_a_text_without_words_has_no_effects(tiny_bundle: Path) -> None:
    assert explain(distillora.load(tiny_bundle), " \n").words == ()


def test_only_the_first_words_of_a_long_text_are_left_out(tiny_bundle: Path) -> None:
    told = explain(distillora.load(tiny_bundle), "w5 " * 1000, most_words=10)
    assert len(told.words) == 10


def test_an_unknown_label_is_refused_with_the_nearest(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match=r"no label 'jooy'.*'joy'"):
        explain(distillora.load(tiny_bundle), "w5", "jooy")
