"""The Python API as its users write it."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import distillora as dl
from distillora.errors import BundleError, InputError
from distillora.progress import Reporter
from hub import add_repo, hub_environment, serve_hub
from hub_uploads import WRITE_TOKEN
from tiny import make_frame, tiny_recipe_values

Values = dict[str, Any]


@pytest.mark.slow
def test_the_example_runs_from_a_table_to_scored_files_and_the_hub(
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
    code = (
        "import distillora as dl\n"
        "bundle = dl.export('runs/tickets/arms/odd/seed-0', 'bundles/again', force=True)\n"
        "print(bundle.push_to_hub('your-name/tickets', private=True))\n"
        "there = dl.load('your-name/tickets').predict('w9 w10')\n"
        "print(there == bundle.load().predict('w9 w10'))\n"
    )
    (tmp_path / "root").mkdir()
    with serve_hub(tmp_path / "root") as url:
        printed = run_with_hub(code, url, tmp_path / "home").splitlines()
    assert printed == [f"{url}/your-name/tickets", "True"]


def test_what_is_not_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        dl.load(tmp_path)
    with pytest.raises(BundleError, match="is not a bundle"):
        dl.load(str(tmp_path / "a" / "b" / "c"))


def test_the_shown_forms_of_bundles_and_classifiers_are_short(tiny_bundle: Path) -> None:
    bundle = dl.Bundle.open(str(tiny_bundle))
    assert bundle == dl.Bundle.open(tiny_bundle)
    assert repr(bundle).startswith(
        f"Bundle({str(tiny_bundle)!r}, {len(bundle.manifest.labels)} labels, "
    )
    assert re.search(r"labels, (int8 \+ )?fp32, (\d+|< 1) MB\)$", repr(bundle))
    assert repr(dl.load()) == "TextClassifier('starter', 28 labels, multi_label, int8)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dl.ToxicityRule(threshold=3), "threshold: Input should be less than 1"),
        (lambda: dl.load(toxicity="anger"), "`toxicity` must be a ToxicityRule"),  # type: ignore[arg-type]
        (lambda: dl.load(threads=0), "`threads` must be 1 or more, not 0"),
        (lambda: dl.load().predict(None), "`texts` must be .*, not of type NoneType"),  # type: ignore[arg-type]
        (lambda: dl.predict_file("in.csv", "out.csv", columns="label"), r"`columns` .*\['label'\]"),
    ],
)
def test_values_that_cannot_be_used_are_refused_by_name(
    call: Callable[[], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("text\nhello\n")
    with pytest.raises(InputError, match=message):
        call()


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


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
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


def run_with_hub(code: str, url: str, home: Path, *words: object) -> str:
    """Run code in a process whose Hub is the stand-in; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        # without xet, whose library talks to a server of its own
        env=hub_environment(url, home, HF_TOKEN=WRITE_TOKEN, HF_HUB_DISABLE_XET="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_model_is_loaded_from_the_hub_by_name_and_revision(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    commit = add_repo(tmp_path / "root", "models", "owner/name", tiny_bundle)
    code = (
        "import sys, distillora as dl\n"
        "for name in ('owner/name', f'owner/name@{sys.argv[1]}'):\n"
        "    print(dl.load(name).predict('w5 w6')[0].score)\n"
        "try:\n"
        "    dl.load('owner/other')\n"
        "except dl.DistilloraError as error:\n"
        "    print(error)\n"
    )
    with serve_hub(tmp_path / "root") as url:
        printed = run_with_hub(code, url, tmp_path / "home", commit).splitlines()
    expected = str(dl.load(tiny_bundle).predict("w5 w6")[0].score)
    assert printed[:2] == [expected, expected] and "owner/other" in printed[2]
