"""AdamW, or Muon for the matrices with AdamW for the rest; and the learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import Any

import torch

from lamlam.train.recipe import Recipe


def make_optimizers(model: torch.nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimisers of a recipe, in a fixed order. Embeddings, output layer, norms and biases are AdamW's in any case.

    Muon orthogonalises the update of a hidden layer's matrix. It is scaled to the size of AdamW's own updates, so that
    one weight decay suits both.
    """
    embeddings = {id(parameter) for module in _embedding_modules(model) for parameter in module.parameters()}
    matrices, tables, vectors = [], [], []
    for parameter in model.parameters():
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif id(parameter) in embeddings:
            tables.append(parameter)
        else:
            matrices.append(parameter)
    adamw_groups = [{"params": tables, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if recipe.optimizer == "adamw":
        adamw_groups[0]["params"] = tables + matrices
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(adamw_groups, lr=recipe.lr, betas=(0.9, 0.95), eps=1e-8, fused=True)
    ]
    if recipe.optimizer == "muon":
        optimizers.append(torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=recipe.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: list[torch.optim.Optimizer], step: int, steps: int, warmup: int) -> float:
    """Set every group's rate for `step` (from 0): linear warm-up, then half a cosine. Returns the share of peak."""
    if step < warmup:
        share = (step + 1) / warmup
    else:
        share = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share
    return share


def _embedding_modules(model: Any) -> list[torch.nn.Module]:
    modules: list[torch.nn.Module] = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    head = model.get_output_embeddings()
    return modules if head is None else [*modules, head]
