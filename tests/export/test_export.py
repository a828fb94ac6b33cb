"""Export from end to end: what ships computes what was trained, or nothing ships."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from huggingface_hub import ModelCard
from onnx import numpy_helper
from transformers import pipeline

import distillora
from distillora.data.sources import read_dataset
from distillora.errors import ExportError, RunFolderError
from distillora.evaluation.results import Results
from distillora.exporting import ExportOptions, bundling, convert_arm, export_arm
from distillora.inference.bundle import Bundle
from distillora.pipeline import compare
from distillora.progress import Reporter
from distillora.recipe import Data, parse_recipe
from tiny import tiny_recipe_values, write_tiny_data

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)


def run(values: dict[str, Any], out: Path) -> Path:
    compare(parse_recipe(values), out, QUIET)
    return out


@pytest.fixture(scope="module", params=["single_label", "multi_label"])
def arm(
    request: pytest.FixtureRequest,
    backbone: Path,
    data_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished LoRA arm of each task."""
    values = tiny_recipe_values(backbone, data_folder)
    values["arms"] = {"lora": values["arms"]["lora"]}
    values["task"] = request.param
    return run(values, tmp_path_factory.mktemp("run")) / "arms" / "lora" / "seed-0"


@pytest.fixture(scope="module")
def bundle(arm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "lora"
    # the tiny model's few validation rows move by more than half a point in int8
    export_arm(arm, out, ExportOptions(int8=True, force=True), QUIET)
    return out


@pytest.fixture(scope="module")
def other(arm: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run like that of the arm, on half of the data."""
    data = write_tiny_data(tmp_path_factory.mktemp("data"), rows=30)
    values = tiny_recipe_values(backbone, data)
    values["arms"] = {"lora": values["arms"]["lora"]}
    values["task"] = Results.load(arm.parents[2] / "results.json").data.task
    return run(values, tmp_path_factory.mktemp("other"))


@pytest.fixture
def in_haste(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports of the arm take its ONNX model from the bundle that was made of it before."""
    monkeypatch.setattr(
        bundling, "write_onnx", lambda model, path: shutil.copy(bundle / "model.onnx", path)
    )


def texts(folder: Path) -> list[str]:
    return [line.split("\t")[0] for line in (folder / "test.tsv").read_text().splitlines()]


def agree_with_transformers(bundle: Path, texts: list[str]) -> None:
    """Compare with what a user of plain transformers gets of the same folder."""
    found = pipeline("text-classification", str(bundle), top_k=None)(texts)
    ours = distillora.load(bundle, precision="fp32").predict(texts)
    for theirs, prediction in zip(found, ours, strict=True):
        assert {entry["label"] for entry in theirs} == {*prediction.scores}
        for entry in theirs:
            assert prediction.scores[entry["label"]] == pytest.approx(entry["score"], abs=1e-5)


def test_plain_transformers_says_the_same_as_our_classifier(
    bundle: Path, data_folder: Path
) -> None:
    agree_with_transformers(bundle, texts(data_folder))


def test_an_encoder_of_real_size_agrees_on_200_real_texts(tmp_path: Path) -> None:
    values = {
        "name": "plain",
        "task": "multi_label",
        "data": {"source": "sample", "limit": 60},
        "arms": {"plain": {"init": {"backbone": "bundled"}, "tuning": {"method": "none"}}},
    }
    made = run(values, tmp_path / "run") / "arms" / "plain" / "seed-0"
    export_arm(made, tmp_path / "bundle", ExportOptions(), QUIET)
    dataset = read_dataset(Data(source="sample"))
    agree_with_transformers(tmp_path / "bundle", [*dataset.splits["train"].texts[:200]])


def test_labels_thresholds_and_temperature_travel_unchanged(arm: Path, bundle: Path) -> None:
    run = Results.load(arm.parents[2] / "results.json")
    manifest = Bundle.open(bundle).manifest
    result = run.arms[0]
    assert manifest.labels == run.data.labels
    assert manifest.task == run.data.task
    assert manifest.thresholds == result.thresholds
    assert manifest.temperature == result.temperature
    assert manifest.origin.weights_sha256 == result.weights_sha256
    assert manifest.origin.data == run.data.sha256


def test_the_probabilities_are_those_of_the_run_at_its_temperature(
    arm: Path, bundle: Path, data_folder: Path
) -> None:
    from distillora.exporting.arm import TrainedArm

    trained = TrainedArm.open(arm)
    logits = distillora.load(bundle, precision="fp32").score(texts(data_folder)).logits
    expected = trained.recorded_logits["test"] / trained.temperature
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_an_onnx_model_is_one_file_and_int8_is_smaller(bundle: Path) -> None:
    for name in ("model.onnx", "model-int8.onnx"):
        graph = onnx.load(bundle / name, load_external_data=False).graph
        assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in graph.initializer)
        # nothing of the machine that it was made on
        assert b"modeling_" not in (bundle / name).read_bytes()
    int8 = onnx.load(bundle / "model-int8.onnx").graph
    kinds = {t.data_type for t in int8.initializer if np.prod(t.dims) >= 16 * 16}
    assert kinds == {onnx.TensorProto.INT8}
    assert not [*bundle.glob("*.bin"), *bundle.glob("*.pkl"), *bundle.glob("*.pt")]


def test_the_card_is_one_that_the_hub_reads(arm: Path, bundle: Path) -> None:
    card = ModelCard.load(bundle / "README.md")
    measured = Bundle.open(bundle).manifest.quality["int8"]["test"]
    found = {result.metric_name: result.metric_value for result in card.data.eval_results}
    for name, value in found.items():
        assert value == round(getattr(measured, name), 4)
    assert {*found} == {"accuracy", "f1_macro", "f1_weighted"}
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.library_name == "transformers"
    assert Bundle.open(bundle).manifest.origin.weights_sha256 in card.text
    # nobody said under which licence this is, and the encoder came from a folder
    assert card.data.license is None and card.data.base_model is None


@pytest.mark.usefixtures("in_haste")
def test_the_card_names_the_licence_that_was_given(arm: Path, tmp_path: Path) -> None:
    out = tmp_path / "licensed"
    export_arm(arm, out, ExportOptions(license="mit"), QUIET)
    assert ModelCard.load(out / "README.md").data.license == "mit"


@pytest.mark.usefixtures("in_haste")
def test_int8_alone_leaves_out_the_files_in_fp32(arm: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    export_arm(arm, out, ExportOptions(int8_only=True, force=True), QUIET)
    assert not (out / "model.onnx").exists() and not (out / "model.safetensors").exists()
    assert ModelCard.load(out / "README.md").data.library_name == "distillora"
    opened = distillora.load(out)
    assert opened.precision == "int8"
    # the figures in fp32 still stand beside those in int8
    assert {*opened.bundle.manifest.quality} == {"fp32", "int8"}


@contextmanager
def planted(
    monkeypatch: pytest.MonkeyPatch, name: str, spoil: Callable[[Path], None]
) -> Iterator[None]:
    """Spoil the file that a step of the export has written."""
    original = getattr(bundling, name)

    def spoilt(*words: Any) -> None:
        original(*words)
        spoil(words[1])

    with monkeypatch.context() as patch:
        patch.setattr(bundling, name, spoilt)
        yield


def change_bias(path: Path, change: Callable[[Any], Any]) -> None:
    model = onnx.load(path)
    bias = next(t for t in model.graph.initializer if t.name.endswith("classifier.bias"))
    values = np.asarray(change(numpy_helper.to_array(bias)), np.float32)
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, path)


def off_by_a_little(path: Path) -> None:
    change_bias(path, lambda bias: bias + 2e-4)


def one_label_always(path: Path) -> None:
    change_bias(path, lambda bias: bias + np.array([50.0, *[-50.0] * (len(bias) - 1)]))


@pytest.mark.usefixtures("in_haste")
def test_fp32_that_differs_by_more_than_a_ten_thousandth_does_not_ship(
    arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    with (
        planted(monkeypatch, "write_onnx", off_by_a_little),
        pytest.raises(ExportError, match=r"differs from PyTorch's by 0\.0002, more than 0\.0001"),
    ):
        export_arm(arm, out, ExportOptions(), QUIET)
    assert not out.exists()


@pytest.mark.usefixtures("in_haste")
def test_int8_that_loses_too_much_does_not_ship_unless_forced_and_then_the_card_says_so(
    arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    with planted(monkeypatch, "quantize_onnx", one_label_always):
        with pytest.raises(ExportError, match=r"int8 model loses 0\.\d+ of "):
            export_arm(arm, out, ExportOptions(int8=True), QUIET)
        assert not out.exists()
        export_arm(arm, out, ExportOptions(int8=True, force=True), QUIET)
    assert "did not pass its check and was forced:** the int8 model loses" in (
        out / "README.md"
    ).read_text("utf-8")


@pytest.mark.usefixtures("in_haste")
def test_a_failed_export_leaves_the_bundle_before_it_alone(
    arm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    export_arm(arm, out, ExportOptions(), QUIET)
    before = (out / "bundle.json").read_bytes()
    with planted(monkeypatch, "write_onnx", one_label_always), pytest.raises(ExportError):
        export_arm(arm, out, ExportOptions(), QUIET)
    assert (out / "bundle.json").read_bytes() == before
    assert not [*tmp_path.glob("*.part*")]


@pytest.mark.usefixtures("in_haste")
def test_the_command_reports_what_it_measured(
    arm: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    out = tmp_path / "bundle"
    done = run_cli("export", arm, "--out", out)
    assert done.code == 0
    quality = Bundle.open(out).manifest.quality["fp32"]["test"]
    assert f"fp32 test: accuracy {quality.accuracy:.4f}, macro F1" in done.out
    assert f"Bundle: {out}" in done.out


def test_what_is_no_arm_or_no_place_for_a_bundle_is_refused(arm: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a finished arm"):
        export_arm(arm.parent, tmp_path / "b", ExportOptions(), QUIET)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="contains files that are not a bundle"):
        export_arm(arm, tmp_path / "mine", ExportOptions(), QUIET)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def _other_splits(copied: Path, other: Path) -> None:
    shutil.rmtree(copied / "data")
    shutil.copytree(other / "data", copied / "data")


def _other_weights(copied: Path, other: Path) -> None:
    for name in ("model", "training.json"):
        theirs, ours = (run / "arms" / "lora" / "seed-0" / name for run in (other, copied))
        if theirs.is_dir():
            shutil.rmtree(ours)
            shutil.copytree(theirs, ours)
        else:
            shutil.copy(theirs, ours)


def _other_results(copied: Path, other: Path) -> None:
    shutil.copy(other / "results.json", copied / "results.json")


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (_other_splits, "holds another train split"),
        (_other_weights, "model.safetensors: the weights on disk are not those that were trained"),
        (_other_results, "differs from results.json"),
    ],
)
def test_parts_of_two_runs_do_not_make_a_bundle(
    arm: Path, other: Path, tmp_path: Path, mix: Callable[[Path, Path], None], message: str
) -> None:
    copied = shutil.copytree(arm.parents[2], tmp_path / "run")
    mix(copied, other)
    with pytest.raises(RunFolderError, match=message):
        export_arm(copied / "arms" / "lora" / "seed-0", tmp_path / "b", ExportOptions(), QUIET)
    assert not (tmp_path / "b").exists()


def test_a_damaged_arm_is_refused(arm: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(arm.parents[2], tmp_path / "run") / "arms" / "lora" / "seed-0"
    weights = copied / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RunFolderError, match=r"model\.safetensors: .* are damaged"):
        export_arm(copied, tmp_path / "b", ExportOptions(), QUIET)


@pytest.mark.usefixtures("in_haste")
def test_an_arm_is_converted_once_for_comparing(arm: Path, data_folder: Path) -> None:
    folder = convert_arm(arm)
    assert folder == arm / "bundle"
    stamp = (folder / "model.onnx").stat().st_mtime_ns
    assert convert_arm(arm) == folder
    assert (folder / "model.onnx").stat().st_mtime_ns == stamp
    assert len(distillora.load(folder).predict(texts(data_folder))) == len(texts(data_folder))
