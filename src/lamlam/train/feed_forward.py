"""The feed-forward part of a Llama layer, down(silu(gate(x)) · up(x)), with less memory traffic than the plain modules.

At the paper's shapes (11,008 wide over a hidden size of 512 or 768) this part is bound by what it reads and writes, not
by arithmetic. Here gate and up are one matrix product, and silu(gate) · up, and its derivative, are computed inside the
products, while their results are still in registers: by QuACK, which writes such kernels for Hopper GPUs
(`pip install lamlam[fast]`). The other products are QuACK's, too. How much is kept for the backward pass is `Kept`.

Parameters and results are those of transformers' `LlamaMLP` in bfloat16; gradients of parameters are summed in float32.
"""

from __future__ import annotations

from enum import IntEnum
from importlib.util import find_spec
from typing import Any

import torch


class Kept(IntEnum):
    """What the forward pass keeps for the backward pass, beside its input."""

    NOTHING = 0
    """All is computed again."""
    BEFORE = 1
    """What gate and up gave. Their product is computed again by the kernel that gives the derivative, and the backward
    pass goes through the tokens in two parts, so that the gradients of what is 11,008 wide never exist as a whole."""
    ALL = 2
    """The product, too, which then needs not be written a second time: faster, and half as much memory again."""


_LEAST_ROWS = 16_384
"""Tokens in a part of the backward pass, at least: enough to fill a GPU."""


def has_kernels(device: torch.device) -> bool:
    """Whether QuACK is installed and this is a Hopper GPU, for which its tiles were chosen here."""
    return (
        device.type == "cuda" and torch.cuda.get_device_capability(device) == (9, 0) and find_spec("quack") is not None
    )


# An operator of its own is opaque to torch.compile, which would otherwise trace into QuACK's launch code.
@torch.library.custom_op("lamlam::feed_forward", mutates_args=())
def feed_forward(
    x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor, keep: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`x`: bfloat16, shape (tokens, hidden); `gate`, `up`: (width, hidden); `down`: (hidden, width); `keep`: a `Kept`.

    Returns the result, shape (tokens, hidden), what gate and up gave, (tokens, 2 · width), and silu(gate) · up,
    (tokens, width); of the last two, what is not kept has no rows.
    """
    if not len(x):  # a micro-batch in which nothing trains, in the last layer
        return torch.empty_like(x), x.new_empty(0, 2 * len(gate)), x.new_empty(0, len(gate))
    from quack.gemm_interface import gemm_gated

    both = _alternating(gate, up, x.dtype)
    before, product = gemm_gated(
        x, both.t(), activation="swiglu", store_preact=keep > Kept.NOTHING, config=_config(128, 192, 1, 4)
    )
    result = _product(product, down.to(x.dtype).t(), torch.empty_like(x), _config(256, 128, 1, 2))
    if keep == Kept.NOTHING:
        before = x.new_empty(0, len(both))
    return result, before, product if keep == Kept.ALL else x.new_empty(0, len(gate))


@torch.library.custom_op("lamlam::feed_forward_backward", mutates_args=())
def _feed_forward_backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    before: torch.Tensor,
    product: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of `x`, of gate and up (alternating rows) and of `down`; the last two float32."""
    if not len(x):
        return torch.empty_like(x), gate.new_zeros(2 * len(gate), gate.shape[1]), torch.zeros_like(down)
    both, down = _alternating(gate, up, x.dtype), down.to(x.dtype)
    if not len(before):
        before = x @ both.t()
    grad_x = torch.empty_like(x)
    grad_both = grad_down = None
    rows = len(x) if len(product) else max(_LEAST_ROWS, -(-len(x) // 2))
    for begin in range(0, len(x), rows):
        some = slice(begin, begin + rows)
        grad_before, outcome = _derivative(grad[some], down, before[some], product[some])
        _product(grad_before, both, grad_x[some], _config(256, 128, 1, 2))
        of_both, of_down = torch.empty(both.shape, device=x.device), torch.empty(down.shape, device=x.device)
        _product(grad_before.t(), x[some], of_both, _config(128, 256, 2, 1), split=3)
        _product(grad[some].t(), outcome, of_down, _config(256, 192, 1, 4))
        grad_both = of_both if grad_both is None else grad_both.add_(of_both)
        grad_down = of_down if grad_down is None else grad_down.add_(of_down)
    return grad_x, grad_both, grad_down  # type: ignore[return-value]


def _derivative(
    grad: torch.Tensor, down: torch.Tensor, before: torch.Tensor, product: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient of `before`, and the product, which is computed again where it has no rows."""
    if len(product):
        from lamlam.train import derivative

        if derivative.has_derivative(*down.shape):
            return derivative.silu_derivative(grad, down, before), product
    from quack.gemm_interface import gemm_dgated

    return gemm_dgated(grad, down, before, activation="swiglu", config=_config(128, 128, 2, 1))  # type: ignore[no-any-return]


def _product(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor, config: Any, split: int = 1) -> torch.Tensor:
    """`left` · `right`, written into `out`, bfloat16 or float32; `split`: parts of a sum, made side by side."""
    from quack.gemm_interface import gemm_tuned

    gemm_tuned.fn(left, right, out, config=config, split_k=split)
    return out


@feed_forward.register_fake
def _(
    x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor, keep: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    tokens = x.shape[0]  # may be a symbol, which len() would fix
    before = x.new_empty(tokens if keep > Kept.NOTHING else 0, 2 * len(gate))
    return torch.empty_like(x), before, x.new_empty(tokens if keep == Kept.ALL else 0, len(gate))


@_feed_forward_backward.register_fake
def _(
    grad: torch.Tensor,
    x: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    before: torch.Tensor,
    product: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.empty_like(x), gate.new_empty(2 * len(gate), gate.shape[1]), torch.empty_like(down)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:4], *output[1:])


def _gradients(ctx: Any, grad: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
    grad_x, grad_both, grad_down = _feed_forward_backward(grad.contiguous(), *ctx.saved_tensors)
    return grad_x, grad_both[0::2], grad_both[1::2], grad_down, None


feed_forward.register_autograd(_gradients, setup_context=_save)


def _alternating(gate: torch.Tensor, up: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Row 2i is row i of `gate`, row 2i + 1 that of `up`: one tile of a product then holds what belongs together."""
    both = torch.empty(2 * len(gate), gate.shape[1], dtype=dtype, device=gate.device)
    both[0::2], both[1::2] = gate, up
    return both


def _config(tile_m: int, tile_n: int, cluster_m: int, cluster_n: int) -> Any:
    """Of QuACK's tiles for Hopper those that were fastest at these shapes, measured on an H100 at its power limit.

    Where a cluster of four tiles shares what it reads from the L2 cache, whose speed bounds the product of gate and up,
    a step is 6 % faster than with two.
    """
    from quack.gemm_config import GemmConfig

    shape = {"tile_m": tile_m, "tile_n": tile_n, "cluster_m": cluster_m, "cluster_n": cluster_n}
    # Two small tiles take turns in a multiprocessor; of large ones it has room for one.
    return GemmConfig(**shape, pingpong=tile_m * tile_n <= 128 * 192, is_dynamic_persistent=False)
