from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.hub_loading import run_load
from hub import add_repo, serve_hub, write_hub_dataset

pytestmark = pytest.mark.slow  # every test starts a process that imports the client

REPO = "tests/tiny_emotions"
FIRST = "0123456789abcdef0123456789abcdef01234567"
SECOND = "89abcdef0123456789abcdef0123456789abcdef"
OFFLINE_WAYS = ("with `data`", "folder")


def write_dataset(folder: Path, first_text: str = "so happy") -> Path:
    rows = {
        split: {"text": [first_text, split], "labels": [[0, 2], [1]], "id": ["a", "b"]}
        for split in ("train", "validation", "test")
    }
    return write_hub_dataset(folder, rows, ["joy", "anger", "neutral"])


def from_hub(revision: str = FIRST, hub_id: str = REPO, config: str = "simplified") -> str:
    return (
        f'{{"source": "hub", "hub_id": "{hub_id}", "hub_config": "{config}", '
        f'"hub_revision": "{revision}"}}'
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    folder = write_dataset(root / "made" / "first")
    add_repo(root, "datasets", REPO, folder, revision=FIRST)
    add_repo(root, "datasets", "tests/gated", folder, revision=FIRST, gated=True)
    second = write_dataset(root / "made" / "second", "so very happy")
    add_repo(root, "datasets", REPO, second, revision=SECOND)
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[str]:
    with serve_hub(root) as url:
        yield url


def test_the_hub_gives_the_rows_of_the_folder_that_was_published(
    hub: str, root: Path, tmp_path: Path
) -> None:
    from distillora.data.sources import load_dataset
    from distillora.recipe import Data

    loaded = json.loads(run_load(hub, tmp_path, from_hub()))
    folder = load_dataset(Data(source="folder", path=root / "made" / "first"))
    expected = {n: [s.texts, s.labels, s.ids] for n, s in folder.splits.items()}
    assert loaded["splits"] == json.loads(json.dumps(expected))
    assert loaded["labels"] == ["joy", "anger", "neutral"]
    assert loaded["source"] == f"{REPO} (simplified) at {FIRST}"


def test_the_cached_revision_is_used_without_network_and_no_other(
    root: Path, tmp_path: Path
) -> None:
    with serve_hub(root) as url:
        online = run_load(url, tmp_path, from_hub())
    assert run_load(url, tmp_path, from_hub()) == online
    assert run_load(url, tmp_path, from_hub(SECOND)).startswith("OfflineError: ")


def test_an_unreachable_hub_is_named_quickly_with_the_ways_around_it(tmp_path: Path) -> None:
    started = time.monotonic()
    message = run_load("http://127.0.0.1:9", tmp_path, from_hub())
    assert time.monotonic() - started < 30
    assert message.startswith("OfflineError: The Hugging Face Hub cannot be reached")
    assert all(way in message for way in OFFLINE_WAYS)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (from_hub("f" * 40), "f" * 40),
        (from_hub(hub_id="tests/nothing_here"), "tests/nothing_here"),
        (from_hub(hub_id="tests/gated"), "gated"),
        (from_hub(config="complicated"), "complicated"),
    ],
    ids=["revision", "data set", "permission", "configuration"],
)
def test_what_the_hub_does_not_give_is_named_with_the_ways_around_it(
    hub: str, tmp_path: Path, data: str, named: str
) -> None:
    started = time.monotonic()
    message = run_load(hub, tmp_path, data)
    assert time.monotonic() - started < 30
    assert message.startswith("DataError: ")
    assert named in message
    assert all(way in message for way in OFFLINE_WAYS)


def test_a_local_folder_of_the_same_name_is_not_taken_for_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / REPO)
    monkeypatch.chdir(tmp_path)
    message = run_load("http://127.0.0.1:9", tmp_path / "home", from_hub())
    assert message.startswith("OfflineError: ")
