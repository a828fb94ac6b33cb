"""A bundle reads only what its manifest lists, unchanged, from its own folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import set_external_data

import distillora
from distillora.errors import BundleError, DistilloraError, IntegrityError
from distillora.inference.bundle import Bundle
from tiny import LABELS, write_tiny_manifest


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def change_manifest(folder: Path, **values: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("file", ["model-int8.onnx", "tokenizer.json"])
def test_one_changed_byte_is_found(copy: Path, file: str) -> None:
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{file} is damaged"):
        distillora.load(copy)


@pytest.mark.parametrize("file", ["model-int8.onnx", "tokenizer.json"])
def test_a_missing_file_and_a_link_are_refused(copy: Path, tmp_path: Path, file: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(copy / file, elsewhere)
    with pytest.raises(IntegrityError, match=f"{file} is missing"):
        distillora.load(copy)
    (copy / file).symlink_to(elsewhere)
    with pytest.raises(IntegrityError, match=f"{file} is a link to "):
        distillora.load(copy)


def test_a_manifest_that_is_a_link_is_refused(copy: Path, tmp_path: Path) -> None:
    shutil.move(copy / "bundle.json", tmp_path / "elsewhere")
    (copy / "bundle.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match=r"bundle\.json is a link to "):
        distillora.load(copy)


def test_a_file_that_the_manifest_does_not_list_is_not_read(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(IntegrityError, match=r"does not list notes\.txt"):
        Bundle.open(copy).read("notes.txt")


@pytest.mark.parametrize(
    "name", ["../model.onnx", "/etc/passwd", "a/b", "a\\b", "", ".hidden", "C:x"]
)
def test_a_manifest_that_names_a_path_is_refused(copy: Path, name: str) -> None:
    change_manifest(copy, files={name: {"bytes": 1, "sha256": "0"}})
    with pytest.raises(IntegrityError, match="cannot be used"):
        distillora.load(copy)


@pytest.mark.parametrize(
    "values",
    [
        {"thresholds": None},
        {"thresholds": [0.5]},
        {"thresholds": [float("nan")] * len(LABELS)},
        {"temperature": 0},
        {"labels": ["joy"]},
        {"task": "regression"},
        {"format": 2},
        {"unknown": 1},
        {"max_length": 4096},
        {"toxicity": {"emotions": ["anger"], "threshold": 3}},
    ],
    ids=str,
)
def test_a_manifest_that_does_not_add_up_is_refused(copy: Path, values: dict[str, Any]) -> None:
    change_manifest(copy, **values)
    with pytest.raises(IntegrityError, match=r"bundle\.json cannot be used"):
        distillora.load(copy)


def test_a_torn_manifest_is_refused(copy: Path) -> None:
    text = (copy / "bundle.json").read_text()
    (copy / "bundle.json").write_text(text[: len(text) // 2])
    with pytest.raises(IntegrityError, match=r"bundle\.json cannot be used"):
        distillora.load(copy)


def test_a_folder_that_is_no_bundle_is_told_how_to_become_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="distillora export"):
        distillora.load(tmp_path)
    with pytest.raises(BundleError, match="is not a bundle"):
        distillora.load(tmp_path / "missing")


def test_weights_outside_of_the_bundle_are_not_opened(copy: Path, tmp_path: Path) -> None:
    """An ONNX file may name another file that holds its weights: not one outside the folder."""
    model = onnx.load(copy / "model.onnx")
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims) > 64:
            (tmp_path / "outside.bin").write_bytes(tensor.raw_data)
            set_external_data(tensor, "../outside.bin", offset=0, length=len(tensor.raw_data))
            tensor.ClearField("raw_data")
            break
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    (copy / "model-int8.onnx").unlink()
    write_tiny_manifest(copy, "multi_label", LABELS)
    with pytest.raises(IntegrityError, match="cannot open the model"):
        distillora.load(copy)


def test_a_file_that_is_no_model_or_no_tokenizer_is_refused(copy: Path) -> None:
    for file in ("model-int8.onnx", "tokenizer.json"):
        (copy / file).write_bytes(b"not what it says")
        write_tiny_manifest(copy, "multi_label", LABELS)
        with pytest.raises(DistilloraError) as refused:
            distillora.load(copy)
        assert isinstance(refused.value, IntegrityError)
