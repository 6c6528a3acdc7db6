"""How much arithmetic a training step is, and how much a device could do."""

from __future__ import annotations

import time
from typing import Any

import torch

DATASHEET_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12, "L40S": 362e12}
"""Floating-point operations a second, dense bfloat16, by the vendor's datasheets (SXM parts); by a part of the name."""


def flops_per_token(model: Any, context: int) -> float:
    """Floating-point operations of a forward and backward pass for one token: 6 · N + 6 · layers · hidden · context.

    N counts the weights of all matrix products: every matrix but the embedding table, the output layer included. The
    second part is causal attention (the scores and the mix of the values, each over half the context on average).
    What is computed twice to save memory counts once.
    """
    config = model.config
    matrices = {id(weight): weight.numel() for weight in model.parameters() if weight.ndim == 2}
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            matrices.pop(id(module.weight), None)
    head = model.get_output_embeddings().weight
    matrices[id(head)] = head.numel()
    arithmetic: float = 6.0 * sum(matrices.values()) + 6.0 * config.num_hidden_layers * config.hidden_size * context
    return arithmetic


def datasheet_peak(device: torch.device) -> float | None:
    """The device's dense bfloat16 peak by its datasheet, in operations a second; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in DATASHEET_BF16.items() if part in name), None)


def measured_peak(device: torch.device, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations a second of a large square matrix product of random numbers, the best of five."""
    size = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        synchronize(device)
        began = time.perf_counter()
        left @ right
        synchronize(device)
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best


def synchronize(device: torch.device) -> None:
    """Wait for what was launched on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
