"""What tests of the whole share: the command line, a tiny backbone, a tiny data set."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def pytest_collection_finish() -> None:
    """Exempt what importing the test modules made from garbage collection.

    ``Trainer`` collects garbage at each start, which takes half a second among the objects of
    PyTorch, transformers and Altair.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def light_runs() -> Iterator[None]:
    """Spare the runs of this process work whose result no test looks at.

    They time a handful of texts instead of a hundred, and leave it to the system when files reach
    the disk: only a power failure would show the difference.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distillora.pipeline.measure.LATENCY_TEXTS", 5)
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True)
def own_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the process's own ``__main__`` back afterwards.

    Streamlit's ``AppTest`` leaves its script there, and a process that a later test spawns would
    run that script while it starts.
    """
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def run_cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command line in this process; returns exit status, output and error output."""
    from distillora.cli import main

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["distillora", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 6 layers and a few thousand parameters, with its tokenizer, on disk."""
    from tiny import save_tiny_backbone

    return save_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of a few dozen short texts, in the folder format."""
    from tiny import write_tiny_data

    return write_tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multi-label bundle of a tiny untrained model, in fp32 and int8."""
    from tiny import save_tiny_bundle

    return save_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def tiny_recipe(backbone: Path, data_folder: Path) -> dict[str, Any]:
    """The recipe of :func:`tiny.tiny_recipe_values`, to change at will."""
    from tiny import tiny_recipe_values

    return tiny_recipe_values(backbone, data_folder)


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Write a recipe to a file and return its path."""

    def write(values: dict[str, Any]) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
        return path

    return write
