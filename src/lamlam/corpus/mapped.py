"""A shard folder's arrays, memory-mapped and checked, and the documents in them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lamlam.corpus.encode import TokenArrays
from lamlam.corpus.pack import PackInfo, ShardInfo, read_info
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer


class MappedShard:
    """One shard of a folder. `tokens`: uint16 or uint32, shape (tokens,).

    LamlamError where a file is missing or torn, or a mask has another length than its tokens.
    """

    def __init__(self, folder: Path, info: ShardInfo) -> None:
        self.folder, self.info = folder, info
        self.tokens, self._packed = self._map("tokens"), self._map("trained")
        if len(self.tokens) != info.tokens or len(self._packed) != -(-info.tokens // 8):
            raise LamlamError(
                f"{folder}: shard {info.name} holds {len(self.tokens)} tokens and a mask of {len(self._packed)} bytes, "
                f"shards.json says {info.tokens} tokens; pack the documents again"
            )

    def trained(self, begin: int, end: int) -> npt.NDArray[np.bool_]:
        """Which of the tokens `begin` to `end` are targets of the loss."""
        bits = np.unpackbits(self._packed[begin // 8 : -(-end // 8)])
        return bits[begin % 8 : begin % 8 + end - begin].astype(bool)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each document begins, as `lamlam pack` wrote it: shape (documents,)."""
        starts = np.asarray(self._map("starts"), np.int64)
        if len(starts) != self.info.documents:
            raise LamlamError(
                f"{self._path('starts')} holds {len(starts)} documents, shards.json says {self.info.documents}; "
                "pack the documents again"
            )
        return starts

    def begins(self, shared: bool) -> npt.NDArray[np.int64]:
        """Where each document begins as inputs: at its start token. `shared`: that is the end token of the one before
        (but for a shard's first), since the tokenizer has one token for both."""
        return np.maximum(self.starts - 1, 0) if shared else self.starts

    def _path(self, what: str) -> Path:
        return self.folder / f"{self.info.name}.{what}.npy"

    def _map(self, what: str) -> npt.NDArray[np.uint8]:
        path = self._path(what)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError) as error:
            raise LamlamError(f"{path} is missing or torn ({error}); pack the documents again") from error


class ShardDocuments:
    """The documents of a shard folder, each by the number of its shard and its own number in that."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.info: PackInfo = read_info(folder)
        self.shards = [MappedShard(self.folder, shard) for shard in self.info.shards]
        self.tokenizer = LookupTokenizer.load(self.folder / "tokenizer")
        shared = self.tokenizer.start_id == self.tokenizer.eos_id
        self._begins = [shard.begins(shared) for shard in self.shards]
        self._ends = [np.append(shard.starts[1:], shard.info.tokens) for shard in self.shards]

    def lengths(self, shard: int) -> npt.NDArray[np.int64]:
        """Tokens of each document of a shard that can be targets: all but its start token."""
        return self._ends[shard] - self._begins[shard] - 1

    def document(self, shard: int, number: int) -> TokenArrays:
        """A document as it was packed: its tokens after the start token, the end token last."""
        begin, end = int(self._begins[shard][number]) + 1, int(self._ends[shard][number])
        mapped = self.shards[shard]
        return TokenArrays(mapped.tokens[begin:end].astype(np.uint32), mapped.trained(begin, end))
