"""Some weights learn at a rate of their own, as groups of plain PyTorch would."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from adapted import lora, take_steps
from distillora.evaluation.metrics import epoch_metrics
from distillora.models.adapters import add_adapter
from distillora.progress import Reporter
from distillora.recipe import Training
from distillora.training.batches import Examples
from distillora.training.objectives import TrainingLoss
from distillora.training.rates import factors_b, set_rate
from distillora.training.trainer import train
from tiny import learnable_classes, tiny_batch, tiny_model, tiny_tokens

RATE, RATIO = 1e-3, 16.0


def adapted() -> Any:
    return add_adapter(tiny_model(num_hidden_layers=2), lora(dora=True))


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: w for name, w in model.named_parameters() if w.requires_grad}


def step(model: Any, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(**tiny_batch(), labels=torch.tensor([0, 1, 2])).loss.backward()
    optimizer.step()


def test_the_same_steps_as_plain_pytorch_with_two_rates() -> None:
    ours, plain = adapted(), adapted()
    optimizer = torch.optim.AdamW(trainable(ours).values(), lr=RATE, weight_decay=0.01)
    set_rate(optimizer, factors_b(ours), RATE * RATIO)
    weights = trainable(plain)
    of_b = [w for name, w in weights.items() if "lora_B" in name]
    others = [w for name, w in weights.items() if "lora_B" not in name]
    groups = [{"params": others, "lr": RATE}, {"params": of_b, "lr": RATE * RATIO}]
    expected = torch.optim.AdamW(groups, weight_decay=0.01)
    for _ in range(4):
        step(ours, optimizer)
        step(plain, expected)
    for name, weight in trainable(ours).items():
        assert torch.equal(weight, weights[name]), name


def test_the_first_step_of_adam_moves_b_ratio_times_as_far_as_all_else() -> None:
    model = adapted()
    take_steps(model, 1)  # A has a gradient once B has left zero
    before = {name: w.detach().clone() for name, w in trainable(model).items()}
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=RATE, weight_decay=0.0, eps=1e-20)
    set_rate(optimizer, factors_b(model), RATE * RATIO)
    step(model, optimizer)
    for name, weight in trainable(model).items():
        rate = RATE * RATIO if "lora_B" in name else RATE
        # the step of Adam is lr x sign of the gradient, the first time
        assert (weight - before[name]).abs().max().item() == pytest.approx(rate, rel=1e-2), name


@pytest.mark.parametrize(
    ("make", "ratio", "head"),
    [
        (adapted, 1.0, None),
        (adapted, RATIO, None),
        (adapted, RATIO, 5e-3),
        (partial(tiny_model, num_hidden_layers=2), 1.0, 5e-3),
    ],
)
def test_training_gives_b_and_the_head_their_rates_through_warmup_and_decay(
    make: Callable[[], Any],
    ratio: float,
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
        plus_ratio=ratio,
        head_learning_rate=head,
    )
    # linear: 2 steps up, 8 down
    shape = [0.0, 0.5, *((10 - i) / 8 for i in range(2, 10))]
    assert len(rates) == 10
    for found, share in zip(rates, shape, strict=True):
        assert set(found) == set(trainable(model))
        for name, rate in found.items():
            own = RATE * ratio if "lora_B" in name else RATE
            if head is not None and ("pooler" in name or "classifier" in name):
                own = head
            assert rate == pytest.approx(own * share), name
