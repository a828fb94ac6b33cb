"""The head learns at a rate of its own, as a group of plain PyTorch would."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from adapted import lora
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.adapters import add_adapter, head_weights
from distillora.progress import Reporter
from distillora.recipe import Training
from distillora.training.batches import Examples
from distillora.training.objectives import TrainingLoss
from distillora.training.rates import set_rate
from distillora.training.trainer import train
from tiny import learnable_classes, tiny_batch, tiny_model, tiny_tokens

RATE, HEAD_RATE = 1e-3, 1.6e-2


def adapted() -> Any:
    return add_adapter(tiny_model(num_hidden_layers=2), lora(dora=True))


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: w for name, w in model.named_parameters() if w.requires_grad}


def is_head(name: str) -> bool:
    return "pooler" in name or "classifier" in name


def step(model: Any, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(**tiny_batch(), labels=torch.tensor([0, 1, 2])).loss.backward()
    optimizer.step()


def test_the_same_steps_as_plain_pytorch_with_two_rates() -> None:
    ours, plain = adapted(), adapted()
    optimizer = torch.optim.AdamW(trainable(ours).values(), lr=RATE, weight_decay=0.01)
    set_rate(optimizer, head_weights(ours), HEAD_RATE)
    weights = trainable(plain)
    head = [w for name, w in weights.items() if is_head(name)]
    others = [w for name, w in weights.items() if not is_head(name)]
    groups = [{"params": others, "lr": RATE}, {"params": head, "lr": HEAD_RATE}]
    expected = torch.optim.AdamW(groups, weight_decay=0.01)
    for _ in range(4):
        step(ours, optimizer)
        step(plain, expected)
    for name, weight in trainable(ours).items():
        assert torch.equal(weight, weights[name]), name


def test_the_first_step_of_adam_moves_every_weight_by_its_rate() -> None:
    model = tiny_model(num_hidden_layers=2)
    before = {name: w.detach().clone() for name, w in trainable(model).items()}
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=RATE, weight_decay=0.0, eps=1e-20)
    set_rate(optimizer, head_weights(model), HEAD_RATE)
    step(model, optimizer)
    for name, weight in trainable(model).items():
        rate = HEAD_RATE if is_head(name) else RATE
        # the step of Adam is lr x sign of the gradient, the first time
        assert (weight - before[name]).abs().max().item() == pytest.approx(rate, rel=1e-2), name


@pytest.mark.parametrize("head", [None, 5e-3])
@pytest.mark.parametrize("make", [adapted, partial(tiny_model, num_hidden_layers=2)])
def test_training_gives_the_head_its_rate_through_warmup_and_decay(
    make: Callable[[], Any],
    head: float | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[dict[str, float]] = []
    model = make()
    names = {id(w): name for name, w in trainable(model).items()}
    original = torch.optim.AdamW.step

    def spy(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        rates.append({names[id(w)]: float(g["lr"]) for g in self.param_groups for w in g["params"]})
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    tokens = tiny_tokens(rows=80)
    data = Examples(tokens, learnable_classes(tokens))
    train(
        model,
        data,
        data,
        objective=TrainingLoss(),
        settings=Training(epochs=1, batch_size=8, learning_rate=RATE, warmup=0.2),
        metric="f1_weighted",
        epoch_metrics=partial(epoch_metrics, task="single_label"),
        pad_token_id=0,
        seed=0,
        precision="fp32",
        checkpoints=tmp_path / "checkpoints",
        tensorboard=tmp_path / "tensorboard",
        reporter=Reporter(quiet=True),
        title="tiny",
        head_learning_rate=head,
    )
    # linear: 2 steps up, 8 down
    shape = [0.0, 0.5, *((10 - i) / 8 for i in range(2, 10))]
    assert len(rates) == 10
    for found, share in zip(rates, shape, strict=True):
        assert set(found) == set(trainable(model))
        for name, rate in found.items():
            own = head if head is not None and is_head(name) else RATE
            assert rate == pytest.approx(own * share), name
