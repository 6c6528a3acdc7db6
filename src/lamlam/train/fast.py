"""The same model, faster while it trains: its layers compiled, its feed-forward part computed by other kernels.

What is saved stays a plain transformers checkpoint, since only methods of the modules in memory are replaced.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.models.llama.modeling_llama import LlamaMLP

from lamlam.train.feed_forward import feed_forward, has_kernels


def speed_up(model: Any, compiled: bool, recompute: int = 0) -> None:
    """Take faster kernels for the feed-forward modules of a Llama where there are some for its device (bfloat16 only).

    `compiled`: compile the layers with torch.compile, for fixed shapes; one compilation serves all of them.
    `recompute`: of how many of those modules, from the first, the backward pass computes again what gate and up gave.
    """
    if has_kernels(model.device):
        modules = [module for module in model.modules() if isinstance(module, LlamaMLP)]
        for number, module in enumerate(modules):
            if module.config.hidden_act == "silu" and not module.config.mlp_bias:
                module.forward = _InKernels(module, keep=number >= recompute)
    if compiled:
        base = model.base_model
        for module in (*layers(model), base.norm if hasattr(base, "norm") else base.ln_f):
            module.compile(dynamic=False)


def layers(model: Any) -> Any:
    """The layers of a Llama or a GPT-2, in their order."""
    return model.base_model.layers if hasattr(model.base_model, "layers") else model.base_model.h


class _InKernels:
    """`LlamaMLP.forward` by other means; outside of autocast, by the module's own."""

    def __init__(self, module: LlamaMLP, keep: bool = True) -> None:
        self.module, self.keep = module, keep

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        module, device = self.module, x.device.type
        if not torch.is_autocast_enabled(device):
            return LlamaMLP.forward(module, x)  # type: ignore[no-any-return]
        rows = x.flatten(0, -2).to(torch.get_autocast_dtype(device))
        weights = (module.gate_proj.weight, module.up_proj.weight, module.down_proj.weight)
        result: torch.Tensor = feed_forward(rows, *weights, self.keep)[0]
        return result.view(x.shape)
