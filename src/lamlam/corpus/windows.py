"""Shards as windows of equal length, and the order in which an epoch sees them.

A window of `context` tokens has an input and a target at each position, so it reads `context + 1` tokens and shares one
with its neighbour: every token of a shard but its first is a target exactly once, wherever the windows cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.corpus.pack import PackInfo, read_info
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer

IGNORED = -100
"""The label of a target that is left out of the loss, as PyTorch's cross-entropy has it."""


class Batch(NamedTuple):
    """`inputs` and `labels`: int64, shape (windows, context). `labels[w, i]` is the token after `inputs[w, i]`, or
    `IGNORED` where that token is never trained on."""

    inputs: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


class Windows:
    """The windows of a shard folder, memory-mapped. `len` is their number.

    LamlamError where a file is missing or torn, or a mask has another length than its tokens.
    """

    def __init__(self, folder: str | Path, context: int) -> None:
        if context < 1:
            raise LamlamError(f"a context of {context} tokens is too short: it has to be at least 1")
        self.folder, self.context = Path(folder), context
        self.info: PackInfo = read_info(folder)
        self._tokens: list[npt.NDArray[np.unsignedinteger]] = []
        self._trained: list[npt.NDArray[np.uint8]] = []
        for shard in self.info.shards:
            tokens, trained = self._map(f"{shard.name}.tokens.npy"), self._map(f"{shard.name}.trained.npy")
            if len(tokens) != shard.tokens or len(trained) != -(-shard.tokens // 8):
                raise LamlamError(
                    f"{self.folder}: shard {shard.name} holds {len(tokens)} tokens and a mask of {len(trained)} bytes, "
                    f"shards.json says {shard.tokens} tokens; pack the documents again"
                )
            self._tokens.append(tokens)
            self._trained.append(trained)
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
        for row, window in enumerate(windows):
            shard = int(np.searchsorted(self._first_window, window, side="right")) - 1
            begin = (int(window) - int(self._first_window[shard])) * self.context
            tokens = self._tokens[shard][begin : begin + self.context + 1].astype(np.int64)
            trained = _bits(self._trained[shard], begin, begin + len(tokens))
            inputs[row, : len(tokens) - 1] = tokens[:-1]
            labels[row, : len(tokens) - 1] = np.where(trained[1:], tokens[1:], IGNORED)
        return Batch(inputs, labels)

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """The window numbers in the order in which `epoch` sees them: a function of (seed, epoch) alone."""
        return np.random.default_rng([seed, epoch]).permutation(len(self))

    def _map(self, name: str) -> npt.NDArray[np.uint8]:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError) as error:
            raise LamlamError(f"{self.folder / name} is missing or torn ({error}); pack the documents again") from error


def _bits(packed: npt.NDArray[np.uint8], begin: int, end: int) -> npt.NDArray[np.bool_]:
    """Bits `begin` to `end` of a `numpy.packbits` array."""
    bits = np.unpackbits(packed[begin // 8 : -(-end // 8)])
    return bits[begin % 8 : begin % 8 + end - begin].astype(bool)
