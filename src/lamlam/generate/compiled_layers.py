"""Llama's layers on a CPU for small feeds, compiled by Numba: one call a layer, where NumPy makes some forty.

For a small model, what an operation costs to call is most of what it costs. Weights, slots and what comes out are those
of `lamlam.generate.few`, to within rounding. It works in one thread, so that it does not wait for PyTorch's threads nor
they for it; products that are large enough for several are PyTorch's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import silu

from lamlam.generate.compiling import compiled
from lamlam.generate.slots import Feed, Int64

if TYPE_CHECKING:
    from lamlam.generate.llama import LlamaForward

Floats = npt.NDArray[Any]

ALONE = 1 << 20
"""How many multiplications of a layer one thread makes in the time in which PyTorch calls its own."""


class _Weights(NamedTuple):
    """A layer's, as tensors or as arrays."""

    input_norm: Any
    qkv: Any
    out: Any
    post_norm: Any
    gate_up: Any
    down: Any


class CompiledTokens:
    """Runs small feeds of a forward on a CPU, whose weights are float32 or float64; as `few.FewTokens` does."""

    def __init__(self, forward: LlamaForward) -> None:
        self._forward = forward
        self._turns = forward.cos.numpy(), forward.sin.numpy()
        self._layers = [
            _Weights(*(getattr(layer, name).detach() for name in _Weights._fields)) for layer in forward.layers
        ]
        self._arrays = [_Weights(*(weight.numpy() for weight in layer)) for layer in self._layers]
        self._norm: Floats = forward.model.model.norm.weight.detach().numpy()
        self._embeddings: Floats = forward.model.model.embed_tokens.weight.detach().numpy()
        self._size = sum(weight.numel() for weight in self._layers[0])
        self._slots: list[tuple[Floats, Floats]] = []
        self._length = 0  # of these

    def run(self, feed: Feed) -> Floats:
        """The last hidden state of every token; shape (tokens, hidden)."""
        forward, cache = self._forward, self._forward.cache
        if self._length != cache.length:
            self._length = cache.length
            self._slots = [
                (keys.numpy(), values.numpy()) for keys, values in zip(cache.keys, cache.values, strict=True)
            ]
        x = self._embeddings[feed.tokens]
        where: Any = feed.slots, feed.positions, *self._turns, forward.heads, forward.scale
        alone = len(x) * self._size <= ALONE
        for number, slots in enumerate(self._slots):
            if alone:
                _layer(x, forward.eps, *self._arrays[number], *slots, *where)
            else:
                self._large(number, x, slots, where)
        return _normed(x, self._norm, forward.eps)

    def _large(self, number: int, x: Floats, slots: tuple[Floats, Floats], where: Any) -> None:
        """As `_layer`, with PyTorch's products."""
        its, arrays, eps = self._layers[number], self._arrays[number], self._forward.eps
        x_ = torch.from_numpy(x)
        projected = torch.mm(torch.from_numpy(_normed(x, arrays.input_norm, eps)), its.qkv.t())
        x_.addmm_(torch.from_numpy(_attended(projected.numpy(), *slots, *where)), its.out.t())
        gates = torch.mm(torch.from_numpy(_normed(x, arrays.post_norm, eps)), its.gate_up.t())
        gate, up = gates.chunk(2, dim=1)
        x_.addmm_(silu(gate) * up, its.down.t())


@compiled
def _layer(
    x: Floats, eps: float, input_norm: Floats, qkv: Floats, out: Floats, post_norm: Floats, gate_up: Floats,
    down: Floats, keys: Floats, values: Floats, slots: Int64, positions: Int64, cos: Floats, sin: Floats, heads: int,
    scale: float,
) -> None:  # fmt: skip
    """One layer, in place in `x`, shape (tokens, hidden); keys and values of the tokens go to their slots."""
    tokens, inner = len(x), down.shape[1]
    projected = np.zeros((tokens, qkv.shape[0]), x.dtype)
    _add_product(_normed(x, input_norm, eps), qkv, projected)
    _add_product(_attended(projected, keys, values, slots, positions, cos, sin, heads, scale), out, x)
    gates = np.zeros((tokens, 2 * inner), x.dtype)
    _add_product(_normed(x, post_norm, eps), gate_up, gates)
    gated = np.empty((tokens, inner), x.dtype)
    for token in range(tokens):
        for place in range(inner):
            gate = gates[token, place]
            gated[token, place] = gate / (x.dtype.type(1) + math.exp(-gate)) * gates[token, inner + place]
    _add_product(gated, down, x)


