"""A kernel of our own, in Triton, for what neither PyTorch nor QuACK has. Imported only where there is a GPU.

Triton reads the body of a kernel, not Python's meaning of it: names in it are arguments, constants or other kernels.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_TILE = {"ROWS": 128, "COLUMNS": 128, "DEPTH": 64, "num_warps": 8, "num_stages": 3}
"""Fastest of those tried, in a step of the 176M model on an H100."""


def has_derivative(hidden: int, width: int) -> bool:
    """Whether `silu_derivative` can be computed at these sizes, which its tiles have to divide."""
    return hidden % _TILE["DEPTH"] == 0 and width % _TILE["COLUMNS"] == 0


def silu_derivative(grad: torch.Tensor, down: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The gradient of what gate and up gave, from `grad`, that of the feed-forward part's result.

    All bfloat16: `grad`, shape (tokens, hidden); `down`, (hidden, width); `before`, (tokens, 2 · width), gate and up
    alternating, as the result is. Other than QuACK's `gemm_dgated` it does not write silu(gate) · up again, and two
    tiles share a multiprocessor, so that the matrix product of one runs while another reads and writes.
    """
    (tokens, hidden), width = grad.shape, down.shape[1]
    out = torch.empty_like(before)
    tiles = triton.cdiv(tokens, _TILE["ROWS"]) * (width // _TILE["COLUMNS"])
    pairs = (before.view(torch.int32), out.view(torch.int32))
    if tiles:
        whole = tokens % _TILE["ROWS"] == 0
        _silu_derivative[(tiles,)](grad, down, *pairs, tokens, width, HIDDEN=hidden, WHOLE=whole, **_TILE)
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _silu_derivative(  # type: ignore[no-untyped-def]
    grad, down, before, out, tokens, width,
    HIDDEN: tl.constexpr, WHOLE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    across = width // COLUMNS
    first = (tl.program_id(0) // across) * ROWS
    first_column = (tl.program_id(0) % across) * COLUMNS
    row, column, depth = tl.arange(0, ROWS), tl.arange(0, COLUMNS), tl.arange(0, DEPTH)
    # Rows past the end are the last one again: what comes of them is not written.
    read = row if WHOLE else tl.minimum(row, tokens - 1 - first)
    left = grad + first.to(tl.int64) * HIDDEN + (read[:, None] * HIDDEN + depth[None, :])
    right = down + first_column + (depth[:, None] * width + column[None, :])
    inner = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, HIDDEN, DEPTH):
        inner = tl.dot(tl.load(left), tl.load(right), inner)
        left += DEPTH
        right += DEPTH * width
    start = first.to(tl.int64) * width + first_column
    before += start
    out += start
    # A quarter at a time, so that two tiles find room in the registers.
    quarter: tl.constexpr = COLUMNS // 4
    part = tl.arange(0, quarter)
    at = row[:, None] * width + part[None, :]
    inside = row[:, None] < tokens - first
    low, high = tl.split(tl.permute(tl.reshape(inner, (ROWS, 2, 2 * quarter)), (0, 2, 1)))
    one, two = tl.split(tl.permute(tl.reshape(low, (ROWS, 2, quarter)), (0, 2, 1)))
    three, four = tl.split(tl.permute(tl.reshape(high, (ROWS, 2, quarter)), (0, 2, 1)))
    _write_derivative(before, out, at, inside, one, WHOLE)
    _write_derivative(before, out, at + quarter, inside, two, WHOLE)
    _write_derivative(before, out, at + 2 * quarter, inside, three, WHOLE)
    _write_derivative(before, out, at + 3 * quarter, inside, four, WHOLE)


@triton.jit  # type: ignore[untyped-decorator]
def _write_derivative(before, out, at, inside, inner, WHOLE: tl.constexpr):  # type: ignore[no-untyped-def]
    # A pair of bfloat16 is read as one number of 32 bits, the gate in its lower half.
    if WHOLE:
        both = tl.load(before + at, eviction_policy="evict_first")
    else:
        both = tl.load(before + at, inside, 0, eviction_policy="evict_first")
    gate = (both << 16).to(tl.float32, bitcast=True)
    up = (both & -65536).to(tl.float32, bitcast=True)
    share = _sigmoid(gate)
    silu = gate * share
    of_gate = inner * up * (share + silu * (1.0 - share))
    pair = _packed(of_gate, inner * silu)
    if WHOLE:
        tl.store(out + at, pair, eviction_policy="evict_first")
    else:
        tl.store(out + at, pair, inside, eviction_policy="evict_first")


@triton.jit
def _sigmoid(x):  # type: ignore[no-untyped-def]
    # To 22 bits. Triton's own guards its division against numbers that cannot come here, in a third more instructions.
    power = tl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=f,f", [x * -1.4426950408889634], dtype=tl.float32, is_pure=True, pack=1
    )
    return tl.inline_asm_elementwise(
        "rcp.approx.ftz.f32 $0, $1;", "=f,f", [power + 1.0], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def _packed(low, high):  # type: ignore[no-untyped-def]
    # Two float32 rounded to a pair of bfloat16 by one instruction; Triton's conversion takes each by itself, slowly.
    return tl.inline_asm_elementwise(
        "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", [low, high], dtype=tl.int32, is_pure=True, pack=1
    )
