"""The Python API as its users write it."""

from __future__ import annotations

import json
import pickle
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
from distillora.errors import (
    BundleError,
    DataError,
    ExportError,
    InputError,
    RecipeError,
    RunFolderError,
)
from distillora.evaluation.results import Results as Record
from distillora.progress import Reporter
from distillora.recipe import parse_recipe
from distillora.report.verdict import judge
from tiny import VOCAB, tiny_recipe_values

Values = dict[str, Any]
BASELINE = {"floor": {"init": {"baseline": "tfidf"}}}


@pytest.fixture
def light_recipe() -> Values:
    """A recipe that leaves the data open and trains in milliseconds."""
    return {"name": "light", "arms": BASELINE}


def make_frame(rows: int = 60, **columns: Any) -> pd.DataFrame:
    """Texts whose label their first word tells, as in :func:`tiny.write_tiny_data`."""
    random = np.random.default_rng(3)
    words = [random.integers(5, VOCAB, random.integers(2, 12)) for _ in range(rows)]
    texts = [" ".join(f"w{word}" for word in row) for row in words]
    labels = [f"topic {row[0] % 3}" for row in words]
    return pd.DataFrame({"id": range(rows), "body": texts, "queue": labels, **columns})


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, backbone: Path, data_folder: Path
) -> tuple[dl.Results, Path]:
    """A finished run of three arms, two of them at two seeds, and of a baseline."""
    values = tiny_recipe_values(backbone, data_folder)
    del values["arms"]["hybrid"]
    values["arms"] |= BASELINE
    values["arms"]["teacher"]["seeds"] = [0]
    values["contrasts"] = [{"question": "Is LoRA as good?", "first": "lora", "second": "odd"}]
    out = tmp_path_factory.mktemp("runs") / "tiny"
    return dl.compare(values, seeds=2, out=out, progress=False), out


def on_disk(out: Path) -> Record:
    return Record.load(out / "results.json")


