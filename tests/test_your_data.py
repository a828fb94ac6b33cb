"""A data set of another kind, from a file to a bundle; and what the command line says of it."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification

from distillora.api.choice import choose_recipe
from distillora.errors import RecipeError
from distillora.recipe import Data, parse_recipe, suit_recipe
from distillora.recipe.suiting import training_for_size

Cli = Callable[..., Any]
MAKE_TICKETS = Path(__file__).parents[1] / "docs" / "make_tickets.py"
LORA = {"method": "lora", "rank": 4}


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "my tickets.csv"
    subprocess.run([sys.executable, MAKE_TICKETS, path, "--rows", "90"], check=True)
    return path


def write_counts(path: Path) -> Path:
    """Write word counts of scikit-learn's generator as texts, with the topics that made them."""
    counts, matrix = make_multilabel_classification(
        120,
        n_features=30,
        n_classes=4,
        n_labels=2,
        length=12,
        allow_unlabeled=False,
        random_state=0,
    )
    with path.open("w") as stream:
        for words, topics in zip(counts.astype(int), matrix, strict=True):
            text = " ".join(f"w{i + 5}" for i, times in enumerate(words) for _ in range(times))
            names = [f"topic {i}" for i in np.flatnonzero(topics)]
            stream.write(json.dumps({"body": text or "w199", "topics": names}) + "\n")
    return path


def tiny_values(backbone: Path, path: Path, **data: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "data": {"source": "table", "path": str(path), "max_length": 32, **data},
        "training": {"epochs": 1, "precision": "fp32", "learning_rate": 1e-3},
        "arms": {
            "teacher": {"init": {"backbone": str(backbone)}},
            "odd": {
                "init": {"arm": "teacher", "layers": "odd"},
                "objective": {"labels": 0.5, "distillation": 0.5},
            },
        },
    }


@pytest.mark.slow
def test_a_multi_label_table_becomes_a_bundle_that_scores_files(
    run_cli: Cli, write_recipe: Cli, backbone: Path, tmp_path: Path
) -> None:
    source = write_counts(tmp_path / "counts.jsonl")
    recipe = write_recipe(tiny_values(backbone, source, label_column="topics"))
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    done = run_cli("compare", "--recipe", recipe, "--out", run)
    assert done.code == 0, done.err
    results = json.loads((run / "results.json").read_text())
    assert results["data"]["task"] == "multi_label"
    assert results["data"]["labels"] == [f"topic {i}" for i in range(4)]
    assert results["recipe"]["training"]["batch_size"] == 8
    report = (run / "report.md").read_text()
    for word in ("Taxonomy", "Published", "GoEmotions", "oxic"):
        assert word not in report
    again = run_cli("compare", "--recipe", recipe, "--out", run)
    assert again.code == 0 and "epoch 1/1" in done.err and "epoch 1/1" not in again.err

    moved = Path(shutil.move(source, tmp_path / "moved.jsonl"))
    arm = run / "arms" / "odd" / "seed-0"
    exported = run_cli("export", arm, "--out", bundle)  # the run holds its data
    assert exported.code == 0, exported.err
    card = (bundle / "README.md").read_text()
    for word in ("emotion", "Reddit", "oxic", "English", "go_emotions"):
        assert word not in card
    out = tmp_path / "scored.csv"
    scored = run_cli("predict", "--model", bundle, "--input", moved, "--output", out)
    assert scored.code == 0, scored.err
    assert out.read_text().splitlines()[0] == "body,topics,label,score,labels,error"
    said = json.loads(run_cli("predict", "--model", bundle, "--json", "w5 w6").out)
    assert said["toxicity"] is None and set(said["scores"]) == set(results["data"]["labels"])
    hostile = run_cli("predict", "--model", bundle, "--toxic-emotions", "topic 0", "w5 w6")
    assert "toxicity" in hostile.out
    threshold = run_cli("predict", "--model", bundle, "--toxic-threshold", "0.4", "w5 w6")
    assert threshold.code == 2 and "--toxic-emotions" in threshold.err


def test_a_dry_run_on_a_table_shows_what_was_chosen_for_it(run_cli: Cli, tickets: Path) -> None:
    done = run_cli("compare", "--data", tickets, "--dry-run")
    assert done.code == 0, done.err
    shown = " ".join(done.out.split())
    for words in (
        *("my-tickets:", "single_label, 5 labels", "validation and test were drawn"),
        *("batch_size 8", "learning_rate 0.001 for lora", "odd", "even"),
    ):
        assert words in shown
    own = run_cli("compare", "--data", tickets, "--dry-run", "--set", "training.epochs=2")
    assert "epochs 12" in shown and "epochs" not in own.out.split("Chosen for")[1].split(". ")[0]


