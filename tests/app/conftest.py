"""Tiny models, a run with an arm, and the app in Streamlit's own test runner."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.bag import save_bag
from distillora.data.labels import SENTIMENT

GOEMOTIONS = tuple(label for labels in SENTIMENT.values() for label in labels)
RECORDED_RUN = Path(__file__).parents[2] / "results" / "goemotions-minilm"


WORDS = {
    "amazing": {"joy": 5.0, "excitement": 3.0},
    "believe": {"joy": -1.0, "surprise": 1.5},
    "love": {"love": 4.0},
    "awful": {"anger": 4.0, "disgust": 1.0},
    "lonely": {"sadness": 4.0},
    "the": {"approval": 0.5},
    "you": {"gratitude": 1.0},
    "i": {"desire": 0.5},
}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multi-label bundle of GoEmotions' 28 labels."""
    return save_bag(tmp_path_factory.mktemp("bundle"), WORDS, GOEMOTIONS, name="bag of words")


@pytest.fixture(scope="session")
def few_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single-label bundle of three labels, none of which tells of toxicity."""
    words = {"amazing": {"joy": 2.0}, "believe": {"surprise": 1.0}}
    labels = ("joy", "surprise", "zeal")
    return save_bag(
        tmp_path_factory.mktemp("few"), words, labels, name="few labels", task="single_label"
    )


@pytest.fixture(scope="session")
def run_folder(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report, of whose arms only ``odd`` has a model."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    shutil.copytree(RECORDED_RUN, folder)
    shutil.copytree(bundle, folder / "arms" / "odd" / "seed-0" / "bundle")
    return folder


def _script(models: list[object], run: object, data: object) -> None:
    from distillora.app.main import show
    from distillora.app.settings import Options

    show(Options(tuple(models), run, data))  # type: ignore[arg-type]


@pytest.fixture
def open_app(bundle: Path) -> Callable[..., AppTest]:
    """Open the app as a link would: keyword arguments are query parameters."""

    def open_(
        *models: Path, run: Path | None = None, data: Path | None = None, **query: str
    ) -> AppTest:
        words = {"models": list(models or (bundle,)), "run": run, "data": data}
        page = AppTest.from_function(_script, default_timeout=30, kwargs=words)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return open_
