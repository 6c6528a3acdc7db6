"""The keys and values of all running rows: a row has a slot for as long as it runs, whatever its neighbours do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from lamlam.generate.output import Scores

Int64 = npt.NDArray[np.int64]

_FIRST_LENGTH = 256


class Run(NamedTuple):
    """Tokens that go to a slot from a position on; `last`: the logits after them are wanted."""

    slot: int
    position: int
    tokens: Sequence[int]
    last: bool


@dataclass(frozen=True)
class Feed:
    """What one run of the model takes: a list of tokens, first those that are alone in their slots, then `runs`.

    All int64. `tokens[i]` goes to position `positions[i]` of slot `slots[i]`. Where `sources[i]` is not negative, the
    token is number `sources[i]` of the last choice, which may be on the device only. `ends`: the places in the list of
    the tokens after which the logits are wanted: all that are alone, and the last ones of some runs.
    """

    tokens: Int64
    sources: Int64
    slots: Int64
    positions: Int64
    ends: Int64
    singles: int
    runs: Sequence[Run]

    @classmethod
    def of(
        cls, slots: Int64, positions: Int64, tokens: Int64, sources: Int64 | None = None, runs: Sequence[Run] = ()
    ) -> Feed:
        """A feed of one token for each of `slots`, and of runs for other slots."""
        singles = len(slots)
        ends = np.arange(singles)
        if sources is None:
            sources = np.full(singles, -1)
        if runs:
            sizes = np.array([len(run.tokens) for run in runs])
            last = np.array([run.last for run in runs])
            ends = np.concatenate([ends, (singles - 1 + sizes.cumsum())[last]])
            own = [np.arange(run.position, run.position + len(run.tokens)) for run in runs]
            tokens = np.concatenate([tokens, *(np.array(run.tokens, np.int64) for run in runs)])
            positions = np.concatenate([positions, *own])
            slots = np.concatenate([slots, np.repeat([run.slot for run in runs], sizes)])
            sources = np.concatenate([sources, np.full(len(tokens) - singles, -1)])
        return cls(tokens, sources, slots, positions, ends, singles, runs)

    def plan(self, size: int, nobody: int) -> Int64:
        """Tokens, sources, slots, positions, and ends; int64, shape (5, size). Padding goes to the slot `nobody`."""
        plan = np.zeros((5, size), np.int64)
        plan[1], plan[2] = -1, nobody
        for row, its in zip(plan, (self.tokens, self.sources, self.slots, self.positions, self.ends), strict=True):
            row[: len(its)] = its
        return plan


class Forward(Protocol):
    """A model that runs feeds. What it has been fed stays in its slots until it is fed over."""

    vocabulary: int
    device: torch.device
    cache: SlotCache
    overlaps: bool
    """Whether a run goes on while the caller does something else, as on a GPU."""

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """Run the tokens and give what the logits after `feed.ends` are computed from; shape (ends, anything), not to
        be used after the next run. `chosen`: int64, the last choice, for `feed.sources`."""

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The logits of what `run` gave, or of some rows of it; shape (rows, vocabulary). May be written to."""

    def scores(self, hidden: torch.Tensor) -> Scores:
        """The logits, on a CPU, where not all need be known."""

    def refresh(self) -> None:
        """Take over weights that were changed; called when no row runs."""


class SlotCache:
    """Keys and values by layer; each of shape (slots + 1, heads, length, head dimension).

    The last slot is for padding. `length` grows as rows do, up to the window, and never shrinks.
    """

    def __init__(
        self, layers: int, slots: int, heads: int, width: int, window: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.window = window
        self.length = min(_FIRST_LENGTH, window)
        self._make: Any = lambda length: torch.zeros((slots + 1, heads, length, width), dtype=dtype, device=device)
        self.keys = [self._make(self.length) for _ in range(layers)]
        self.values = [self._make(self.length) for _ in range(layers)]

    def reserve(self, length: int) -> bool:
        """Make room for rows of so many tokens. True where the tensors are new ones."""
        if length <= self.length:
            return False
        before, self.length = self.length, min(self.window, max(length, 2 * self.length))
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                tensors[layer] = self._make(self.length)
                tensors[layer][:, :, :before] = old
        return True

    def copy(self, sources: Int64, targets: Int64, starts: Int64, size: int) -> None:
        """Copy `size` positions from `starts[i]` on of each slot `sources[i]` to `targets[i]`, as if all at once."""
        device = self.keys[0].device
        columns = np.minimum(starts[:, None] + np.arange(size), self.length - 1)
        of, to, at = (torch.from_numpy(array).to(device) for array in (sources[:, None], targets[:, None], columns))
        for tensors in (self.keys, self.values):
            for layer in tensors:
                layer[to, :, at] = layer[of, :, at]
