"""Which layers are kept, and students against the models that they were made of."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AutoModelForSequenceClassification

from distillora.errors import ModelError
from distillora.models.layers import choose_layers, find_layers, keep_layers
from tiny import ARCHITECTURES, tiny_batch, tiny_config, tiny_model

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(**tiny_batch()).logits


def hidden_states(model: Any) -> tuple[torch.Tensor, ...]:
    with torch.inference_mode():
        return model.eval()(**tiny_batch(), output_hidden_states=True).hidden_states


@pytest.mark.parametrize(
    ("rule", "n_layers", "count", "kept"),
    [
        ("all", 4, None, (0, 1, 2, 3)),
        ("odd", 12, None, (1, 3, 5, 7, 9, 11)),
        ("odd", 7, None, (1, 3, 5)),
        ("odd", 12, 3, (1, 5, 11)),
        ("even", 12, None, (0, 2, 4, 6, 8, 10)),
        ("even", 7, None, (0, 2, 4, 6)),
        ("even", 12, 2, (0, 10)),
        ("even", 1, None, (0,)),
        ("first", 12, None, (0, 1, 2, 3, 4, 5)),
        ("first", 12, 4, (0, 1, 2, 3)),
        ("first", 1, None, (0,)),
        ("last", 12, None, (6, 7, 8, 9, 10, 11)),
        ("last", 12, 4, (8, 9, 10, 11)),
        ("last", 7, None, (4, 5, 6)),
        ("uniform", 12, 2, (0, 11)),
        ("uniform", 12, 4, (0, 4, 7, 11)),
        ("uniform", 12, 12, tuple(range(12))),
        ("uniform", 5, 1, (2,)),
        ([0, 2, 5], 6, None, (0, 2, 5)),
        ((3,), 6, None, (3,)),
    ],
)
def test_a_rule_keeps_these_layers(
    rule: Any, n_layers: int, count: int | None, kept: tuple[int, ...]
) -> None:
    assert choose_layers(rule, n_layers, count) == kept


def test_random_layers_rise_and_depend_on_the_seed_alone() -> None:
    drawn = [choose_layers("random", 12, 4, seed) for seed in range(50)]
    assert drawn == [choose_layers("random", 12, 4, seed) for seed in range(50)]
    assert len(set(drawn)) > 25
    assert {layer for layers in drawn for layer in layers} == set(range(12))
    assert all(list(layers) == sorted(set(layers)) and len(layers) == 4 for layers in drawn)


@pytest.mark.parametrize("rule", ["odd", "even", "first", "last", "uniform"])
def test_every_count_that_a_rule_takes_gives_as_many_rising_layers(rule: str) -> None:
    most = 6 if rule in ("odd", "even") else 12
    for count in range(1, most + 1):
        kept = choose_layers(rule, 12, count)
        assert len(kept) == count
        assert list(kept) == sorted(set(kept))
        assert set(kept) <= set(range(12))
    with pytest.raises(
        ModelError, match=f"The rule '{rule}' cannot choose {most + 1} .*1 to {most}\\."
    ):
        choose_layers(rule, 12, most + 1)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 6], "index 6 is out of range: a model of 6 layers has 0 to 5"),
        ([-1, 2], "index -1 is out of range"),
        ([2, 1], r"must increase, each listed once: \[2, 1\]"),
        ([1, 1], "must increase, each listed once"),
        ([], "is empty"),
        (list(range(7)), "7 layers are listed, and the model has only 6"),
    ],
)
def test_a_list_that_names_no_layers_is_refused(indices: list[int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        choose_layers(indices, 6)
    with pytest.raises(ModelError, match=message):
        keep_layers(tiny_model(), indices)


def test_a_model_of_one_layer_has_no_odd_ones() -> None:
    with pytest.raises(ModelError, match="start from a deeper model"):
        choose_layers("odd", 1)


@each_architecture
def test_a_student_of_all_layers_is_the_teacher(architecture: str) -> None:
    teacher = tiny_model(architecture)
    student = keep_layers(teacher, range(6))
    assert torch.equal(logits(student), logits(teacher))


@each_architecture
@pytest.mark.parametrize("layers", [(1, 3, 5), (0, 2, 5)], ids=["odd", "list"])
def test_a_saved_student_loads_again_as_it_was(
    architecture: str, layers: tuple[int, ...], tmp_path: Path
) -> None:
    student = keep_layers(tiny_model(architecture), layers)
    student.save_pretrained(tmp_path)
    loaded, info = AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert loaded.config.num_hidden_layers == 3
    assert torch.equal(logits(loaded), logits(student))


# ModernBERT's first layer has no norm before its attention: see the test of `first` below
@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "modernbert"])
def test_a_student_computes_what_the_teacher_does_without_its_other_layers(
    architecture: str,
) -> None:
    teacher = tiny_model(architecture)
    student = keep_layers(teacher, (1, 3, 5))
    shortened = copy.deepcopy(teacher)
    parent, _, name = find_layers(shortened).rpartition(".")
    all_layers = shortened.get_submodule(f"{parent}.{name}")
    setattr(shortened.get_submodule(parent), name, nn.ModuleList(all_layers[i] for i in (1, 3, 5)))
    torch.testing.assert_close(logits(student), logits(shortened))


@each_architecture
def test_the_first_layers_give_the_hidden_states_that_the_teacher_has_there(
    architecture: str,
) -> None:
    teacher = tiny_model(architecture)
    ours, theirs = hidden_states(keep_layers(teacher, (0, 1, 2))), hidden_states(teacher)
    # ModernBERT normalises what the last layer gives, so that its last hidden state differs
    compared = 3 if architecture == "modernbert" else 4
    for depth in range(compared):
        torch.testing.assert_close(ours[depth], theirs[depth])


@each_architecture
def test_a_step_of_the_student_leaves_the_teacher_as_it_was(architecture: str) -> None:
    teacher = tiny_model(architecture)
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    student = keep_layers(teacher, (1, 3, 5))
    start = logits(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.5)
    student(**tiny_batch(), labels=torch.tensor([0, 1, 2])).loss.backward()
    optimizer.step()
    assert not torch.allclose(logits(student), start)
    assert all(torch.equal(before[name], w) for name, w in teacher.state_dict().items())


@each_architecture
def test_a_student_leaves_the_random_state_and_the_teachers_config_alone(
    architecture: str,
) -> None:
    teacher = tiny_model(architecture)
    state, config = torch.get_rng_state(), teacher.config.to_dict()
    keep_layers(teacher, (0, 5))
    assert torch.equal(torch.get_rng_state(), state)
    assert teacher.config.to_dict() == config


def test_modernberts_kinds_of_attention_go_with_their_layers() -> None:
    teacher = tiny_model("modernbert")
    kinds = teacher.config.layer_types
    student = keep_layers(teacher, (0, 2, 5))
    assert len(set(kinds)) == 2
    assert student.config.layer_types == [kinds[0], kinds[2], kinds[5]]


def test_a_model_that_shares_one_layer_is_refused_with_those_that_work() -> None:
    size = {**_sizes(), "embedding_size": 16, "num_hidden_layers": 6}
    albert = AutoModelForSequenceClassification.from_config(AlbertConfig(**size))
    with pytest.raises(ModelError, match=r"6 layers are not in one list.*BERT, RoBERTa"):
        keep_layers(albert, (0, 1))


def _sizes() -> dict[str, int]:
    names = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size")
    config = tiny_config()
    return {name: getattr(config, name) for name in names}
