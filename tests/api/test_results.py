"""What a finished run offers: figures, tables, exports."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import distillora as dl
from distillora.errors import (
    ExportError,
    InputError,
    RunFolderError,
)
from distillora.evaluation.results import Results as Record
from distillora.exporting import bundling
from distillora.report.verdict import judge
from tiny import make_frame, tiny_recipe_values

Values = dict[str, Any]
RECORDED = Path(__file__).parents[2] / "results"
BASELINE = {"floor": {"init": {"baseline": "tfidf"}}}


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


@pytest.fixture(scope="module")
def exported(run: tuple[dl.Results, Path], tmp_path_factory: pytest.TempPathFactory) -> dl.Bundle:
    out = tmp_path_factory.mktemp("bundles") / "odd"
    return run[0].arms["odd"].export(out, int8=False, progress=False)


@pytest.fixture
def in_haste(exported: dl.Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the ONNX model of any arm from the bundle that was made before."""
    model = exported.folder / "model.onnx"
    monkeypatch.setattr(bundling, "write_onnx", lambda _, path: shutil.copy(model, path))


def on_disk(out: Path) -> Record:
    return Record.load(out / "results.json")


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
    run: tuple[dl.Results, Path], exported: dl.Bundle, in_haste: None, tmp_path: Path
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
    assert exported.manifest.origin.seed == best
    # with the ONNX model of the other seed it cannot pass
    quick: dict[str, Any] = {"int8": False, "force": True, "progress": False}
    bundle = odd.export(tmp_path / "other", seed=1 - best, **quick)
    assert bundle.manifest.origin.seed == 1 - best and bundle.precisions == ("fp32",)
    with pytest.raises(InputError, match=r"not trained at seed 7.*0, 1"):
        odd.export(tmp_path / "none", seed=7, **quick)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_bundle_is_replaced_only_where_that_is_said(
    run: tuple[dl.Results, Path], in_haste: None, tmp_path: Path
) -> None:
    folder = run[0].arms["odd"].folder()
    quick: dict[str, Any] = {"int8": False, "progress": False}
    first = dl.export(folder, tmp_path / "bundle", **quick)
    with pytest.raises(RunFolderError, match="`overwrite`"):
        dl.export(folder, first.folder, **quick)
    again = dl.export(str(folder), str(first.folder), overwrite=True, **quick)
    assert again.manifest.origin == first.manifest.origin
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="contains files that are not a bundle"):
        dl.export(folder, tmp_path / "taken", overwrite=True, **quick)


@pytest.mark.slow
def test_an_export_that_does_not_pass_the_gate_leaves_nothing(
    run: tuple[dl.Results, Path], in_haste: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


@pytest.mark.parametrize("name", ["starter", "evidence", "evidence-multi", "ablation-layers"])
def test_missing_figures_are_nan_in_the_tables(name: str) -> None:
    results = dl.Results(RECORDED / name)
    texts = ["arm", "init", "tuning", "objective", "layers"]
    figures = results.to_pandas().drop(columns=texts)
    assert not [name for name in figures if figures[name].dtype == object]
    contrasts = results.contrasts()
    assert len(contrasts) == len(
        results.record.evidence.contrasts if results.record.evidence else ()
    )
    for column in ("difference", "low", "high", "p", "p_holm", "detectable"):
        assert contrasts[column].dtype == float


def test_an_arm_that_the_run_does_not_have_is_refused_with_the_nearest_name() -> None:
    arms = dl.Results(RECORDED / "evidence").arms
    for kind in (InputError, KeyError):
        with pytest.raises(kind, match=r"^The run has no arm 'thre'\. Did you mean 'three'\?$"):
            _ = arms["thre"]
    assert arms.get("thre") is None and "thre" not in arms


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("results.json", "is inside a run's folder"),
        ("arms", "is inside"),
        ("gone", "is not a finished run"),
    ],
)
def test_what_is_not_the_folder_of_a_run_is_refused(
    tmp_path: Path, place: str, message: str
) -> None:
    (tmp_path / "arms").mkdir()
    (tmp_path / "results.json").touch()
    with pytest.raises(RunFolderError, match=message):
        dl.open_run(tmp_path / place)
