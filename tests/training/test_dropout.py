from __future__ import annotations

import pytest
import torch

from distillora.training.dropout import ByteDropout, use_byte_dropout
from tiny import tiny_batch, tiny_model


def test_it_drops_the_asked_share_and_keeps_the_expected_value() -> None:
    torch.manual_seed(0)
    out = ByteDropout(0.1)(torch.ones(1000, 1000))
    assert (out == 0).float().mean().item() == pytest.approx(26 / 256, abs=1e-3)
    assert out.mean().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.9999, 1.0])
def test_a_rate_that_no_byte_can_tell_is_left_to_plain_dropout(rate: float) -> None:
    x = torch.ones(10_000)
    torch.manual_seed(0)
    ours = ByteDropout(rate)(x)
    torch.manual_seed(0)
    assert torch.equal(ours, torch.nn.Dropout(rate)(x))


def test_neighbouring_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (ByteDropout(0.5)(torch.ones(1_000_000)) == 0).float()
    for distance in range(1, 17):
        both = (dropped[distance:] * dropped[:-distance]).mean().item()
        assert both == pytest.approx(0.25, abs=3e-3)


def test_the_gradient_flows_through_what_is_kept_alone() -> None:
    x = torch.ones(1001, requires_grad=True)
    out = ByteDropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


def test_it_follows_the_seed_and_does_nothing_while_evaluating() -> None:
    dropout, x = ByteDropout(0.4), torch.randn(64, 3)
    torch.manual_seed(5)
    first = dropout(x)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x))
    assert torch.equal(dropout.eval()(x), x)


def test_a_model_keeps_its_weights_and_what_it_says() -> None:
    model, batch = tiny_model(), tiny_batch()
    names, before = list(model.state_dict()), model(**batch).logits
    use_byte_dropout(model)
    assert list(model.state_dict()) == names
    assert torch.equal(model(**batch).logits, before)
    assert not any(type(module) is torch.nn.Dropout for module in model.modules())
