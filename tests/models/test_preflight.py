"""Each known trap of LoRA, planted, is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from adapted import VARIANTS, lora, take_steps
from distillora.errors import AdapterError, IntegrityError
from distillora.models.adapters import (
    add_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
)
from distillora.models.preflight import (
    check_learning_rate,
    check_moved,
    check_trainable,
    preflight,
    take_probe,
)
from tiny import ARCHITECTURES, tiny_model, tiny_tokens

TOKENS = tiny_tokens(rows=20)


def adapted(architecture: str = "bert", **settings: Any) -> Any:
    return add_adapter(tiny_model(architecture), lora(**settings))


@pytest.mark.parametrize(
    ("variant", "architecture"),
    [(variant, "bert") for variant in VARIANTS] + [("everything", a) for a in ARCHITECTURES[1:]],
)
def test_a_sound_arm_passes_every_check(variant: str, architecture: str, tmp_path: Path) -> None:
    model = adapted(architecture, **VARIANTS[variant])
    warnings: list[str] = []
    preflight(model, 1e-3, warnings.append)
    take_steps(model)
    check_moved(model)
    probe = take_probe(model, TOKENS, 0)
    assert len(probe.tokens) == len(probe.logits) == 16
    save_adapter(model, tmp_path)
    reloaded = probe.check_reload(tiny_model(architecture), tmp_path)
    probe.check_merged(merge_adapter(model), tmp_path, reloaded)
    assert warnings == []


# before training


def test_a_head_that_was_frozen_is_found() -> None:
    model = adapted()
    model.get_base_model().classifier.requires_grad_(False)
    with pytest.raises(AdapterError, match=r"head is not trained: classifier.*frozen"):
        check_trainable(model)


def test_a_head_that_peft_was_not_told_of_is_found() -> None:
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    # PEFT trains the classifier by itself, and leaves the pooler before it random
    with pytest.raises(AdapterError, match=r"head is not trained: bert\.pooler"):
        check_trainable(get_peft_model(tiny_model(), config))


def test_a_head_that_is_trained_but_would_not_be_saved_is_found() -> None:
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    model = get_peft_model(tiny_model(), config)
    model.get_base_model().bert.pooler.requires_grad_(True)
    with pytest.raises(AdapterError, match=r"bert\.pooler.* would not be saved"):
        check_trainable(model)


def test_adapters_that_were_frozen_are_found() -> None:
    model = adapted()
    for name, weight in model.named_parameters():
        if ".layer.3." in name:
            weight.requires_grad_(False)
    with pytest.raises(AdapterError, match=r"adapter is not trained: .*layer\.3\..*4 of 24"):
        check_trainable(model)


def test_a_model_without_adapters_is_found() -> None:
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    model = get_peft_model(tiny_model(), config)
    model.base_model.unload()
    with pytest.raises(AdapterError, match="no adapters"):
        check_trainable(model)


@pytest.mark.parametrize(
    ("rate", "word"),
    [
        (2e-5, "low"),  # the rate of the original study
        (9.9e-5, "low"),
        (1e-4, None),
        (1e-2, None),
        (1.1e-2, "high"),
    ],
)
def test_a_learning_rate_that_is_odd_for_lora_is_warned_of(rate: float, word: str | None) -> None:
    warnings: list[str] = []
    preflight(adapted(), rate, warnings.append)
    assert warnings == ([w] if (w := check_learning_rate(rate)) else [])
    if word is None:
        assert not warnings
    else:
        assert f"is {word} for LoRA" in warnings[0] and "try 1e-3" in warnings[0]


# after training


def test_adapters_that_did_not_move_are_found() -> None:
    with pytest.raises(AdapterError, match="14 of 14 trained parts did not move"):
        check_moved(adapted())


def test_a_single_adapter_that_did_not_move_is_found() -> None:
    model = adapted()
    still = model.get_base_model().bert.encoder.layer[4].attention.self.value
    still.lora_B.requires_grad_(False)
    take_steps(model)
    with pytest.raises(AdapterError, match=r"1 of 14 .*layer\.4\.attention\.self\.value"):
        check_moved(model)


@pytest.mark.parametrize("part", ["classifier", "bert.pooler"])
def test_a_part_of_the_head_that_did_not_move_is_found(part: str) -> None:
    model = adapted()
    model.get_base_model().get_submodule(part).requires_grad_(False)
    take_steps(model)
    with pytest.raises(AdapterError, match=f"1 of 14 .*{part}"):
        check_moved(model)


# after saving


def saved(tmp_path: Path, **settings: Any) -> Any:
    model = take_steps(adapted(**settings))
    save_adapter(model, tmp_path)
    return model


def rewrite(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> None:
    """Change, or leave out, weights of a saved adapter."""
    path = folder / "adapter_model.safetensors"
    weights = {name: change(name, w) for name, w in load_file(path).items()}
    save_file({n: w for n, w in weights.items() if w is not None}, path, {"format": "pt"})


@pytest.mark.parametrize("part", ["classifier", "bert.pooler", "layer.5.attention.self.query"])
def test_a_part_that_was_not_saved_is_found(part: str, tmp_path: Path) -> None:
    probe = take_probe(saved(tmp_path), TOKENS, 0)
    rewrite(tmp_path, lambda name, w: None if part in name else w)
    with pytest.raises(IntegrityError, match=f"lacks weights.*{part}.*2 in all"):
        probe.check_reload(tiny_model(), tmp_path)


@pytest.mark.parametrize("size", [None, 0, 500])
def test_a_torn_adapter_is_found(size: int | None, tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    content = path.read_bytes()[:size]
    path.unlink()
    if size is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match="cannot be read"):
        load_adapter(tiny_model(), tmp_path)


@pytest.mark.parametrize("part", ["classifier", "lora_B"])
def test_a_reload_that_differs_is_found(part: str, tmp_path: Path) -> None:
    probe = take_probe(saved(tmp_path), TOKENS, 0)
    rewrite(tmp_path, lambda name, w: -w if part in name else w)
    with pytest.raises(AdapterError, match="loaded onto its base, does not give the logits"):
        probe.check_reload(tiny_model(), tmp_path)


@pytest.mark.parametrize(
    ("trap", "message"),
    [
        ("forgotten", r"merged model in .* does not give the logits"),
        ("twice", r"not the base with its adapter: bert\.encoder\.layer\.0\..*query\.weight"),
        ("broken", r"logits differ by up to nan"),
    ],
)
def test_a_merge_that_differs_is_found(trap: str, message: str, tmp_path: Path) -> None:
    model = saved(tmp_path)
    probe = take_probe(model, TOKENS, 0)
    reloaded = probe.check_reload(tiny_model(), tmp_path)
    delta = model.get_base_model().bert.encoder.layer[0].attention.self.query.get_delta_weight
    twice = delta("default").detach()
    merged = model.unload() if trap == "forgotten" else merge_adapter(model)
    query = merged.bert.encoder.layer[0].attention.self.query.weight.data
    if trap == "twice":
        query += twice
    elif trap == "broken":
        query[0, 0] = torch.nan
    with pytest.raises(AdapterError, match=message):
        probe.check_merged(merged, tmp_path, reloaded)


# another base


def test_an_adapter_on_another_base_is_refused_with_both_named(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for seed, folder in enumerate((first, other)):
        tiny_model(seed=seed).save_pretrained(folder)
    base, wrong = (type(tiny_model()).from_pretrained(folder) for folder in (first, other))
    save_adapter(take_steps(add_adapter(base, lora())), tmp_path / "adapter")
    with pytest.raises(IntegrityError, match=f"trained on '{first}'.*not on '{other}'"):
        load_adapter(wrong, tmp_path / "adapter")


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_changed_weight_makes_another_base_but_the_random_head_does_not(
    variant: str, tmp_path: Path
) -> None:
    saved(tmp_path, **VARIANTS[variant])
    base = tiny_model()
    with torch.no_grad():
        base.classifier.weight.add_(1)
        base.bert.pooler.dense.bias.add_(1)
    load_adapter(base, tmp_path)
    base = tiny_model()
    with torch.no_grad():
        base.bert.encoder.layer[5].output.dense.weight[3, 3] += 1e-6
    with pytest.raises(IntegrityError, match="It does not fit any other base"):
        load_adapter(base, tmp_path)


@pytest.mark.parametrize("record", [None, "{", "[]", json.dumps({"name": "x"})])
def test_an_adapter_that_does_not_name_its_base_is_refused(
    record: str | None, tmp_path: Path
) -> None:
    saved(tmp_path)
    (tmp_path / "base.json").unlink()
    if record is not None:
        (tmp_path / "base.json").write_text(record)
    with pytest.raises(IntegrityError, match="does not say which base"):
        load_adapter(tiny_model(), tmp_path)
