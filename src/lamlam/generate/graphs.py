"""Llama's forward on a GPU: the kernels of a feed captured once for each size, then replayed as CUDA graphs.

What differs between two feeds of a size (tokens, slots, positions) lies in one small tensor on the device. So a step
costs the host one copy and one launch, whatever rows are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn.functional import linear

from lamlam.generate import kernels
from lamlam.generate.slots import Feed, Int64
from lamlam.generate.transfer import Staging

if TYPE_CHECKING:
    from lamlam.generate.llama import LlamaForward

_SMALL = (1, 2, 4, 8, 16)
_STEP = 32


class Captured(NamedTuple):
    """A graph for feeds of a size, what it reads (`plan`, int64, rows as in `Graphs._plan`), and what it writes."""

    graph: torch.cuda.CUDAGraph
    plan: torch.Tensor
    hidden: torch.Tensor


class Graphs:
    """The graphs of a forward, by size. Feeds are padded to one with tokens for the slot that no row has."""

    def __init__(self, forward: LlamaForward) -> None:
        self._forward = forward
        self._chosen = torch.zeros(forward.slots, dtype=torch.long, device=forward.device)
        self._pool = torch.cuda.graph_pool_handle()
        self._captured: dict[int, Captured] = {}
        self._staging = Staging(forward.device)

    def forget(self) -> None:
        """Drop all graphs, because the cache has moved."""
        self._captured.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """The last hidden states of `feed.ends`; shape (ends, hidden). To be used before the next run."""
        size = _size(len(feed.tokens))
        captured = self._captured.get(size)
        if captured is None:
            captured = self._captured[size] = self._capture(size)
        self._staging.send(self._plan(size, feed), to=captured.plan)
        if chosen is not None:
            self._chosen[: len(chosen)].copy_(chosen)
        captured.graph.replay()
        if not feed.runs:
            return captured.hidden[: feed.singles]
        return captured.hidden[captured.plan[4, : len(feed.ends)]]

    def _plan(self, size: int, feed: Feed | None = None) -> Int64:
        """Tokens, sources, slots, positions, and ends; int64, shape (5, size). Padding goes to the slot of nobody."""
        plan = np.zeros((5, size), np.int64)
        plan[1], plan[2] = -1, self._forward.slots
        if feed is not None:
            for row, values in zip(
                plan, (feed.tokens, feed.sources, feed.slots, feed.positions, feed.ends), strict=True
            ):
                row[: len(values)] = values
        return plan

    def _capture(self, size: int) -> Captured:
        plan = torch.from_numpy(self._plan(size)).to(self._forward.device)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._trunk(plan)  # compiles the kernels, which a capture must not
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            hidden = self._trunk(plan)
        return Captured(graph, plan, hidden)

    def _trunk(self, plan: torch.Tensor) -> torch.Tensor:
        """The last hidden state of every token; shape (size, hidden)."""
        forward = self._forward
        tokens, sources, slots, positions = plan[:4]
        tokens = torch.where(sources >= 0, self._chosen[sources.clamp(min=0)], tokens)
        x = forward.model.model.embed_tokens.weight[tokens]
        for number, layer in enumerate(forward.layers):
            keys, values = forward.cache.keys[number], forward.cache.values[number]
            qkv = linear(kernels.rms_norm(x, layer.input_norm, forward.eps), layer.qkv)
            qkv = qkv.view(len(x), -1, forward.width)
            query = kernels.rotate_and_store(
                qkv, keys, values, forward.cos, forward.sin, slots, positions, forward.heads
            )
            seen = kernels.attend(query, keys, values, slots, positions, forward.scale)
            x.addmm_(seen.view(len(x), -1), layer.out.t())
            gate_up = linear(kernels.rms_norm(x, layer.post_norm, forward.eps), layer.gate_up)
            x.addmm_(kernels.gated(gate_up), layer.down.t())
        return kernels.rms_norm(x, forward.model.model.norm.weight, forward.eps)


def _size(tokens: int) -> int:
    return next((size for size in _SMALL if tokens <= size), -(-tokens // _STEP) * _STEP)
