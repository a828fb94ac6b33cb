"""The classifier against PyTorch, and against every odd text."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from transformers import AutoModelForSequenceClassification

import distillora
from distillora import TextClassifier, ToxicityRule
from distillora.errors import BundleError, InputError
from distillora.probabilities import TaskType
from tiny import LABELS, tiny_tokenizer, write_tiny_manifest

TEXTS = ["w5 w6 w7", "w8", "w9 " * 40, "", "w10 w11", "w12 " * 200, "w13 w14 w15 w16"]


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> TextClassifier:
    return distillora.load(tiny_bundle, precision="fp32")


def relabelled(
    bundle: Path, folder: Path, task: TaskType = "multi_label", labels: tuple[str, ...] = LABELS
) -> Path:
    """Copy a bundle and let its manifest say something else of the same logits."""
    copied = Path(shutil.copytree(bundle, folder / "bundle"))
    write_tiny_manifest(copied, task, labels)
    return copied


def torch_logits(bundle: Path, text: str) -> np.ndarray:
    model = AutoModelForSequenceClassification.from_pretrained(bundle).eval()
    tokens = tiny_tokenizer()(text, truncation=True, max_length=128, return_tensors="pt")
    with torch.inference_mode():
        found = model(tokens["input_ids"], attention_mask=tokens["attention_mask"])
    return np.asarray(found.logits[0])


def test_each_text_gets_what_pytorch_says_to_it_alone(
    classifier: TextClassifier, tiny_bundle: Path
) -> None:
    for text, prediction in zip(TEXTS, classifier.predict(TEXTS, batch_size=3), strict=True):
        expected = expit(torch_logits(tiny_bundle, text))
        found = [prediction.scores[label] for label in LABELS]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_single_label_bundle_gives_one_distribution(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = relabelled(tiny_bundle, tmp_path, "single_label")
    prediction = distillora.load(bundle, precision="fp32").predict("w5 w6")[0]
    expected = softmax(torch_logits(bundle, "w5 w6"))
    np.testing.assert_allclose([prediction.scores[label] for label in LABELS], expected, atol=1e-5)
    assert prediction.label == LABELS[expected.argmax()]
    assert prediction.labels == (prediction.label,)
    assert sum(prediction.scores.values()) == pytest.approx(1)
    assert prediction.toxicity == pytest.approx(expected[LABELS.index("anger")], abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_order_and_scores_do_not_depend_on_the_batches(
    classifier: TextClassifier, batch_size: int
) -> None:
    texts = [f"{'w7 ' * (i % 13)}w{5 + i}" for i in range(50)]
    whole = classifier.score(texts).logits
    np.testing.assert_allclose(
        classifier.score(texts, batch_size=batch_size).logits, whole, atol=2e-5
    )
    backwards = classifier.score(texts[::-1], batch_size=batch_size).logits[::-1]
    np.testing.assert_allclose(backwards, whole, atol=2e-5)


def test_scores_come_sorted_and_labels_are_those_at_their_thresholds(
    classifier: TextClassifier,
) -> None:
    for prediction in classifier.predict([f"w{i} w{i + 3}" for i in range(5, 60)]):
        scores = prediction.scores
        assert [*scores.values()] == sorted(scores.values(), reverse=True)
        assert prediction.label == next(iter(scores))
        assert prediction.score == scores[prediction.label]
        assert prediction.labels == tuple(name for name, score in scores.items() if score >= 0.5)


def test_top_k_shortens_the_scores_and_nothing_else(classifier: TextClassifier) -> None:
    whole, short = classifier.predict("w5 w6")[0], classifier.predict("w5 w6", top_k=2)[0]
    assert [*short.scores.items()] == [*whole.scores.items()][:2]
    assert (short.label, short.labels, short.toxicity) == (
        *(whole.label, whole.labels),
        whole.toxicity,
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \t\n", id="blank"),
        pytest.param("😀👩\u200d👩\u200d👧", id="emoji"),
        pytest.param("\ud800", id="high surrogate"),
        pytest.param("a\udfffb", id="low surrogate"),
        pytest.param("\x00", id="NUL"),
        pytest.param("\u202e\ufeff", id="format characters"),
        pytest.param("w5 " * 350_000, id="1 MB of words"),
        pytest.param("x" * 1_000_000, id="a word of 1 MB"),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_text_has_a_defined_result(tiny_bundle: Path, text: str, precision: str) -> None:
    opened = distillora.load(tiny_bundle, precision=precision)
    before, odd, after = opened.predict(["w5", text, "w6"], batch_size=1)
    assert all(math.isfinite(p) and 0 <= p <= 1 for p in odd.scores.values())
    assert {*odd.scores} == {*LABELS}
    assert odd.truncated == (len(text) > 1_000_000)
    assert [before, after] == opened.predict(["w5", "w6"], batch_size=1)


def test_a_text_without_words_gets_what_the_model_says_to_no_words(
    classifier: TextClassifier, tiny_bundle: Path
) -> None:
    empty, blank = classifier.predict(["", " \n\t "])
    assert empty == blank
    expected = expit(torch_logits(tiny_bundle, ""))
    np.testing.assert_allclose([empty.scores[label] for label in LABELS], expected, atol=1e-5)


def test_a_lone_surrogate_is_read_as_the_replacement_character(
    classifier: TextClassifier,
) -> None:
    lone, replaced = classifier.predict(["w5 \ud83d w6", "w5 \ufffd w6"])
    assert lone == replaced


def test_truncation_is_said_from_the_first_token_that_is_left_out(
    classifier: TextClassifier,
) -> None:
    # of 128 tokens two are special
    fits, cut = classifier.predict(["w5 " * 126, "w5 " * 127])
    assert (fits.truncated, cut.truncated) == (False, True)
    assert [*fits.scores.values()] == pytest.approx([*cut.scores.values()], abs=1e-6)


def test_no_texts_give_no_predictions(classifier: TextClassifier) -> None:
    assert classifier.predict([]) == []


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["w5", None], {}, "Text 1 is not a string, but of type NoneType"),
        ([b"w5"], {}, "bytes"),
        (["w5"], {"top_k": 0}, "top_k must be 1 or more"),
        (["w5"], {"batch_size": 0}, "batch_size must be 1 or more"),
    ],
)
def test_what_is_no_text_or_number_is_refused(
    classifier: TextClassifier, texts: list[str], options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        classifier.predict(texts, **options)


def test_the_fastest_precision_is_the_default_and_a_missing_one_is_named(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = relabelled(tiny_bundle, tmp_path)
    assert distillora.load(bundle).precision == "int8"
    (bundle / "model-int8.onnx").unlink()
    write_tiny_manifest(bundle, "multi_label", LABELS)
    assert distillora.load(bundle).precision == "fp32"
    with pytest.raises(BundleError, match="has no int8 model"):
        distillora.load(bundle, precision="int8")


def test_the_toxicity_rule_can_be_another(tiny_bundle: Path) -> None:
    rule = ToxicityRule(emotions=("anger", "sadness"), threshold=0.01)
    prediction = distillora.load(tiny_bundle, toxicity=rule).predict("w5")[0]
    anger, sadness = (prediction.scores[name] for name in rule.emotions)
    assert prediction.toxicity == pytest.approx(1 - (1 - anger) * (1 - sadness))
    assert prediction.toxic is (prediction.toxicity >= 0.01)
    assert prediction.toxic_by_label is (prediction.label in ("anger", "sadness"))
    with pytest.raises(InputError, match=r"no label 'angr'.*'anger'"):
        distillora.load(tiny_bundle, toxicity=ToxicityRule(emotions=("angr",)))


def test_a_model_without_hostile_labels_tells_nothing_of_toxicity(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = relabelled(tiny_bundle, tmp_path, labels=("joy", "love", "relief", "pride", "neutral"))
    prediction = distillora.load(bundle).predict("w5")[0]
    assert (prediction.toxicity, prediction.toxic, prediction.toxic_by_label) == (None,) * 3
    assert "toxic" not in str(prediction)
