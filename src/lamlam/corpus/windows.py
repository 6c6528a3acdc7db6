"""Shards as windows of equal length, and the order in which an epoch sees them.

A window of `context` tokens has an input and a target at each position, so it reads `context + 1` tokens and shares one
with its neighbour: every token of a shard but its first is a target exactly once, wherever the windows cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.corpus.mapped import MappedShard
from lamlam.corpus.pack import PackInfo, read_info
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer

IGNORED = -100
"""The label of a target that is left out of the loss, as PyTorch's cross-entropy has it."""


class Batch(NamedTuple):
    """`inputs` and `labels`: int64, shape (windows, context). `labels[w, i]` is the token after `inputs[w, i]`, or
    `IGNORED` where that token is never trained on. `position_ids`: int64, the same shape, where documents are kept
    apart: each token's place in its document, as far as the window holds that."""

    inputs: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    position_ids: npt.NDArray[np.int64] | None = None


class Windows:
    """The windows of a shard folder, memory-mapped. `len` is their number.

    LamlamError where a file is missing or torn, or a mask has another length than its tokens.
    """

    def __init__(self, folder: str | Path, context: int, apart: bool = False) -> None:
        """`apart`: give position ids that begin at 0 with every document."""
        if context < 1:
            raise LamlamError(f"a context of {context} tokens is too short: it has to be at least 1")
        self.folder, self.context = Path(folder), context
        self.info: PackInfo = read_info(folder)
        self._shards = [MappedShard(self.folder, shard) for shard in self.info.shards]
        self._begins = self._document_begins() if apart else None
        # A shard's targets are all its tokens but the first; the last window may be partly filled.
        counts = [-(-(shard.tokens - 1) // context) for shard in self.info.shards]
        self._first_window = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return int(self._first_window[-1])

    def tokenizer(self) -> LookupTokenizer:
        """The tokenizer that the shards were made with."""
        return LookupTokenizer.load(self.folder / "tokenizer")

    def batch(self, windows: npt.NDArray[np.int64]) -> Batch:
        """The windows of these numbers, in this order. A partly filled one ends in zeros whose labels are ignored."""
        inputs = np.zeros((len(windows), self.context), np.int64)
        labels = np.full((len(windows), self.context), IGNORED, np.int64)
        position_ids = None if self._begins is None else np.empty_like(inputs)
        for row, window in enumerate(windows):
            shard = self._shard(int(window))
            begin = (int(window) - int(self._first_window[shard])) * self.context
            tokens = self._shards[shard].tokens[begin : begin + self.context + 1].astype(np.int64)
            trained = self._shards[shard].trained(begin, begin + len(tokens))
            inputs[row, : len(tokens) - 1] = tokens[:-1]
            labels[row, : len(tokens) - 1] = np.where(trained[1:], tokens[1:], IGNORED)
            if position_ids is not None and self._begins is not None:
                position_ids[row] = _places(self._begins[shard], begin, self.context)
        return Batch(inputs, labels, position_ids)

    def source(self, window: int) -> str:
        """The shard that a window is from, for messages: its folder and name."""
        return f"{self.folder}, shard {self.info.shards[self._shard(window)].name}"

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """The window numbers in the order in which `epoch` sees them: a function of (seed, epoch) alone."""
        return np.random.default_rng([seed, epoch]).permutation(len(self))

    def _shard(self, window: int) -> int:
        return int(np.searchsorted(self._first_window, window, side="right")) - 1

    def _document_begins(self) -> list[npt.NDArray[np.int64]]:
        tokenizer = self.tokenizer()
        return [shard.begins(tokenizer.start_id == tokenizer.eos_id) for shard in self._shards]


def _places(begins: npt.NDArray[np.int64], begin: int, context: int) -> npt.NDArray[np.int64]:
    """For the tokens from `begin` on: how far into its document each is, the window's first token counting as 0."""
    tokens = np.arange(begin, begin + context)
    own = begins[np.searchsorted(begins, tokens, side="right") - 1]
    return tokens - np.maximum(own, begin)
