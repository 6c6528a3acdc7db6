"""Triton kernels for decoding on a GPU: what lies between the matrix products, each a single pass over its data.

All take the tokens of a feed as they lie side by side, whatever rows they belong to.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_KEYS = 64  # positions that attention reads at a time
_COLUMNS = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _rms_norm(x, weight, out, width, eps, block: tl.constexpr):  # type: ignore[no-untyped-def]
    token = tl.program_id(0)
    column = tl.arange(0, block)
    inside = column < width
    values = tl.load(x + token * width + column, mask=inside, other=0.0).to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(values * values, axis=0) / width + eps)
    normed = values * scale * tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * width + column, normed.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _rotate_and_store(  # type: ignore[no-untyped-def]
    qkv, query, keys, values, cos, sin, slots, positions,
    slot_stride, head_stride, heads, kv_heads, half, block: tl.constexpr,
):  # fmt: skip
    token, head = tl.program_id(0), tl.program_id(1)
    slot = tl.load(slots + token)
    position = tl.load(positions + token)
    column = tl.arange(0, block)
    inside = column < half
    source = qkv + (token * (heads + 2 * kv_heads) + head) * 2 * half + column
    first = tl.load(source, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(source + half, mask=inside, other=0.0).to(tl.float32)
    c = tl.load(cos + position * half + column, mask=inside, other=0.0).to(tl.float32)
    s = tl.load(sin + position * half + column, mask=inside, other=0.0).to(tl.float32)
    place = slot * slot_stride + position * 2 * half + column
    if head < heads:
        target = query + (token * heads + head) * 2 * half + column
        tl.store(target, (first * c - second * s).to(query.dtype.element_ty), mask=inside)
        tl.store(target + half, (second * c + first * s).to(query.dtype.element_ty), mask=inside)
    elif head < heads + kv_heads:
        target = keys + place + (head - heads) * head_stride
        tl.store(target, (first * c - second * s).to(keys.dtype.element_ty), mask=inside)
        tl.store(target + half, (second * c + first * s).to(keys.dtype.element_ty), mask=inside)
    else:
        target = values + place + (head - heads - kv_heads) * head_stride
        tl.store(target, first.to(values.dtype.element_ty), mask=inside)
        tl.store(target + half, second.to(values.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    query, keys, values, out, slots, positions,
    slot_stride, head_stride, heads, group, scale, width: tl.constexpr, block: tl.constexpr, step: tl.constexpr,
):  # fmt: skip
    token, head = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, block)
    inside = column < width
    place = (token * heads + head) * width + column
    q = tl.load(query + place, mask=inside, other=0.0).to(tl.float32) * scale
    until = tl.load(positions + token) + 1
    start = tl.load(slots + token) * slot_stride + (head // group) * head_stride
    most = -float("inf")
    total = 0.0
    seen = tl.zeros([block], dtype=tl.float32)
    for first in range(0, until, step):
        there = first + tl.arange(0, step)
        read = (there < until)[:, None] & inside[None, :]
        offsets = start + there[:, None] * width + column[None, :]
        k = tl.load(keys + offsets, mask=read, other=0.0).to(tl.float32)
        v = tl.load(values + offsets, mask=read, other=0.0).to(tl.float32)
        score = tl.where(there < until, tl.sum(k * q[None, :], axis=1), -float("inf"))
        higher = tl.maximum(most, tl.max(score, axis=0))
        weight = tl.exp(score - higher)
        kept = tl.exp(most - higher)
        total = total * kept + tl.sum(weight, axis=0)
        seen = seen * kept + tl.sum(weight[:, None] * v, axis=0)
        most = higher
    tl.store(out + place, (seen / total).to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _gated(gate_up, out, width, block: tl.constexpr):  # type: ignore[no-untyped-def]
    token = tl.program_id(0)
    column = tl.program_id(1) * block + tl.arange(0, block)
    inside = column < width
    gate = tl.load(gate_up + token * 2 * width + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + token * 2 * width + width + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * width + column, (gate / (1.0 + tl.exp(-gate)) * up).to(out.dtype.element_ty), mask=inside)


# Not made anew for each kind of number of rows: that would hold a running batch up.
@triton.jit(do_not_specialize=["rows"])  # type: ignore[untyped-decorator]
def _likeliest(logits, barred, hot, plan, chosen, vocabulary, rows, block: tl.constexpr, few: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    state = tl.load(plan + row)
    hot_row = tl.load(plan + rows + row)
    first = tl.load(plan + 2 * rows + row)
    last = tl.load(plan + 2 * rows + row + 1)
    scores = logits + row.to(tl.int64) * vocabulary
    best = -float("inf")
    token = tl.zeros([], dtype=tl.int64)
    for start in range(0, vocabulary, block):
        column = start + tl.arange(0, block)
        inside = column < vocabulary
        free = tl.load(barred + state * vocabulary + column, mask=inside, other=1) == 0
        heated = tl.load(hot + tl.maximum(hot_row, 0) * vocabulary + column, mask=inside, other=0) != 0
        score = tl.load(scores + column, mask=inside, other=-float("inf")).to(tl.float32)
        score = tl.where(tl.where(column * 0 + hot_row >= 0, heated, free), score, -float("inf"))
        highest = tl.max(score, axis=0)
        token = tl.where(highest > best, start + tl.argmax(score, axis=0), token).to(tl.int64)
        best = tl.maximum(best, highest)
    for start in range(first, last, few):
        number = start + tl.arange(0, few)
        listed = number < last
        column = tl.load(plan + 3 * rows + 1 + number, mask=listed, other=0)
        score = tl.load(scores + column, mask=listed, other=-float("inf")).to(tl.float32)
        highest = tl.max(score, axis=0)
        # The least of the tokens with the highest score.
        its = tl.min(tl.where(score == highest, column, vocabulary), axis=0)
        token = tl.where(highest > best, its, token).to(tl.int64)
        best = tl.maximum(best, highest)
    tl.store(chosen + row, token)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMS norm over the last dimension of `x`, shape (tokens, width)."""
    out = torch.empty_like(x)
    _rms_norm[(len(x),)](x, weight, out, x.shape[1], eps, block=triton.next_power_of_2(x.shape[1]))
    return out


