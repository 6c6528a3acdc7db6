"""Documents → a shard folder: token ids and their loss mask, ready to be memory-mapped.

A shard folder holds, for each shard `00000`, `00001` …, three NumPy arrays:

    00000.tokens.npy     uint16 (uint32 for a vocabulary over 65,536), shape (tokens,): start, document, start, …
    00000.trained.npy    uint8, one bit a token (`numpy.packbits`): is it a target of the loss?
    00000.starts.npy     int64, shape (documents,): where each document begins

and `shards.json`, which says how they were made, and `tokenizer/`. Documents follow one another whole; windows are cut
when they are read (`lamlam.corpus.windows`), so one folder serves every context length.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lamlam.atomic import write_beside
from lamlam.corpus.encode import Kind, TokenArrays, encode_documents
from lamlam.errors import LamlamError
from lamlam.model import LookupTokenizer
from lamlam.text import Document

FORMAT = 1
SHARD_TOKENS = 50_000_000
"""Tokens after which a new shard is begun: about half a gigabyte of memory while packing."""
_DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True)
class ShardInfo:
    """What `shards.json` says of one shard; counts include start and end tokens."""

    name: str
    documents: int
    tokens: int
    trained: int


@dataclass(frozen=True)
class PackInfo:
    """`shards.json`: how a shard folder was made."""

    format: int
    kind: Kind
    tokenizer: str
    vocab_size: int
    shards: tuple[ShardInfo, ...]

    @property
    def tokens(self) -> int:
        """Tokens in all shards."""
        return sum(shard.tokens for shard in self.shards)

    @property
    def trained(self) -> int:
        """Tokens that are targets of the loss, in all shards."""
        return sum(shard.trained for shard in self.shards)

    @property
    def documents(self) -> int:
        """Documents in all shards."""
        return sum(shard.documents for shard in self.shards)


def pack(
    documents: Iterable[Document],
    folder: str | Path,
    tokenizer: LookupTokenizer,
    kind: Kind = "lmlm",
    shard_tokens: int = SHARD_TOKENS,
) -> PackInfo:
    """Write `documents` as a shard folder; nothing is left behind if that fails. Memory is bounded by one shard.

    Shards that were in `folder` are replaced. LamlamError where it holds something else, or there is no document.
    """
    return write_shards(_encoded(documents, tokenizer, kind), folder, tokenizer, kind, shard_tokens)


def write_shards(
    documents: Iterable[TokenArrays],
    folder: str | Path,
    tokenizer: LookupTokenizer,
    kind: Kind,
    shard_tokens: int = SHARD_TOKENS,
) -> PackInfo:
    """`pack` for documents that are token ids already, of this tokenizer."""
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "shards.json").is_file():
        raise LamlamError(f"{folder} holds something else than shards; name a new folder, which they get to themselves")
    shards: list[ShardInfo] = []
    with write_beside(folder) as partial:
        partial.mkdir()
        shard = _Shard(tokenizer)
        for document in documents:
            shard.add(document)
            if shard.tokens >= shard_tokens:
                shards.append(shard.write(partial, len(shards)))
                shard = _Shard(tokenizer)
        if shard.starts:
            shards.append(shard.write(partial, len(shards)))
        if not shards:
            raise LamlamError(f"nothing to pack into {folder}: the input holds no documents")
        info = PackInfo(FORMAT, kind, tokenizer.fingerprint(), len(tokenizer), tuple(shards))
        tokenizer.save(partial / "tokenizer")
        (partial / "shards.json").write_text(json.dumps(asdict(info), indent=1))
    return info


def read_info(folder: str | Path) -> PackInfo:
    """What `shards.json` of a shard folder says; LamlamError where there is none, or one of another format."""
    path = Path(folder) / "shards.json"
    try:
        state = json.loads(path.read_text())
        shards = tuple(ShardInfo(**shard) for shard in state.pop("shards"))
        info = PackInfo(**state, shards=shards)
    except FileNotFoundError:
        raise LamlamError(
            f"{folder} is not a shard folder: no shards.json in it; make one with `lamlam pack`"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LamlamError(f"{path} cannot be read ({error}); pack the documents again") from error
    if info.format != FORMAT:
        raise LamlamError(f"{folder} has shard format {info.format}, this version reads {FORMAT}; pack again")
    return info


def _encoded(documents: Iterable[Document], tokenizer: LookupTokenizer, kind: Kind) -> Iterator[TokenArrays]:
    """The documents encoded, in their order. Two batches are worked on at a time: while one is in the tokenizer, which
    holds up no Python, the other's ids become arrays, and the next documents are read."""

    def encode(some: list[Document]) -> list[TokenArrays]:
        return list(encode_documents(some, tokenizer, kind))

    remaining = iter(documents)
    running: deque[Future[list[TokenArrays]]] = deque()
    with ThreadPoolExecutor(2) as pool:
        while some := list(islice(remaining, _DOCUMENTS_AT_ONCE)):
            running.append(pool.submit(encode, some))
            if len(running) == 3:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


class _Shard:
    """The shard being filled. `tokens`: how many it has."""

    def __init__(self, tokenizer: LookupTokenizer) -> None:
        self.tokens = 0
        self.starts: list[int] = []
        self._parts: list[TokenArrays] = []
        self._start = TokenArrays(np.array([tokenizer.start_id], np.uint32), np.zeros(1, bool))
        # Where one token both ends and starts a document, the end of the one before serves as the start.
        self._shared = tokenizer.start_id == tokenizer.eos_id
        self._dtype = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32

    def add(self, document: TokenArrays) -> None:
        self.starts.append(self.tokens)
        for part in (document,) if self._shared and self.tokens else (self._start, document):
            self._parts.append(part)
            self.tokens += len(part.ids)

    def write(self, folder: Path, number: int) -> ShardInfo:
        name = f"{number:05d}"
        trained = np.concatenate([part.trained for part in self._parts])
        np.save(folder / f"{name}.tokens.npy", np.concatenate([part.ids for part in self._parts]).astype(self._dtype))
        np.save(folder / f"{name}.trained.npy", np.packbits(trained))
        np.save(folder / f"{name}.starts.npy", np.array(self.starts, np.int64))
        return ShardInfo(name, len(self.starts), self.tokens, int(trained.sum()))
