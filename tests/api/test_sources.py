"""Recipes, tables and DataFrames, and arguments that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

import distillora as dl
from distillora.data.tabular import read_frame
from distillora.errors import (
    DataError,
    InputError,
    RecipeError,
    RunFolderError,
)
from distillora.recipe import Data, parse_recipe
from tiny import make_frame

Values = dict[str, Any]
BASELINE = {"floor": {"init": {"baseline": "tfidf"}}}


@pytest.mark.parametrize("kind", ["name", "file", "path", "dict", "recipe"])
def test_a_recipe_may_be_a_name_a_file_a_dict_or_read(
    tmp_path: Path, light_recipe: Values, kind: str
) -> None:
    file = tmp_path / "light.yaml"
    file.write_text(yaml.safe_dump(light_recipe))
    recipe: Any = {
        "name": "quickstart",
        "file": str(file),
        "path": file,
        "dict": light_recipe,
        "recipe": parse_recipe(light_recipe),
    }[kind]
    settings = {"data.limit": 30, "contrasts": [], "arms": BASELINE}
    if kind != "name":
        settings["data.source"] = "sample"
    results = dl.compare(recipe, settings=settings, out=tmp_path / "run", progress=False)
    assert results.record.recipe["name"] == ("quickstart" if kind == "name" else "light")
    assert results.record.data.rows["train"] == 30 and list(results.arms) == ["floor"]
    assert light_recipe["arms"] == BASELINE and "data" not in light_recipe


@pytest.mark.slow
def test_a_data_frame_is_read_like_the_table_that_it_would_be(
    tmp_path: Path, light_recipe: Values
) -> None:
    frame = make_frame()
    frame.to_csv(tmp_path / "table.csv", index=False)
    names: dict[str, Any] = {"text": "body", "label": "queue"}
    shared: dict[str, Any] = {**names, "recipe": light_recipe, "progress": False}
    of_frame = dl.compare(frame.sample(len(frame), random_state=0).sort_values("id"), **shared,
                          out=tmp_path / "frame")  # fmt: skip
    of_table = dl.compare(tmp_path / "table.csv", **shared, out=tmp_path / "table")
    assert of_frame.record.data.sha256 == of_table.record.data.sha256
    assert of_frame.record.data.labels == ("topic 0", "topic 1", "topic 2")
    assert of_frame.record.recipe["data"]["source"] == "dataframe"
    figures = [r.record.arms[0].metrics.test.loss for r in (of_frame, of_table)]
    assert figures[0] == figures[1]


def test_a_data_frame_holds_labels_of_many_kinds() -> None:
    frame = make_frame()
    numbers = frame["queue"].str[-1].astype(int)
    lists = [[f"a{n}", "b"] if n else ["b"] for n in numbers]
    data = Data(source="dataframe", split_shares=(0.5, 0.25, 0.25))
    for labels, expected in (
        (numbers.astype("Int64"), ("0", "1", "2")),
        (numbers.astype("float32"), ("0", "1", "2")),
        (frame["queue"].astype("category"), ("topic 0", "topic 1", "topic 2")),
        (lists, ("a1", "a2", "b")),
        ([np.array(row) for row in lists], ("a1", "a2", "b")),
        ([set(row) for row in lists], ("a1", "a2", "b")),
    ):
        read = read_frame(frame.assign(queue=labels).rename(columns={"queue": "label"}), data)
        assert read.label_names == expected
        train = read.splits["train"]
        several = sum(len(row) == 2 for split in read.splits.values() for row in split.labels)
        assert several == (sum(numbers > 0) if "b" in expected else 0)
        number = int(train.ids[0].removeprefix("row-")) - 1
        assert train.texts[0] == frame["body"][number]


@pytest.mark.slow
def test_a_run_on_a_data_frame_continues_with_it_and_with_its_own_copy(
    tmp_path: Path, light_recipe: Values, run_cli: Callable[..., Any]
) -> None:
    out, frame = tmp_path / "run", make_frame()
    shared: dict[str, Any] = {"recipe": light_recipe, "out": out, "progress": False}
    first = dl.compare(frame, **shared).record
    trained = (out / "arms/floor/seed-0/training.json").stat().st_mtime_ns
    assert dl.compare(frame, **shared).record.arms == first.arms
    (out / "results.json").unlink()
    assert dl.compare(out / "recipe.yaml", out=out, progress=False).record.arms == first.arms
    done = run_cli("compare", "--recipe", out / "recipe.yaml", "--out", out)
    assert done.code == 0, done.err
    assert (out / "arms/floor/seed-0/training.json").stat().st_mtime_ns == trained
    other = frame.assign(body=["w9 " + text for text in frame["body"]])
    with pytest.raises(RunFolderError, match="`retrain_changed`"):
        dl.compare(other, **shared)
    renewed = dl.compare(other, **shared, retrain_changed=True).record
    assert renewed.data.sha256 != first.data.sha256
    elsewhere = run_cli("compare", "--recipe", out / "recipe.yaml", "--out", tmp_path / "new")
    assert elsewhere.code == 2 and "distillora.compare in Python" in elsewhere.err


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda frame: frame.drop(columns="body"), {"text": "body"}, "no column 'body'"),
        (lambda frame: frame.rename(columns={"body": "b"}), {}, "Name it with `text`"),
        (lambda frame: frame.rename(columns={"queue": "q"}), {}, "Name it with `label`"),
        (lambda frame: frame[:0], {}, "has no rows"),
        (lambda frame: frame.rename(columns={"id": "body"}), {}, "two columns called 'body'"),
        (lambda frame: frame.assign(body=[*frame["body"][:-1], None]), {}, "row 60: the text is"),
        (lambda frame: frame.assign(queue=[*frame["queue"][:-1], pd.NA]), {}, "row 60: it has no"),
        (lambda frame: frame.assign(body=range(60)), {}, "row 1: the text is of type int"),
    ],
)
def test_a_data_frame_that_cannot_be_used_is_refused_by_column_or_row(
    light_recipe: Values, change: Any, options: Values, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        dl.audit(change(make_frame()), **options)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        (("quikstart",), {}, RecipeError, "Did you mean the recipe 'quickstart'"),
        (("quikstart",), {"recipe": "quickstart"}, InputError, "quikstart does not exist. The"),
        (("sample",), {"recipe": "quikstart"}, RecipeError, "Did you mean 'quickstart'"),
        (("gone.yaml",), {}, RecipeError, "neither a recipe"),
        (("gone.csv",), {}, InputError, "gone.csv does not exist"),
        (({"name": "x"},), {}, RecipeError, "arms"),
        (({},), {}, RecipeError, "arms: Field required"),
        (({"name": "x"},), {"recipe": "quickstart"}, InputError, "two recipes"),
        (([1, 2],), {}, InputError, "`source` cannot be of type list"),
        (("sample",), {"seeds": 0}, InputError, "`seeds` must be 1 or more"),
        (("sample",), {"seeds": "3"}, InputError, "`seeds` must be a whole number .* not '3'"),
        (("sample",), {"seeds": ["3"]}, InputError, "`seeds` must be a whole number"),
        (("sample",), {"seeds": True}, InputError, "`seeds` must be .* not True"),
        (("sample",), {"seeds": 2.0}, InputError, "`seeds` must be .* not 2.0"),
        (("sample",), {"jobs": 0}, InputError, "`jobs` must be 1 or more"),
        (("sample",), {"settings": {"traning.epochs": 1}}, RecipeError, "'training'"),
        (("sample",), {"settings": {"name.first": 1}}, RecipeError, "name has no keys"),
        (("sample",), {"task": "regression"}, RecipeError, "task"),
        (("sample",), {"text": "body"}, RecipeError, "text_column is for source"),
        (("your-data",), {}, InputError, "`source`"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Any,
    options: Values,
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        dl.compare(*arguments, **options, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", [dl.preview, dl.audit, dl.predict_file])
def test_a_misspelt_argument_is_an_error_of_the_function_that_was_called(function: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) got .* 'txt'"):
        function("sample", "out.csv", txt="body") if function is dl.predict_file else function(
            "sample", txt="body"
        )


def test_a_preview_shows_the_arms_and_writes_nothing(tmp_path: Path, light_recipe: Values) -> None:
    console = Console(file=StringIO(), width=120)
    console.print(dl.preview(make_frame(), recipe=light_recipe, seeds=[3], out=tmp_path / "run"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "floor" in shown and "3 labels" in shown and not list(tmp_path.iterdir())


def test_an_audit_counts_the_rows_of_each_split() -> None:
    split = ["train"] * 40 + ["dev"] * 10 + ["test"] * 10
    audit = dl.audit(make_frame(part=split), text="body", label="queue", split="part")
    assert {name: own.rows for name, own in audit.splits.items()} == {
        **{"train": 40, "validation": 10},
        "test": 10,
    }
