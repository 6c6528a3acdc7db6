"""The paper's objective: next-token cross-entropy over the tokens that train, and nothing else in sum or count."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from lamlam.corpus import IGNORED


class SummedLoss(torch.nn.Module):
    """A causal LM whose forward pass returns the *sum* of −log p(label) over the labels that are not ignored, in nats.

    The caller divides by the number of trained tokens in the whole batch, all micro-batches and processes together, so
    that how densely a text is marked up does not move the scale of the loss. It is a module, so that whatever wraps
    one (data parallelism, compilation) wraps the loss as well.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`inputs`, `labels`: int64, shape (windows, context), labels already shifted. Returns a float32 scalar."""
        hidden = self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
        trains = labels != IGNORED  # only positions that train go through the output layer
        logits = self.model.get_output_embeddings()(hidden[trains])
        return functional.cross_entropy(logits.float(), labels[trains], reduction="sum")
