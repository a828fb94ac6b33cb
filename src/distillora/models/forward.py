"""Running a classifier over many texts without training it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from distillora.data.tokens import TokenizedSplit, pad_batch

Rows = npt.NDArray[np.int64]


def forward_batches(
    model: nn.Module,
    tokens: TokenizedSplit,
    pad_token_id: int,
    *,
    batch_size: int = 64,
    hidden_states: bool = False,
    bf16: bool = False,
) -> Iterator[tuple[Rows, Tensor, Tensor | None]]:
    """Yield (row numbers, logits, last hidden states) of batches sorted by length.

    Logits are float32, shape (batch, labels); hidden states, if asked for, are of shape
    (batch, longest, width). The model is put into evaluation mode.
    """
    device = next(model.parameters()).device
    order = np.argsort(tokens.lengths, kind="stable")
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            ids, mask = pad_batch([tokens.row(int(i)) for i in rows], pad_token_id)
            outputs = model(
                input_ids=torch.from_numpy(ids).to(device),
                attention_mask=torch.from_numpy(mask).to(device),
                output_hidden_states=hidden_states,
            )
            hidden = outputs.hidden_states[-1] if hidden_states else None
            yield rows, outputs.logits.float(), hidden


def predict_logits(
    model: nn.Module, tokens: TokenizedSplit, pad_token_id: int, *, batch_size: int = 64
) -> npt.NDArray[np.float32]:
    """Return float32 logits in the order of the rows; shape (rows, labels)."""
    parts: list[npt.NDArray[np.float32]] = []
    rows: list[Rows] = []
    for batch, logits, _ in forward_batches(model, tokens, pad_token_id, batch_size=batch_size):
        parts.append(logits.cpu().numpy())
        rows.append(batch)
    flat = np.concatenate(parts)
    ordered = np.empty_like(flat)
    ordered[np.concatenate(rows)] = flat
    return ordered