@compiled
def _normed(x: Floats, weight: Floats, eps: float) -> Floats:
    """RMSNorm of each row."""
    normed = np.empty_like(x)
    for token in range(len(x)):
        square = x.dtype.type(0)
        for place in range(x.shape[1]):
            square += x[token, place] * x[token, place]
        factor = x.dtype.type(1 / math.sqrt(square / x.shape[1] + eps))
        for place in range(x.shape[1]):
            normed[token, place] = x[token, place] * factor * weight[place]
    return normed


@compiled
def _add_product(x: Floats, weight: Floats, to: Floats) -> None:
    """Add x · weightᵀ; each row of weights is read once, for all tokens."""
    for row in range(weight.shape[0]):
        for token in range(len(x)):
            total = x.dtype.type(0)
            for place in range(weight.shape[1]):
                total += weight[row, place] * x[token, place]
            to[token, row] += total


@compiled
def _attended(
    projected: Floats, keys: Floats, values: Floats, slots: Int64, positions: Int64, cos: Floats, sin: Floats,
    heads: int, scale: float,
) -> Floats:  # fmt: skip
    """What tokens see; shape (tokens, heads × width). `projected`: queries, keys and values, as they are multiplied;
    keys and values go to their slots, each with those of its run before it."""
    tokens, kv_heads, width = len(projected), keys.shape[1], keys.shape[3]
    parts = projected.reshape(tokens, heads + 2 * kv_heads, width)
    for token in range(tokens):
        slot, position = slots[token], positions[token]
        _turn(parts[token, : heads + kv_heads], cos[position], sin[position])
        for head in range(kv_heads):
            keys[slot, head, position] = parts[token, heads + head]
            values[slot, head, position] = parts[token, heads + kv_heads + head]
    seen = np.zeros((tokens, heads, width), projected.dtype)
    for token in range(tokens):
        slot, until = slots[token], positions[token] + 1
        for head in range(heads):
            kv_head = head // (heads // kv_heads)
            _attend(
                parts[token, head], keys[slot, kv_head, :until], values[slot, kv_head, :until], scale, seen[token, head]
            )
    return seen.reshape(tokens, heads * width)


@compiled
def _turn(vectors: Floats, cos: Floats, sin: Floats) -> None:
    """Rotary embedding of each head's vector, in place."""
    half = len(cos)
    for head in range(len(vectors)):
        for place in range(half):
            first, second = vectors[head, place], vectors[head, half + place]
            vectors[head, place] = first * cos[place] - second * sin[place]
            vectors[head, half + place] = second * cos[place] + first * sin[place]


@compiled
def _attend(query: Floats, keys: Floats, values: Floats, scale: float, seen: Floats) -> None:
    """Attention of one head's query, shape (width,), over (positions, width); `seen` is zero before."""
    scores = np.empty(len(keys), query.dtype)
    top = query.dtype.type(-np.inf)
    for at in range(len(keys)):
        score = query.dtype.type(0)
        for place in range(len(query)):
            score += query[place] * keys[at, place]
        scores[at] = score * query.dtype.type(scale)
        top = max(top, scores[at])
    total = query.dtype.type(0)
    for at in range(len(keys)):
        weight = math.exp(scores[at] - top)
        total += weight
        for place in range(len(query)):
            seen[place] += weight * values[at, place]
    for place in range(len(query)):
        seen[place] /= total