@pytest.mark.slow
def test_the_example_runs_from_a_table_to_scored_files(
    tmp_path: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_frame(90).rename(columns={"body": "text", "queue": "label"}).to_csv("tickets.csv")
    recipe = tiny_recipe_values(backbone, tmp_path)
    recipe = {key: recipe[key] for key in ("name", "training", "arms")}
    results = dl.compare(
        "tickets.csv", recipe=recipe, text="text", label="label", out="runs/tickets", progress=False
    )
    assert "odd" in results._repr_html_() and len(results.to_pandas()) == 4
    bundle = results.recommended.export(
        "bundles/tickets", int8=True, force=True, license="mit", progress=False
    )
    assert "license: mit" in (bundle.folder / "README.md").read_text()
    clf = dl.load("bundles/tickets")
    said = clf.predict(["w9 w10"])[0].to_dict()
    assert json.loads(json.dumps(said)) == said
    assert set(said["scores"]) == {"topic 0", "topic 1", "topic 2"}
    summary = clf.predict_file("tickets.csv", "out.parquet", prefix="p_", progress=False)
    assert summary.rows == 90 and summary.failed == 0
    scored = pd.read_parquet("out.parquet")
    assert list(scored["p_label"]) == [p.label for p in clf.predict(list(scored["text"]))]
    dl.predict_file("tickets.csv", "again.csv", bundle.folder, prefix="p_", progress=False)
    assert list(pd.read_csv("again.csv")["p_label"]) == list(scored["p_label"])


@pytest.mark.slow
def test_what_a_run_returns_is_what_it_left_on_disk(run: tuple[dl.Results, Path]) -> None:
    results, out = run
    record = on_disk(out)
    assert results.record == record and dl.open_run(out).record == record
    assert list(results.arms) == ["teacher", "odd", "lora", "floor"]
    assert {name: arm.seeds for name, arm in results.arms.items()} == {
        **{"teacher": (0,), "odd": (0, 1), "lora": (0, 1)},
        "floor": (0,),
    }
    assert results.report == out / "report.html" and results.report.is_file()
    odd = [arm.metrics.test for arm in record.arms if arm.name == "odd"]
    means = results.arms["odd"].metrics
    assert means["f1_macro"] == pytest.approx(np.mean([split.f1_macro for split in odd]))
    assert means["loss"] == pytest.approx(np.mean([split.loss for split in odd]))
    assert "average_precision" not in means


@pytest.mark.slow
def test_the_tables_hold_the_figures_of_the_results(run: tuple[dl.Results, Path]) -> None:
    results, out = run
    raw = json.loads((out / "results.json").read_text())
    table = results.to_pandas()
    assert len(table) == len(raw["arms"])
    for (_, row), arm in zip(table.iterrows(), raw["arms"], strict=True):
        assert (row["arm"], row["seed"]) == (arm["name"], arm["seed"])
        for split in ("validation", "test"):
            for key in ("accuracy", "f1_weighted", "f1_macro", "loss", "rows"):
                assert row[f"{split}_{key}"] == arm["metrics"][split][key]
        assert row["latency_ms"] == arm["cost"]["latency_ms"]
        assert row["trainable"] == arm["parameters"]["trainable"]
    (row,) = results.contrasts().to_dict("records")
    (found,) = raw["evidence"]["contrasts"]
    assert (row["first"], row["second"], row["question"]) == ("lora", "odd", "Is LoRA as good?")
    assert [row[key] for key in ("low", "high", "p")] == [
        found["difference"][key] for key in ("low", "high", "p")
    ]
    assert row["difference"] == found["difference"]["mean"]
    assert (row["seeds_first"], row["seeds_second"]) == (2, 2) and not row["shown"]
    assert pd.isna(row["p_holm"]) and found["p_holm"] is None


@pytest.mark.slow
def test_the_recommended_arm_is_the_one_that_the_report_names(
    run: tuple[dl.Results, Path],
) -> None:
    results, out = run
    best = results.recommended
    assert best is results.arms[judge(on_disk(out)).best.name]
    assert f"‘{best.name}’" in (out / "report.md").read_text()


@pytest.mark.slow
def test_results_are_a_table_in_notebooks_and_in_terminals(run: tuple[dl.Results, Path]) -> None:
    results, _ = run
    html = results._repr_html_()
    accuracy = f"{results.arms['lora'].metrics['accuracy']:.4f}"
    assert html.count("<table") == 1 and '<th scope="row">lora</th>' in html and accuracy in html
    console = Console(file=StringIO(), width=100)
    console.print(results)
    for shown in (str(results), console.file.getvalue()):  # type: ignore[attr-defined]
        assert "lora" in shown and accuracy in shown and "\x1b" not in shown
    assert "lora" in repr(results.arms["lora"]) and accuracy in repr(results.arms["lora"])


@pytest.mark.slow
def test_an_arm_exports_its_best_seed_on_validation_unless_one_is_given(
    run: tuple[dl.Results, Path], tmp_path: Path
) -> None:
    results, out = run
    by_seed = {
        arm.seed: arm.metrics.validation.f1_weighted
        for arm in on_disk(out).arms
        if arm.name == "odd"
    }
    odd = results.arms["odd"]
    best = max(by_seed, key=lambda seed: by_seed[seed])
    assert odd.folder() == out / "arms" / "odd" / f"seed-{best}"
    quick: dict[str, Any] = {"int8": False, "progress": False}
    assert odd.export(tmp_path / "best", **quick).manifest.origin.seed == best
    bundle = odd.export(tmp_path / "other", seed=1 - best, **quick)
    assert bundle.manifest.origin.seed == 1 - best and bundle.precisions == ("fp32",)
    with pytest.raises(InputError, match=r"not trained at seed 7.*0, 1"):
        odd.export(tmp_path / "none", seed=7, **quick)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_bundle_is_replaced_only_where_that_is_said(
    run: tuple[dl.Results, Path], tmp_path: Path
) -> None:
    folder = run[1] / "arms" / "odd" / "seed-0"
    quick: dict[str, Any] = {"int8": False, "progress": False}
    first = dl.export(folder, tmp_path / "bundle", **quick)
    with pytest.raises(RunFolderError, match="`overwrite`"):
        dl.export(folder, first.folder, **quick)
    again = dl.export(str(folder), str(first.folder), overwrite=True, **quick)
    assert again.manifest.origin == first.manifest.origin
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="other files"):
        dl.export(folder, tmp_path / "taken", overwrite=True, **quick)


