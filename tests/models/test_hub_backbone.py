"""Encoders, tokenizers and a whole run from a stand-in for the Hub."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub import add_repo, hub_environment, serve_hub
from tiny import LABELS, save_tiny_backbone, tiny_model, write_tiny_data

pytestmark = pytest.mark.slow  # every test starts a process that imports the client

MODEL, DATA = "tests/tiny-bert", "tests/tiny_data"
OLD = "0123456789abcdef0123456789abcdef01234567"
NEW = "89abcdef0123456789abcdef0123456789abcdef"

LOAD = """
import json, sys
from distillora.errors import DistilloraError
from distillora.models.backbones import load_backbone, load_tokenizer
from distillora.models.hashes import weights_sha256
name, revision, labels = sys.argv[1], sys.argv[2] or None, json.loads(sys.argv[3])
try:
    model = load_backbone(name, revision, labels, multi_label=False)
    tokenizer = load_tokenizer(name, revision)
except DistilloraError as error:
    print(f"{type(error).__name__}: {error}")
else:
    encoder = weights_sha256(model.base_model.encoder)
    print(json.dumps({"encoder": encoder, "ids": tokenizer("w7 w9")["input_ids"]}))
"""


def run_load(url: str, home: Path, name: str = MODEL, revision: str = OLD, **extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, name, revision, json.dumps(LABELS)],
        env=hub_environment(url, home, **extra),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def encoder_sha256(seed: int) -> str:
    from distillora.models.hashes import weights_sha256

    return weights_sha256(tiny_model(seed=seed).base_model.encoder)


def write_hub_data(folder: Path) -> Path:
    """Write the tiny data set as the Hub stores it."""
    from datasets import ClassLabel, Dataset, Features, List, Value

    from distillora.data.sources import load_dataset
    from distillora.recipe import Data

    dataset = load_dataset(Data(source="folder", path=write_tiny_data(folder / "tsv")))
    names = list(dataset.label_names)
    features = Features(
        {"text": Value("string"), "labels": List(ClassLabel(names=names)), "id": Value("string")}
    )
    (folder / "hub" / "simplified").mkdir(parents=True)
    for name, split in dataset.splits.items():
        rows = {"text": split.texts, "labels": split.labels, "id": split.ids}
        file = folder / "hub" / "simplified" / f"{name}-00000-of-00001.parquet"
        Dataset.from_dict({k: list(v) for k, v in rows.items()}, features=features).to_parquet(file)
    (folder / "hub" / "README.md").write_text(
        "---\nconfigs:\n- config_name: simplified\n  data_files:\n"
        + "".join(f"  - split: {s}\n    path: simplified/{s}-*\n" for s in dataset.splits)
        + "---\nA tiny data set.\n"
    )
    return folder / "hub"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    for seed, revision in enumerate((OLD, NEW)):
        folder = save_tiny_backbone(root / "made" / revision, seed=seed)
        add_repo(root, "models", MODEL, folder, revision=revision)
    add_repo(root, "models", "tests/gated", folder, revision=OLD, gated=True)
    add_repo(root, "datasets", DATA, write_hub_data(root / "made" / "data"), revision=OLD)
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[str]:
    with serve_hub(root) as url:
        yield url


@pytest.mark.parametrize(
    ("revision", "seed"), [(OLD, 0), (NEW, 1), ("", 1)], ids=["pinned", "newest", "none given"]
)
def test_the_weights_are_those_of_the_revision(
    revision: str, seed: int, hub: str, tmp_path: Path
) -> None:
    loaded = json.loads(run_load(hub, tmp_path, revision=revision))
    assert loaded == {"encoder": encoder_sha256(seed), "ids": [2, 7, 9, 3]}


def test_what_was_loaded_once_loads_again_without_network(root: Path, tmp_path: Path) -> None:
    with serve_hub(root) as url:
        online = run_load(url, tmp_path)
    assert run_load(url, tmp_path, HF_HUB_OFFLINE="1") == online
    started = time.monotonic()
    assert run_load(url, tmp_path) == online
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("extra", [{}, {"HF_HUB_OFFLINE": "1"}], ids=["unreachable", "offline"])
def test_without_network_the_other_ways_are_named(extra: dict[str, str], tmp_path: Path) -> None:
    started = time.monotonic()
    message = run_load("http://127.0.0.1:9", tmp_path, **extra)
    assert time.monotonic() - started < 20
    assert message.startswith(f"OfflineError: The Hub cannot be reached for {MODEL}")
    assert "backbone: bundled" in message and "backbone: path/to/folder" in message


@pytest.mark.parametrize(
    ("name", "revision"),
    [(MODEL, "f" * 40), ("tests/nothing-here", OLD), ("tests/gated", OLD)],
    ids=["revision", "model", "permission"],
)
def test_what_the_hub_does_not_give_is_named(
    name: str, revision: str, hub: str, tmp_path: Path
) -> None:
    message = run_load(hub, tmp_path, name, revision)
    assert message.startswith("ModelError: ")
    assert name in message


def recipe() -> dict[str, Any]:
    return {
        "name": "from-the-hub",
        "data": {"source": "hub", "hub_id": DATA, "hub_revision": OLD, "max_length": 16},
        "training": {"epochs": 1, "batch_size": 8},
        "arms": {
            "teacher": {"init": {"backbone": MODEL, "revision": OLD}},
            "odd": {
                "init": {"arm": "teacher", "layers": "odd"},
                "objective": {"labels": 0.5, "distillation": 0.5},
            },
        },
    }


def test_a_run_takes_data_and_encoder_from_the_hub(hub: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(), sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "distillora", "compare", "--recipe", "recipe.yaml", "--out", "run"],
        env=hub_environment(hub, tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [arm["name"] for arm in results["arms"]] == ["teacher", "odd"]
    assert results["arms"][1]["layers"] == [1, 3, 5]
    assert results["data"]["source"] == f"{DATA} at {OLD}"
    assert results["data"]["rows"] == {"train": 60, "validation": 20, "test": 20}
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