def rotate_and_store(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    heads: int,
) -> torch.Tensor:
    """Turn queries and keys by their positions, put keys and values into their slots, and give the queries.

    `qkv`: shape (tokens, heads + 2 × kv heads, width); `cos`, `sin`: (window, width / 2); `slots`, `positions`: int64,
    (tokens,). The queries: (tokens, heads, width).
    """
    tokens, _, width = qkv.shape
    kv_heads = keys.shape[1]
    query = qkv.new_empty((tokens, heads, width))
    strides: Any = keys.stride(0), keys.stride(1)
    _rotate_and_store[(tokens, heads + 2 * kv_heads)](
        qkv, query, keys, values, cos, sin, slots, positions, *strides, heads, kv_heads, width // 2,
        block=triton.next_power_of_2(width // 2),
    )  # fmt: skip
    return query


def attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    slots: torch.Tensor,
    positions: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """What each token sees of its slot, up to its own position; shapes as in `rotate_and_store`."""
    tokens, heads, width = query.shape
    out = torch.empty_like(query)
    strides: Any = keys.stride(0), keys.stride(1)
    _attend[(tokens, heads)](
        query, keys, values, out, slots, positions, *strides, heads, heads // keys.shape[1], scale,
        width=width, block=triton.next_power_of_2(width), step=_KEYS,
    )  # fmt: skip
    return out


def gated(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) × up, of shape (tokens, width), where the two lie side by side."""
    tokens, width = gate_up.shape[0], gate_up.shape[1] // 2
    out = gate_up.new_empty((tokens, width))
    _gated[(tokens, triton.cdiv(width, _COLUMNS))](gate_up, out, width, block=_COLUMNS)
    return out


def likeliest(
    logits: torch.Tensor, barred: torch.Tensor, hot: torch.Tensor | None, plan: torch.Tensor, out: torch.Tensor
) -> torch.Tensor:
    """The likeliest token of each row that may come, into `out`; int64, shape (rows,).

    `barred`: bool, shape (states, vocabulary). `hot`: bool, shape (hot rows, vocabulary). `plan`: int64, one after the
    other, by row: its row of `barred`, its row of `hot` or -1, where its own list of tokens begins, and, with one more
    number for the last one's end, these lists. A token may come that is on the list; or is hot, where the row has a row
    of `hot`, and else is not barred.
    """
    rows, vocabulary = logits.shape
    hot = barred if hot is None else hot
    _likeliest[(rows,)](
        logits, barred.view(torch.uint8), hot.view(torch.uint8), plan, out, vocabulary, rows, block=4096, few=128
    )
    return out
