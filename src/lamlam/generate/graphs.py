"""Llama's forward on a GPU: the kernels of a feed captured once for each size, then replayed as CUDA graphs; and the
output layer with the choice of the likeliest tokens likewise.

What differs between two feeds of a size (tokens, slots, positions), or between two choices, lies in one small tensor on
the device. So a step costs the host two copies and two launches, whatever rows are in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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
_LISTED = 32  # of tokens that alone may come there is room for so many a row on average


class Captured(NamedTuple):
    """A graph for feeds or choices of a size, and what it reads: int64, as `Feed.plan` or `likeliest` say."""

    graph: torch.cuda.CUDAGraph
    plan: torch.Tensor


class Graphs:
    """The graphs of a forward, by size. Feeds are padded to one with tokens for the slot that no row has."""

    def __init__(self, forward: LlamaForward) -> None:
        self._forward = forward
        rows, config = _size(forward.slots), forward.model.config
        self.chosen = torch.zeros(rows, dtype=torch.long, device=forward.device)
        """The last choice."""
        self.hidden = torch.zeros((rows, config.hidden_size), dtype=forward.dtype, device=forward.device)
        """The last hidden states of `feed.ends` in the last run."""
        self._pool = torch.cuda.graph_pool_handle()
        self._captured: dict[int, Captured] = {}
        self._staging = Staging(forward.device)

    def forget(self) -> None:
        """Drop all graphs, because the cache has moved."""
        self._captured.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """The last hidden states of `feed.ends`; shape (ends, hidden)."""
        size = _size(len(feed.tokens))
        captured = self._captured.get(size)
        if captured is None:
            captured = self._captured[size] = self._capture(size)
        self._staging.send(feed.plan(size, self._forward.slots), to=captured.plan)
        if chosen is not None and chosen.data_ptr() != self.chosen.data_ptr():
            self.chosen[: len(chosen)].copy_(chosen)
        captured.graph.replay()
        return self.hidden[: len(feed.ends)]

    def _capture(self, size: int) -> Captured:
        nothing = Feed.of(*np.zeros((3, 0), np.int64))
        plan = torch.from_numpy(nothing.plan(size, self._forward.slots)).to(self._forward.device)
        return Captured(_captured(lambda: self._trunk(plan), self._pool), plan)

    def _trunk(self, plan: torch.Tensor) -> None:
        """Write the last hidden states of the ends into `hidden`."""
        forward = self._forward
        tokens, sources, slots, positions, ends = plan
        tokens = torch.where(sources >= 0, self.chosen[sources.clamp(min=0)], tokens)
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
        ends = ends[: len(self.hidden)]
        self.hidden[: len(ends)] = kernels.rms_norm(x[ends], forward.model.model.norm.weight, forward.eps)


class ChoiceGraphs:
    """The graphs of output layer and choice, by how many rows there are, for a table of what each state rules out."""

    def __init__(self, graphs: Graphs, forward: LlamaForward, barred: torch.Tensor) -> None:
        self._graphs, self._forward, self._barred = graphs, forward, barred
        self._hot: torch.Tensor | None = None
        self._pool = torch.cuda.graph_pool_handle()
        self._captured: dict[int, Captured] = {}
        self._staging = Staging(forward.device)

    def room(self, rows: int) -> int:
        """How many rows the plan for so many has to have."""
        return _size(rows)

    def takes(self, plan: Int64, size: int) -> bool:
        """Whether there is a place for so many tokens that alone may come."""
        return len(plan) <= _plan_length(size)

    def choose(self, rows: int, plan: Int64, size: int, hot: torch.Tensor | None) -> torch.Tensor:
        """The likeliest tokens of the last run's `rows` ends; int64, shape (rows,). `plan` and `hot`: as
        `kernels.likeliest` wants them, for `size` rows; None where nothing is hot."""
        if hot is not None and hot is not self._hot:
            self._hot = hot
            self._captured.clear()
            self._pool = torch.cuda.graph_pool_handle()  # one without graphs is gone
        captured = self._captured.get(size)
        if captured is None:
            captured = self._captured[size] = self._capture(size)
        self._staging.send(plan, to=captured.plan[: len(plan)])
        captured.graph.replay()
        return self._graphs.chosen[:rows]

    def _capture(self, size: int) -> Captured:
        plan = torch.zeros(_plan_length(size), dtype=torch.long, device=self._forward.device)

        def run() -> None:
            logits = self._forward.logits(self._graphs.hidden[:size])
            kernels.likeliest(logits, self._barred, self._hot, plan, out=self._graphs.chosen[:size])

        return Captured(_captured(run, self._pool), plan)


def _captured(run: Callable[[], None], pool: Any) -> torch.cuda.CUDAGraph:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()  # compiles the kernels, which a capture must not
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        run()
    return graph


def _plan_length(size: int) -> int:
    return 3 * size + 1 + _LISTED * size


def _size(tokens: int) -> int:
    return next((size for size in _SMALL if tokens <= size), -(-tokens // _STEP) * _STEP)
