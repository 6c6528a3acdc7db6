"""The keys and values of all running rows: a row has a slot for as long as it runs, whatever its neighbours do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch

_FIRST_LENGTH = 256


@dataclass
class Feed:
    """What one run of the model takes: a list of tokens, those of a row side by side.

    `tokens[i]` goes to position `positions[i]` of slot `slots[i]`. Where `sources[i]` is not negative, the token is
    number `sources[i]` of the last choice, which may be on the device only. `ends`: the tokens, by their places in the
    list, after which the logits are wanted.
    """

    tokens: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, slot: int, position: int, tokens: list[int], source: int = -1) -> None:
        """Feed tokens to a slot, from a position on."""
        count = len(tokens)
        self.tokens += tokens
        self.sources += [source] * count
        self.slots += [slot] * count
        self.positions += range(position, position + count)

    def runs(self) -> list[Run]:
        """The tokens of each row as (place in the list, slot, position, size)."""
        runs: list[Run] = []
        for place, (slot, position) in enumerate(zip(self.slots, self.positions, strict=True)):
            if runs and runs[-1].slot == slot:
                runs[-1] = runs[-1]._replace(size=runs[-1].size + 1)
            else:
                runs.append(Run(place, slot, position, 1))
        return runs


class Run(NamedTuple):
    """`size` tokens of a feed, from place `place` on, that go to a slot from a position on."""

    place: int
    slot: int
    position: int
    size: int


class Forward(Protocol):
    """A model that runs feeds. What it has been fed stays in its slots until it is fed over."""

    vocabulary: int
    device: torch.device
    overlaps: bool
    """Whether a run goes on while the caller does something else, as on a GPU."""

    def run(self, feed: Feed, chosen: torch.Tensor | None) -> torch.Tensor:
        """Run the tokens and give the logits after `feed.ends`; shape (ends, vocabulary). `chosen`: int64, the last
        choice, for `feed.sources`."""

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
