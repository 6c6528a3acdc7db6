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
        self._tokens: list[npt.NDArray[np.unsignedinteger]] = []
        self._trained: list[npt.NDArray[np.uint8]] = []
        self._begins: list[npt.NDArray[np.int64]] | None = [] if apart else None
        for shard in self.info.shards:
            tokens, trained = self._map(f"{shard.name}.tokens.npy"), self._map(f"{shard.name}.trained.npy")
            if len(tokens) != shard.tokens or len(trained) != -(-shard.tokens // 8):
                raise LamlamError(
                    f"{self.folder}: shard {shard.name} holds {len(tokens)} tokens and a mask of {len(trained)} bytes, "
                    f"shards.json says {shard.tokens} tokens; pack the documents again"
                )
            self._tokens.append(tokens)
            self._trained.append(trained)
            if self._begins is not None:
                self._begins.append(self._document_begins(f"{shard.name}.starts.npy", shard.documents))
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
            tokens = self._tokens[shard][begin : begin + self.context + 1].astype(np.int64)
            trained = _bits(self._trained[shard], begin, begin + len(tokens))
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

    def _document_begins(self, name: str, documents: int) -> npt.NDArray[np.int64]:
        """Where documents begin as inputs: at their start token, which may be the end token of the one before."""
        starts = np.asarray(self._map(name), np.int64)
        if len(starts) != documents:
            raise LamlamError(
                f"{self.folder / name} holds {len(starts)} documents, shards.json says {documents}; "
                "pack the documents again"
            )
        tokenizer = self.tokenizer()
        shared = tokenizer.start_id == tokenizer.eos_id
        return np.maximum(starts - 1, 0) if shared else starts

    def _map(self, name: str) -> npt.NDArray[np.uint8]:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError) as error:
            raise LamlamError(f"{self.folder / name} is missing or torn ({error}); pack the documents again") from error


def _places(begins: npt.NDArray[np.int64], begin: int, context: int) -> npt.NDArray[np.int64]:
    """For the tokens from `begin` on: how far into its document each is, the window's first token counting as 0."""
    tokens = np.arange(begin, begin + context)
    own = begins[np.searchsorted(begins, tokens, side="right") - 1]
    return tokens - np.maximum(own, begin)


def _bits(packed: npt.NDArray[np.uint8], begin: int, end: int) -> npt.NDArray[np.bool_]:
    """Bits `begin` to `end` of a `numpy.packbits` array."""
    bits = np.unpackbits(packed[begin // 8 : -(-end // 8)])
    return bits[begin % 8 : begin % 8 + end - begin].astype(bool)
