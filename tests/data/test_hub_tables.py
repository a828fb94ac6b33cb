"""Data sets of the Hub whose columns, splits and labels are their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.hub_loading import run_load
from hub import add_repo, hub_environment, serve_hub, write_hub_dataset, write_hub_table

pytestmark = pytest.mark.slow  # every test starts a process that imports the client

QUEUES = ("refund", "login", "delivery")
CLASSES = ["delivery", "refund", "never used", "login"]
OLD, NEW = "a" * 40, "b" * 40


def rows(count: int, word: str = "ticket") -> list[tuple[str, str]]:
    """Return texts with a queue each, in turn."""
    return [(f"{word} number {i}", QUEUES[i % 3]) for i in range(count)]


def as_columns(some: list[tuple[str, str]], text: str, label: str) -> dict[str, list[Any]]:
    return {text: [one for one, _ in some], label: [one for _, one in some]}


def by_number(some: list[tuple[str, str]]) -> dict[str, list[Any]]:
    return as_columns(
        [(text, CLASSES.index(queue)) for text, queue in some], "sentence", "category"
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    made = root / "made"

    def publish(name: str, splits: dict[str, Any], revision: str | None = None, **kw: Any) -> None:
        folder = write_hub_table(made / f"{name}-{revision}", splits, **kw)
        add_repo(root, "datasets", f"tests/{name}", folder, revision)

    whole = as_columns(rows(60), "sentence", "category")
    publish("names", {"train": whole}, OLD)
    publish("names", {"train": as_columns(rows(90), "sentence", "category")}, NEW)
    classes = {"category": CLASSES}
    publish(
        "numbers",
        {"train": by_number(rows(60)), "test": by_number(rows(6, "new"))},
        classes=classes,
    )
    extra = {"number": list(range(60)), "remark": ["nothing"] * 60, "subject": whole["sentence"]}
    publish("wide", {"train": {**extra, "queue_name": whole["category"]}})
    fixed = {**as_columns(rows(60), "text", "labels"), "id": [f"x{i}" for i in range(60)]}
    publish("alike", dict.fromkeys(("train", "validation", "test"), fixed))
    few = {"text": ["good", "bad"], "labels": [[0], [1]], "id": ["x", "y"]}
    for name, splits in {
        "one_config": ("train", "validation", "test"),
        "twice": ("train", "dev", "validation"),
    }.items():
        folder = write_hub_dataset(made / name, dict.fromkeys(splits, few), ["a", "b"])
        add_repo(root, "datasets", f"tests/{name}", folder)
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[str]:
    with serve_hub(root) as url:
        yield url


def load(hub: str, home: Path, name: str, **keys: Any) -> Any:
    """Return the dataset that the Hub gives: labels, splits and source."""
    said = tell(hub, home, name, **keys)
    assert said.startswith("{"), said
    return json.loads(said)


def tell(hub: str, home: Path, name: str, **keys: Any) -> str:
    """Return what reading prints where it fails: the error's kind and message, on one line."""
    data = {"source": "hub", "hub_id": f"tests/{name}", **keys}
    return " ".join(run_load(hub, home, json.dumps(data)).split())


def pairs(dataset: Any, split: str) -> list[tuple[str, str]]:
    """Return the texts of a split with the name of their one label."""
    texts, labels, _ = dataset["splits"][split]
    return [(text, dataset["labels"][row[0]]) for text, row in zip(texts, labels, strict=True)]


def all_pairs(dataset: Any) -> list[tuple[str, str]]:
    return sorted(pair for split in dataset["splits"] for pair in pairs(dataset, split))


def test_of_a_train_split_alone_the_others_are_drawn_by_label(hub: str, tmp_path: Path) -> None:
    dataset = load(hub, tmp_path, "names", hub_revision=OLD)
    assert dataset["labels"] == sorted(QUEUES)
    assert all_pairs(dataset) == sorted(rows(60))
    for split, each in {"train": 16, "validation": 2, "test": 2}.items():
        assert Counter(name for _, name in pairs(dataset, split)) == dict.fromkeys(QUEUES, each)


