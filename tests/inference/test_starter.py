"""The starter model: what it is said to be, and that it works."""

from __future__ import annotations

from pathlib import Path

import pytest

import distillora
from distillora import TextClassifier
from distillora.data.labels import SENTIMENT
from distillora.evaluation.results import Results
from distillora.inference.classifier import starter_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def starter() -> TextClassifier:
    return distillora.load()


def test_it_is_small_and_int8_alone(starter: TextClassifier) -> None:
    assert sum(path.stat().st_size for path in starter_folder().iterdir()) <= 20e6
    assert starter.bundle.precisions == ("int8",)
    assert starter.task == "multi_label"
    assert {*starter.labels} == {label for labels in SENTIMENT.values() for label in labels}


def test_it_tells_nothing_of_the_machine_that_made_it() -> None:
    for path in starter_folder().iterdir():
        assert b"site-packages" not in path.read_bytes(), path.name


def test_its_card_and_its_origin_are_those_of_the_recorded_run(starter: TextClassifier) -> None:
    results = Results.load(ROOT / "results" / "starter" / "results.json")
    origin = starter.bundle.manifest.origin
    arm = next(a for a in results.arms if (a.name, a.seed) == (origin.arm, origin.seed))
    assert origin.weights_sha256 == arm.weights_sha256
    assert origin.data == results.data.sha256
    assert origin.commit == results.environment.commit
    assert starter.bundle.manifest.thresholds == arm.thresholds
    assert starter.bundle.manifest.temperature == arm.temperature
    card = (starter_folder() / "README.md").read_text("utf-8")
    for fact in (arm.weights_sha256, str(origin.commit), *origin.data.values()):
        assert fact in card
    for splits in starter.bundle.manifest.quality.values():
        for quality in splits.values():
            assert f"{quality.f1_macro:.4f}" in card


def test_readme_and_docs_tell_its_figures(starter: TextClassifier) -> None:
    shipped = starter.bundle.manifest.quality["int8"]["test"]
    megabytes = sum(path.stat().st_size for path in starter_folder().iterdir()) / 1e6
    for page in ("README.md", "docs/bundles.md"):
        text = (ROOT / page).read_text("utf-8")
        for figure in (shipped.f1_macro, shipped.f1_weighted):
            assert f"{figure:.4f}" in text
        assert f"{megabytes:.1f} MB" in text


def test_it_is_good_enough_to_ship(starter: TextClassifier) -> None:
    quality = starter.bundle.manifest.quality
    assert quality["int8"]["test"].f1_macro >= 0.46
    for metric in ("accuracy", "f1_macro"):
        lost = getattr(quality["fp32"]["validation"], metric) - getattr(
            quality["int8"]["validation"], metric
        )
        assert lost <= 0.005


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("thanks a lot!", "gratitude"),
        ("I love you so much", "love"),
        ("I'm so sorry, that was my fault", "remorse"),
        ("haha that is hilarious", "amusement"),
        ("this makes me furious", "anger"),
        ("The meeting is at ten.", "neutral"),
    ],
)
def test_plain_cases_are_read_plainly(starter: TextClassifier, text: str, label: str) -> None:
    assert starter.predict(text)[0].label == label


def test_it_can_say_two_emotions(starter: TextClassifier) -> None:
    labels = starter.predict("Thank you, I love it!")[0].labels
    assert {"gratitude", "love"} <= {*labels}


def test_sadness_is_not_toxic_and_an_insult_is(starter: TextClassifier) -> None:
    sad, rude = starter.predict(
        ["I miss my grandmother every day.", "You disgusting idiot, shut up!"]
    )
    assert sad.toxic is False and rude.toxic is True
    assert sad.toxic_by_label is True