def test_data_audits_a_table(run_cli: Cli, tickets: Path) -> None:
    done = run_cli("data", tickets, "--text-column", "text", "--label-column", "label")
    assert done.code == 0, done.err
    assert "delivery" in done.out and "stratified by label" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["my tickets.cvs"], "Did you mean 'my tickets.csv'?"),
        (["tickets"], "does not exist"),
        (["gone.csv"], "gone.csv does not exist"),
        (["notes.txt"], "notes.txt is not a table"),
        (["my tickets.csv", "--label-column", "labell"], "Did you mean 'label'?"),
        (["my tickets.csv", "--label-column", "text", "--text-column", "text"], "name two columns"),
        (["my tickets.csv", "--set", "data.split_shares=[0.5,0.1,0.1]"], "add up to 1"),
        (["my tickets.csv", "--label-column", "ticket"], "no label occurs in two rows"),
        (["sample", "--label-column", "label"], "label_column is for source 'table' or 'hub' or"),
    ],
)
def test_a_mistake_about_ones_data_is_explained(
    run_cli: Cli, tickets: Path, monkeypatch: Any, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(tickets.parent)
    (tickets.parent / "notes.txt").write_text("a text\n")
    done = run_cli("data", *words)
    assert done.code == 2, done.out
    assert expected in done.err and "Traceback" not in done.err


def test_without_data_the_recipe_for_it_says_what_it_needs(run_cli: Cli) -> None:
    done = run_cli("compare", "--recipe", "your-data", "--dry-run")
    assert done.code == 2 and "with --data" in done.err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "sample", "split_seed": 1}, "split_seed is for source"),
        (
            {"source": "hub", "split_column": "x"},
            "split_column is for source 'table' or 'dataframe'",
        ),
        ({"source": "hub", "path": "x.csv"}, "path is for source 'folder' or 'table'"),
        ({"source": "table", "split_column": "x", "test_path": "y.csv"}, "one of the two ways"),
        ({"source": "table", "split_shares": [0.8, 0.2, 0.0]}, r"data\.split_shares\.2"),
        ({"source": "table", "split_seed": -1}, r"data\.split_seed"),
        ({"source": "table", "label_separator": ""}, r"data\.label_separator"),
        ({"source": "table", "lable_column": "x"}, "Did you mean 'label_column'"),
    ],
)
def test_settings_of_data_that_do_not_fit_are_refused_by_their_key(
    data: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"name": "x", "data": data, "arms": {"a": {"init": {"backbone": "bundled"}}}})


def test_another_hub_data_set_does_not_inherit_the_revision_of_goemotions() -> None:
    own = Data(hub_id="owner/name")
    assert (own.hub_config, own.hub_revision) == (None, None)
    assert Data(hub_id=Data().hub_id).hub_revision == Data().hub_revision
    assert Data.model_validate(own.model_dump()) == own


def test_config_and_revision_of_the_command_line_are_those_of_the_data_set_named_there() -> None:
    keys = {"data.hub_config": "full", "data.hub_revision": "v2"}
    for recipe in (None, "goemotions-minilm"):
        data = choose_recipe("owner/name", recipe, settings=keys).data
        assert (data.hub_id, data.hub_config, data.hub_revision) == ("owner/name", "full", "v2")


def test_what_the_recipe_says_is_kept_and_the_rest_suits_the_size() -> None:
    arms = {
        "full": {"init": {"backbone": "bundled"}, "training": {"epochs": 2}},
        "lora": {"init": {"backbone": "bundled"}, "tuning": LORA},
    }
    values = {"name": "x", "data": {"source": "table", "path": "x.csv"}, "arms": arms}
    few, notes = suit_recipe(parse_recipe(values), 500, multi_label=True)
    assert few.task == "multi_label" and few.training.epochs == 10
    assert few.arms["full"].training.epochs == 2
    assert few.arms["full"].training.learning_rate == 1e-4
    assert few.arms["full"].head_learning_rate == pytest.approx(1e-3)
    assert few.arms["lora"].training.learning_rate == 1e-3
    assert few.arms["lora"].head_learning_rate is None
    assert any("500 training texts" in note for note in notes)
    assert suit_recipe(few, 90_000, multi_label=False) == (few, ())
    fixed = values | {"task": "single_label", "training": {"learning_rate": 1e-5}}
    own, notes = suit_recipe(parse_recipe(fixed), 500, multi_label=True)
    assert own.task == "single_label" and own.arms["lora"].training.learning_rate == 1e-5
    assert any("only the first label of a row counts" in note for note in notes)


def test_a_recipe_for_goemotions_keeps_the_defaults_of_a_recipe() -> None:
    values = {"name": "x", "data": {"source": "sample"}}
    recipe = parse_recipe(values | {"arms": {"a": {"init": {"backbone": "bundled"}}}})
    assert suit_recipe(recipe, 10, multi_label=True) == (recipe, ())


def test_more_texts_never_mean_more_epochs_or_a_smaller_batch() -> None:
    sizes = [training_for_size(rows) for rows in (20, 200, 1_000, 5_000, 30_000, 400_000)]
    for smaller, larger in itertools.pairwise(sizes):
        assert larger["epochs"] <= smaller["epochs"]
        assert larger["learning_rate"] >= smaller["learning_rate"]
        assert larger["batch_size"] >= smaller["batch_size"]
    assert sizes[-1] == {"epochs": 3, "batch_size": 32, "learning_rate": 2e-4}