def test_numbered_classes_keep_their_names_and_a_given_test_split_its_rows(
    hub: str, tmp_path: Path
) -> None:
    dataset = load(hub, tmp_path, "numbers")
    assert dataset["labels"] == ["delivery", "refund", "login"]  # as in CLASSES, those in use
    assert pairs(dataset, "test") == rows(6, "new")
    assert sorted(pairs(dataset, "train") + pairs(dataset, "validation")) == sorted(rows(60))


def test_columns_can_be_chosen(hub: str, tmp_path: Path) -> None:
    named = {"text_column": "subject", "label_column": "queue_name"}
    dataset = load(hub, tmp_path, "wide", **named)
    assert all_pairs(dataset) == sorted(rows(60))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "which column contains the texts?"),
        ({"text_column": "subjekt"}, "no column 'subjekt'. Did you mean 'subject'?"),
        ({"text_column": "subject", "label_column": "zzz"}, "no column 'zzz'."),
    ],
)
def test_columns_that_are_unclear_or_absent_are_answered_with_those_that_exist(
    hub: str, tmp_path: Path, columns: dict[str, str], expected: str
) -> None:
    message = tell(hub, tmp_path, "wide", **columns)
    assert message.startswith("DataError: tests/wide at ") and expected in message
    for column in ("number", "remark", "queue_name"):
        assert message.count(column) == 1


def test_columns_called_like_those_of_goemotions_may_hold_names(hub: str, tmp_path: Path) -> None:
    dataset = load(hub, tmp_path, "alike")
    assert dataset["labels"] == sorted(QUEUES)
    assert pairs(dataset, "validation") == rows(60)


def test_a_split_given_under_two_names_is_refused(hub: str, tmp_path: Path) -> None:
    assert "has two validation splits, dev and validation" in tell(hub, tmp_path, "twice")


def test_without_a_revision_the_newest_commit_is_read_and_recorded(
    root: Path, tmp_path: Path
) -> None:
    with serve_hub(root) as url:
        newest = load(url, tmp_path, "names")
        load(url, tmp_path, "names", hub_revision=OLD)
    assert newest["source"] == f"tests/names at {NEW}"
    assert sum(len(texts) for texts, _, _ in newest["splits"].values()) == 90
    # offline, which is the newest cannot be known, so none is taken silently; but those there work
    offline = tell(url, tmp_path, "names")
    assert offline.startswith("OfflineError: The Hugging Face Hub cannot be reached")
    assert f"`--revision {NEW}`" in offline and f"`--revision {OLD}`" in offline
    assert load(url, tmp_path, "names", hub_revision=NEW) == newest


def test_the_only_configuration_needs_no_name_and_offline_it_is_told(
    root: Path, tmp_path: Path
) -> None:
    with serve_hub(root) as url:
        dataset = load(url, tmp_path, "one_config")
    commit = dataset["source"].removeprefix("tests/one_config at ")
    offline = tell(url, tmp_path, "one_config", hub_revision=commit)
    assert f"`--config simplified --revision {commit}`" in offline
    again = load(url, tmp_path, "one_config", hub_revision=commit, hub_config="simplified")
    assert again["splits"] == dataset["splits"]


def test_the_command_line_reads_a_data_set_by_its_name(hub: str, tmp_path: Path) -> None:
    words = ("data", "tests/names", "--revision", OLD, "--label-column", "category")
    done = subprocess.run(
        [sys.executable, "-m", "distillora", *words],
        env=hub_environment(hub, tmp_path, COLUMNS="200"),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"rows +48 +6 +6\n", done.stdout)  # of the old commit, not of the newest
    assert "stratified by label" in done.stdout and all(queue in done.stdout for queue in QUEUES)