@pytest.mark.slow
def test_an_export_that_does_not_pass_the_gate_leaves_nothing(
    run: tuple[dl.Results, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distillora.exporting.gate.LOGIT_TOLERANCE", -1.0)
    with pytest.raises(ExportError, match=r"does not pass.*`force`"):
        run[0].arms["odd"].export(tmp_path / "bundle", int8=False, progress=False)
    assert not list(tmp_path.iterdir())
    forced = run[0].arms["odd"].export(tmp_path / "bundle", int8=False, force=True, progress=False)
    assert "did not pass" in (forced.folder / "README.md").read_text().lower()


@pytest.mark.slow
def test_a_baseline_cannot_be_exported(run: tuple[dl.Results, Path], tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="baseline"):
        run[0].arms["floor"].export(tmp_path / "bundle", progress=False)


@pytest.mark.slow
def test_measuring_again_gives_new_figures_to_new_results(
    tmp_path: Path, light_recipe: Values
) -> None:
    frame = make_frame()
    results = dl.compare(frame, recipe=light_recipe, out=tmp_path / "run", progress=False)
    before = results.record
    again = results.measure(progress=False)
    assert again.record.measurement != before.measurement == results.record.measurement
    results.report.unlink()
    assert results.write_report() == results.report and results.report.is_file()


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


def test_a_data_frame_holds_labels_of_many_kinds(tmp_path: Path, light_recipe: Values) -> None:
    frame = make_frame()
    first = frame["queue"].str[-1].astype(int)
    lists = [[f"a{n}", "b"] if n else ["b"] for n in first]
    for labels, expected in (
        (first.astype("Int64"), ("0", "1", "2")),
        (first.astype("float32"), ("0", "1", "2")),
        (frame["queue"].astype("category"), ("topic 0", "topic 1", "topic 2")),
        (lists, ("a1", "a2", "b")),
        ([np.array(row) for row in lists], ("a1", "a2", "b")),
        ([set(row) for row in lists], ("a1", "a2", "b")),
    ):
        own = frame.assign(queue=labels)
        results = dl.compare(
            own, recipe=light_recipe, out=tmp_path / "run", retrain_changed=True, progress=False
        )
        assert results.record.data.labels == expected
        several = "b" in expected
        assert results.record.data.task == ("multi_label" if several else "single_label")


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


@pytest.mark.slow
def test_workers_read_the_rows_of_a_data_frame_from_the_run(
    tmp_path: Path, light_recipe: Values
) -> None:
    light_recipe["arms"] = {"one": BASELINE["floor"], "two": BASELINE["floor"]}
    results = dl.compare(
        make_frame(), recipe=light_recipe, out=tmp_path / "run", jobs=2, progress=False
    )
    assert list(results.arms) == ["one", "two"]


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
        (("quikstart",), {}, InputError, "quikstart does not exist"),
        (("sample",), {"recipe": "quikstart"}, RecipeError, "Did you mean 'quickstart'"),
        (("gone.yaml",), {}, RecipeError, "neither a recipe"),
        (("gone.csv",), {}, InputError, "gone.csv does not exist"),
        (({"name": "x"},), {}, RecipeError, "arms"),
        (({"name": "x"},), {"recipe": "quickstart"}, InputError, "Two recipes"),
        (([1, 2],), {}, InputError, "`source` is of type list"),
        (("sample",), {"seeds": 0}, InputError, "`seeds` must be 1 or more"),
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


@pytest.mark.parametrize(
    ("place", "message"),
    [("results.json", "is inside a run's folder"), ("arms", "is inside"), ("gone", "no finished")],
)
def test_what_is_not_the_folder_of_a_run_is_refused(
    tmp_path: Path, place: str, message: str
) -> None:
    (tmp_path / "arms").mkdir()
    (tmp_path / "results.json").touch()
    with pytest.raises(RunFolderError, match=message):
        dl.open_run(tmp_path / place)


def test_what_is_not_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        dl.load(tmp_path)
    with pytest.raises(BundleError, match="is not a bundle"):
        dl.load(str(tmp_path / "a" / "b" / "c"))


def test_a_bundle_loads_as_the_classifier_of_its_folder(tiny_bundle: Path) -> None:
    bundle = dl.Bundle.open(tiny_bundle)
    rule = dl.ToxicityRule(emotions=("anger",), threshold=0.9)
    classifier = bundle.load(precision="fp32", toxicity=rule)
    assert isinstance(classifier, dl.TextClassifier) and classifier.toxicity == rule
    by_path = dl.load(str(tiny_bundle), precision="fp32", toxicity=rule)
    assert classifier.predict(["w5 w6"]) == by_path.predict("w5 w6")
    assert dl.explain(classifier, "w5 w6").label in classifier.labels


def test_a_prediction_becomes_json_and_back() -> None:
    prediction = dl.load().predict("thanks a lot!")[0]
    values = prediction.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["label"] == "gratitude" == values["labels"][0]
    assert pickle.loads(pickle.dumps(prediction)) == prediction


def test_the_old_name_of_the_classifier_still_works_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match=r"distillora\.TextClassifier"):
        old = dl.EmotionClassifier  # type: ignore[attr-defined]
    assert old is dl.TextClassifier
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dl.nothing  # type: ignore[attr-defined]


def test_every_public_name_is_there_and_documented() -> None:
    for name in dl.__all__:
        assert getattr(dl, name).__doc__.strip(), name
    assert set(dl.__all__) <= set(dir(dl))
    # a package of this name would hide the function
    import distillora.exporting

    assert callable(dl.export) and distillora.exporting.export_arm is not None


def test_bars_are_drawn_in_terminals_and_in_notebooks_with_widgets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Reporter(Console(force_terminal=True, file=StringIO()))
    file = Reporter(Console(file=StringIO()))
    notebook = Reporter(Console(force_jupyter=True))
    assert terminal.shows_bars and not file.shows_bars
    monkeypatch.setattr("distillora.progress.find_spec", lambda name: None)
    assert not notebook.shows_bars
    monkeypatch.setattr("distillora.progress.find_spec", lambda name: object())
    assert notebook.shows_bars
