"""Several shard folders as one: which windows of which folder an epoch sees, and in what order.

Everything is a function of (seed, epoch), so that any number of processes, and a run that goes on where it stopped,
see the same windows in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from lamlam.corpus.windows import Batch, Windows
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer


class Mixture:
    """The windows of several shard folders, each with its share of an epoch. Windows are numbered through.

    `shares`: any positive numbers, one a folder; None: each folder whole. An epoch is as long as it can be without
    seeing a window twice. A folder that has more windows than its share takes shows the next ones in the next epoch,
    and none again before all were seen. LamlamError where folders differ in tokenizer or kind.
    """

    def __init__(self, sets: Sequence[Windows], shares: Sequence[float] | None = None) -> None:
        self.sets = list(sets)
        first = self.sets[0]
        for other in self.sets[1:]:
            if other.info.tokenizer != first.info.tokenizer:
                raise LamlamError(
                    f"{first.folder} and {other.folder} were packed with different tokenizers; pack them with one"
                )
            if other.info.kind != first.info.kind:
                raise LamlamError(
                    f"{first.folder} is packed for {first.info.kind}, {other.folder} for {other.info.kind}; "
                    "one training takes one kind"
                )
        lengths = [len(windows) for windows in self.sets]
        if shares is None:
            self.taken = lengths
        else:
            parts = [share / sum(shares) for share in shares]
            whole = min(length / part for length, part in zip(lengths, parts, strict=True))
            self.taken = [max(1, min(length, round(whole * part))) for length, part in zip(lengths, parts, strict=True)]
        self._offsets = np.cumsum([0, *lengths])
        self._order = lru_cache(maxsize=4)(self._make_order)

    def __len__(self) -> int:
        """Windows in an epoch."""
        return sum(self.taken)

    @cached_property
    def tokens(self) -> int:
        """Tokens in all folders."""
        return sum(windows.info.tokens for windows in self.sets)

    @property
    def kind(self) -> str:
        """What the shards are for: `lmlm` or `standard`."""
        return self.sets[0].info.kind

    def tokenizer(self) -> LookupTokenizer:
        """The tokenizer that all shards were made with."""
        return self.sets[0].tokenizer()

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """The window numbers in the order in which `epoch` sees them: a function of (seed, epoch) alone."""
        return self._order(seed, epoch)

    def batch(self, windows: npt.NDArray[np.int64]) -> Batch:
        """The windows of these numbers, in this order."""
        if len(self.sets) == 1:
            return self.sets[0].batch(windows)
        owners = np.searchsorted(self._offsets, windows, side="right") - 1
        inputs, labels, position_ids = np.empty((3, len(windows), self.sets[0].context), np.int64)
        apart = False
        for owner in np.unique(owners):
            rows = owners == owner
            part = self.sets[owner].batch(windows[rows] - self._offsets[owner])
            inputs[rows], labels[rows] = part.inputs, part.labels
            if part.position_ids is not None:
                position_ids[rows], apart = part.position_ids, True
        return Batch(inputs, labels, position_ids if apart else None)

    def sources(self, windows: npt.NDArray[np.int64]) -> list[str]:
        """The shards that windows are from, each once, for messages."""
        owners = np.searchsorted(self._offsets, windows, side="right") - 1
        return sorted(
            {
                self.sets[owner].source(int(window - self._offsets[owner]))
                for owner, window in zip(owners, windows, strict=True)
            }
        )

    def _make_order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        if len(self.sets) == 1:
            return self.sets[0].order(seed, epoch)
        chosen = [
            self._offsets[number] + self._stream(number, seed, epoch * taken, (epoch + 1) * taken)
            for number, taken in enumerate(self.taken)
        ]
        return np.random.default_rng([seed, epoch]).permutation(np.concatenate(chosen))

    def _stream(self, number: int, seed: int, first: int, stop: int) -> npt.NDArray[np.int64]:
        """Places `first` to `stop` of one folder's own order, laid end to end.

        It is the same one again and again: with another one each time, a window at the end of one could be among the
        first of the next, and stand in one epoch twice. Epochs are shuffled as a whole anyway.
        """
        length = len(self.sets[number])
        order = np.random.default_rng([seed, number + 1]).permutation(length)
        return order[np.arange(first, stop) % length]
