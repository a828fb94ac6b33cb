"""The TF-IDF baseline against scikit-learn's own pipeline, after it was stored and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from distillora.data.sources import load_dataset
from distillora.errors import IntegrityError, ModelError
from distillora.models.tfidf import TfidfClassifier, tfidf_config
from distillora.probabilities import sigmoid, softmax
from distillora.recipe import Data
from distillora.training.fit_tfidf import FittedTfidf, fit_tfidf

CORPUS = load_dataset(Data(source="sample"))
TRAIN, TEST = CORPUS.splits["train"], CORPUS.splits["test"]
TEXTS = TRAIN.texts
CLASSES, MULTI_HOT = TRAIN.classes(), TRAIN.multi_hot(len(CORPUS.label_names))


def fit(targets, candidates=(4.0,), measure=lambda model: 0.0) -> FittedTfidf:
    multi_label = np.ndim(targets) == 2
    config = tfidf_config(CORPUS.label_names, multi_label=multi_label)
    return fit_tfidf(config, TEXTS, targets, measure, candidates)


def stored(model: TfidfClassifier, folder: Path) -> TfidfClassifier:
    model.save(folder)
    return TfidfClassifier.load(folder)


def scikit_learn(classifier, targets):
    words = TfidfVectorizer(
        sublinear_tf=True, ngram_range=(1, 2), min_df=2, token_pattern=r"\w+|[^\w\s]"
    )
    return make_pipeline(words, classifier).fit(TEXTS, targets).predict_proba(TEST.texts)


def test_class_probabilities_are_those_of_scikit_learn(tmp_path):
    logits = stored(fit(CLASSES).model, tmp_path).predict_logits(TEST.texts)
    expected = scikit_learn(LogisticRegression(C=4.0, max_iter=2000), CLASSES)
    assert np.exp(logits) == pytest.approx(expected, abs=1e-5)
    assert logits.dtype == np.float32


def test_label_probabilities_are_those_of_scikit_learn_one_against_the_rest(tmp_path):
    logits = stored(fit(MULTI_HOT).model, tmp_path).predict_logits(TEST.texts)
    one = LogisticRegression(C=4.0, solver="liblinear", max_iter=2000)
    assert sigmoid(logits) == pytest.approx(
        scikit_learn(OneVsRestClassifier(one), MULTI_HOT), abs=1e-5
    )


def test_two_classes_are_scikit_learn_s_binary_model():
    two = CLASSES % 2
    logits = fit(two).model.predict_logits(TEST.texts)
    expected = scikit_learn(LogisticRegression(C=4.0, max_iter=2000), two)
    assert np.exp(logits[:, :2]) / np.exp(logits[:, :2]).sum(1, keepdims=True) == pytest.approx(
        expected, abs=1e-5
    )


def test_a_class_that_training_lacks_is_rare_and_the_others_keep_their_shares():
    without = np.where(CLASSES == 3, 0, CLASSES)
    probabilities = softmax(fit(without).model.predict_logits(TEXTS))
    seen = np.delete(probabilities, 3, axis=1)
    expected = scikit_learn(LogisticRegression(C=4.0, max_iter=2000), without)
    own = softmax(fit(without).model.predict_logits(TEST.texts))
    shares = np.delete(own, 3, axis=1)
    assert shares / shares.sum(1, keepdims=True) == pytest.approx(expected, abs=1e-5)
    assert 0 < probabilities[:, 3].mean() < 2 / len(TEXTS) < seen.mean()


def test_labels_that_all_rows_or_none_have_get_the_log_odds_of_their_frequency():
    constant = MULTI_HOT.copy()
    constant[:, 0], constant[:, 1] = 1, 0
    logits = fit(constant).model.predict_logits(TEST.texts[:3])
    odds = np.log((len(TEXTS) + 0.5) / 0.5)
    assert logits[:, :2] == pytest.approx(np.tile([odds, -odds], (3, 1)), rel=1e-5)


def test_texts_of_one_class_alone_give_that_class():
    logits = fit(np.full(len(TEXTS), 5)).model.predict_logits(TEST.texts)
    assert set(logits.argmax(axis=1)) == {5} and np.isfinite(logits).all()


def test_the_regularisation_is_the_best_on_validation_of_equals_the_strongest():
    by_c = {1.0: 0.2, 4.0: 0.5, 16.0: 0.5}
    fitted = fit(CLASSES, tuple(by_c), lambda model: by_c[model.config.c])
    assert fitted.scores == by_c
    assert fitted.model.config.c == 4.0
    assert fitted.model.sha256 == fit(CLASSES, (4.0,)).model.sha256


def test_what_was_stored_scores_to_the_last_bit_as_before_and_is_no_pickle(tmp_path):
    model = fit(CLASSES).model
    again = stored(model, tmp_path)
    assert again.sha256 == model.sha256
    assert again.config.c == 4.0 and again.config.id2label == model.config.id2label
    assert np.array_equal(again.predict_logits(TEST.texts), model.predict_logits(TEST.texts))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_a_text_of_unknown_words_or_of_none_is_scored_by_the_intercepts(tmp_path):
    model = stored(fit(MULTI_HOT).model, tmp_path)
    for text in ("", "qqqqq", "\ud800"):
        assert model.predict_logits([text])[0] == pytest.approx(model.intercept)


def test_a_damaged_or_missing_model_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match="does not hold a TF-IDF classifier"):
        TfidfClassifier.load(tmp_path)
    fit(CLASSES).model.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(IntegrityError, match="run `distillora compare` again"):
        TfidfClassifier.load(tmp_path)


def test_texts_without_a_word_in_common_are_refused():
    config = tfidf_config(("a", "b"), multi_label=False)
    with pytest.raises(ModelError, match="no word that occurs in 2 training texts"):
        fit_tfidf(config, ["one", "two", "three"], np.array([0, 1, 0]), lambda model: 0.0)
