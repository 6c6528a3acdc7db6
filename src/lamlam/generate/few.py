"""Llama's forward on a CPU for few tokens, in NumPy: what an operation costs to call is then most of what it costs, and
NumPy's cost a fraction of PyTorch's.

It works on the same weights and the same slots, without copies of them, and does what `LlamaForward` does in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.slots import Feed

if TYPE_CHECKING:
    from lamlam.generate.llama import LlamaForward

Floats = npt.NDArray[Any]


class _Matrices(NamedTuple):
    """A layer's, as they are multiplied with."""

    qkv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class FewTokens:
    """Runs small feeds of a forward on a CPU, whose weights are float32 or float64."""

    def __init__(self, forward: LlamaForward) -> None:
        self._forward = forward
        cos, sin = forward.cos.numpy(), forward.sin.numpy()
        # The halves (a, b) turned are (a, b) × cos + (b, a) × (−sin, sin).
        self._turns = np.stack([np.stack([cos, cos], axis=1), np.stack([-sin, sin], axis=1)], axis=1)
        self._layers = [
            _Matrices(*(matrix.detach().t() for matrix in (layer.qkv, layer.out, layer.gate_up, layer.down)))
            for layer in forward.layers
        ]
        norms = [norm for layer in forward.layers for norm in (layer.input_norm, layer.post_norm)]
        self._norms: list[Floats] = [norm.detach().numpy() for norm in (*norms, forward.model.model.norm.weight)]
        self._embeddings: Floats = forward.model.model.embed_tokens.weight.detach().numpy()

    @np.errstate(over="ignore")  # of a gate far below 0, which is shut
    def run(self, feed: Feed) -> Floats:
        """The last hidden state of every token; shape (tokens, hidden)."""
        forward, tokens = self._forward, len(feed.tokens)
        heads, width = forward.heads, forward.width
        rotated, inner = heads + forward.kv_heads, self._layers[0].down.shape[0]
        turns = self._turns[feed.positions, :, None]
        cos, sin = turns[:, 0], turns[:, 1]
        spans = _spans(feed, heads // forward.kv_heads)
        x = self._embeddings[feed.tokens]
        for number, layer in enumerate(self._layers):
            qkv = _product(self._normed(x, 2 * number), layer.qkv).reshape(tokens, -1, width)
            halves = qkv[:, :rotated].reshape(tokens, rotated, 2, width // 2)
            turned = (halves * cos + halves[:, :, ::-1] * sin).reshape(tokens, rotated, width)
            keys, values = forward.cache.keys[number].numpy(), forward.cache.values[number].numpy()
            keys[feed.slots, :, feed.positions] = turned[:, heads:]
            values[feed.slots, :, feed.positions] = qkv[:, rotated:]
            seen = np.empty((tokens, heads * width), x.dtype)
            for its, slot, until, hidden in spans:
                seen[its] = self._attend(turned[its, :heads], keys[slot, :, :until], values[slot, :, :until], hidden)
            x += _product(seen, layer.out)
            gate_up = _product(self._normed(x, 2 * number + 1), layer.gate_up)
            gate = gate_up[:, :inner]
            x += _product(gate / (1 + np.exp(-gate)) * gate_up[:, inner:], layer.down)
        return self._normed(x, -1)

    def _normed(self, x: Floats, norm: int) -> Floats:
        mean = np.vecdot(x, x)
        mean /= x.shape[1]
        mean += self._forward.eps
        scaled: Floats = x / np.sqrt(mean)[:, None]
        scaled *= self._norms[norm]
        return scaled

    def _attend(self, query: Floats, keys: Floats, values: Floats, hidden: Floats | None) -> Floats:
        """What tokens see of their slot; `query`: shape (tokens, heads, width); keys and values: (kv heads, positions,
        width). What comes back: (tokens, heads × width)."""
        tokens, heads, width = query.shape
        grouped = query.reshape(tokens, len(keys), -1, width).swapaxes(0, 1).reshape(len(keys), -1, width)
        scores = grouped @ keys.swapaxes(1, 2)
        scores *= self._forward.scale
        if hidden is not None:
            scores += hidden
        scores -= np.maximum.reduce(scores, axis=2, keepdims=True)
        np.exp(scores, out=scores)
        seen = scores @ values
        seen /= np.add.reduce(scores, axis=2, keepdims=True)
        return seen.reshape(len(keys), tokens, -1, width).swapaxes(0, 1).reshape(tokens, heads * width)


def _product(x: Floats, matrix: torch.Tensor) -> Floats:
    """By PyTorch, so that not two libraries' threads wait for each other."""
    return torch.mm(torch.from_numpy(x), matrix).numpy()


class _Span(NamedTuple):
    """The tokens of a row: where they stand in the feed, their slot, how many positions of it there are then, and,
    where they are several, −∞ for what each does not see; shape (tokens × heads of a group, until)."""

    its: slice
    slot: int
    until: int
    hidden: Floats | None


def _spans(feed: Feed, group: int) -> list[_Span]:
    singles = zip(feed.slots[: feed.singles].tolist(), feed.positions[: feed.singles].tolist(), strict=True)
    spans = [_Span(slice(place, place + 1), slot, at + 1, None) for place, (slot, at) in enumerate(singles)]
    place = feed.singles
    for run in feed.runs:
        size, until = len(run.tokens), run.position + len(run.tokens)
        hidden = np.zeros((size, until), np.float32)
        hidden[np.arange(until) > run.position + np.arange(size)[:, None]] = -np.inf
        its = slice(place, place + size)
        spans.append(_Span(its, run.slot, until, hidden.repeat(group, axis=0)))
        place += size
    return spans
