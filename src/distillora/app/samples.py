"""Random samples of texts with true labels, and their predictions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from distillora.app.models import Choice, open_classifier
from distillora.data.dataset import Dataset
from distillora.data.sources import read_dataset
from distillora.inference.classifier import Prediction
from distillora.recipe import Data

ENOUGH = 200


@dataclass(frozen=True)
class Drawing:
    """A random draw: data folder (None: the bundled sample), number of texts, and seed.

    The same drawing always gives the same texts.
    """

    folder: Path | None
    size: int
    number: int


@dataclass(frozen=True)
class SampledText:
    """A text with its true labels and its prediction."""

    text: str
    truth: tuple[str, ...]
    prediction: Prediction

    @property
    def is_right(self) -> bool:
        """Whether the most probable label is one of the true labels."""
        return self.prediction.label in self.truth


@st.cache_resource(show_spinner="Reading the data …", max_entries=2)
def open_dataset(folder: Path | None) -> Dataset:
    """Read the data once for all visitors.

    Raises:
        DataError: a file, a row or a label cannot be read.
    """
    if folder is None:
        return read_dataset(Data(source="sample"))
    return read_dataset(Data(source="folder", path=folder))


def splits_to_draw_from(dataset: Dataset) -> tuple[str, ...]:
    """Return ``test``, and also ``validation`` if test is small; never ``train``."""
    return ("test",) if len(dataset.splits["test"]) >= ENOUGH else ("test", "validation")


def draw_texts(drawing: Drawing) -> list[tuple[str, tuple[str, ...]]]:
    """Return random texts with their label names; fewer if the data has fewer."""
    dataset = open_dataset(drawing.folder)
    pool = [
        (text, tuple(dataset.label_names[i] for i in labels))
        for name in splits_to_draw_from(dataset)
        for text, labels in zip(
            dataset.splits[name].texts, dataset.splits[name].labels, strict=True
        )
    ]
    return random.Random(drawing.number).sample(pool, min(drawing.size, len(pool)))


@st.cache_data(show_spinner="Classifying the texts …", max_entries=24)
def score_drawing(choice: Choice, drawing: Drawing) -> list[SampledText]:
    """Classify the texts of a drawing."""
    drawn = draw_texts(drawing)
    predictions = open_classifier(choice).predict([text for text, _ in drawn])
    return [
        SampledText(text, truth, prediction)
        for (text, truth), prediction in zip(drawn, predictions, strict=True)
    ]


def describe_source(folder: Path | None) -> str:
    """Return a sentence about the source of the examples."""
    dataset = open_dataset(folder)
    splits = " and ".join(splits_to_draw_from(dataset))
    if folder is None:
        return (
            f"Texts from distillora's bundled sample ({splits}), written in the style of "
            "GoEmotions. They show how the app works, but not how good a model is: for that, start "
            "the app with real data (`--data FOLDER`)."
        )
    return f"Texts from the data folder “{folder.name}” ({splits})."
