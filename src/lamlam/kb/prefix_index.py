"""The prefix index: which tokens can continue the name of an entity of the base, and then of that entity's relations.

A node is an int64 that stands for what has been written of a query so far: of an entity, or, after an entity's end, of
one of its relations; -1 for what is no beginning of anything. Rows of a batch may stand at nodes of both kinds.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError
from lamlam.kb.prefix_files import EDITS, Contents, Encode, Opened, encoded, read, write
from lamlam.kb.prefix_trie import Int64, Sequences

_SHIFT = 31  # a node of a relation is (entity's node << 31) + relation's node; one of an entity is below 2 ** 31
_HOT, _HOT_KEPT = 512, 64  # nodes with so many children keep their row of the mask; so many of these are kept
_OWN_KEPT = 65_536


class PrefixIndex:
    """The names of a base in a tokenizer's ids, in a folder. `PrefixIndex.build` makes one, `open` opens it.

    Any number of processes may read it, one may `update` it; any thread may call anything. `stamp` is the number that
    came with the last update: with the base's own, it tells whether the index has seen the base's last change.
    """

    def __init__(self, folder: Path, fingerprint: str, encode: Encode) -> None:
        self._folder, self._fingerprint, self._encode = folder, fingerprint, encode
        self._lock = threading.RLock()
        self._load()

    @classmethod
    def build(
        cls,
        entries: Iterable[tuple[str, Iterable[str]]],
        encode: Encode,
        fingerprint: str,
        folder: str | Path,
        stamp: int = 0,
    ) -> PrefixIndex:
        """Make the index of (entity, its relations) in a folder, in place of what is there; in any order.

        `encode` gives the ids of names as they stand in a call, `fingerprint` tells its tokenizer from others. Entities
        without relations, of which nothing can be asked, are left out.
        """
        write(encoded(entries, encode), Path(folder), fingerprint, stamp)
        return cls(Path(folder), fingerprint, encode)

    @classmethod
    def open(cls, folder: str | Path, encode: Encode, fingerprint: str) -> PrefixIndex:
        """The index in a folder; `LamlamError` where there is none, or one for another tokenizer."""
        return cls(Path(folder), fingerprint, encode)

    @property
    def entity_root(self) -> int:
        """The node at which every name of an entity begins."""
        return 0

    def next(self, nodes: npt.ArrayLike) -> tuple[Int64, Int64]:
        """What may come next at each of `nodes` (int[rows]): tokens, and where each row's begin (int64[rows + 1])."""
        nodes = np.asarray(nodes, np.int64)
        with self._lock:
            many = [(row, self._many(int(nodes[row]))) for row in np.flatnonzero(self._hot(nodes))]
            rows, tokens = self._few(nodes)
        counts = np.bincount(rows, minlength=len(nodes))
        for row, its in many:
            counts[row] = len(its)
        starts = np.zeros(len(nodes) + 1, np.int64)
        np.cumsum(counts, out=starts[1:])
        if not many:
            return tokens, starts
        out = np.empty(starts[-1], np.int64)
        counts[[row for row, _ in many]] = 0
        before = np.cumsum(counts) - counts
        out[np.arange(len(rows)) + (starts[:-1] - before)[rows]] = tokens
        for row, its in many:
            out[starts[row] : starts[row + 1]] = its
        return out, starts

    def mask(self, nodes: npt.ArrayLike, out: npt.NDArray[np.bool_]) -> None:
        """Write into `out` (bool[rows, vocabulary]) which tokens may come next at each of `nodes` (int[rows])."""
        nodes = np.asarray(nodes, np.int64)
        out[:] = False
        with self._lock:
            for row in np.flatnonzero(self._hot(nodes)):
                out[row] = self._hot_row(int(nodes[row]), out.shape[1])
            rows, tokens = self._few(nodes)
        out[rows, tokens] = True

    def advance(self, nodes: npt.ArrayLike, tokens: npt.ArrayLike) -> Int64:
        """The nodes after one more token in each row; -1 where the token may not come there."""
        nodes, tokens = np.asarray(nodes, np.int64), np.asarray(tokens, np.int64)
        with self._lock:
            after = self._entities.child(np.where(nodes >> _SHIFT == 0, nodes, -1), tokens)
            for row in np.flatnonzero(nodes >> _SHIFT > 0):
                entity = int(nodes[row]) >> _SHIFT
                there = self._written(int(nodes[row])).get(int(tokens[row]))
                after[row] = -1 if there is None else (entity << _SHIFT) + there
        return after

    def ends(self, nodes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether what is written is a whole entity, or a whole relation of its entity; bool[rows]."""
        nodes = np.asarray(nodes, np.int64)
        with self._lock:
            return np.fromiter((self._is_end(node) for node in nodes.tolist()), bool, count=len(nodes))

    def relation_roots(self, nodes: npt.ArrayLike) -> Int64:
        """The nodes at which the relations of the entities begin that end at `nodes`; -1 where none ends."""
        nodes = np.asarray(nodes, np.int64)
        return np.where((nodes >> _SHIFT == 0) & self.ends(nodes), nodes << _SHIFT, -1)

    def walk(self, node: int, tokens: Sequence[int]) -> int:
        """The node after several tokens; -1 where they lead nowhere."""
        for token in tokens:
            node = int(self.advance([node], [token])[0])
        return node

    def update(self, entries: Iterable[tuple[str, Iterable[str]]], stamp: int) -> None:
        """Take over what the base now says: for each changed entity all its relations, none where it is gone.

        Nodes stay good; one of a name that went has no continuations. What went can be read off the files until
        `compact`. On the disk when this returns.
        """
        entries = [(entity, list(relations)) for entity, relations in entries]
        ids = iter(self._encode([name for entity, relations in entries for name in (entity, *relations)]))
        changes = [[next(ids), [next(ids) for _ in relations]] for _, relations in entries]
        line = json.dumps({"stamp": stamp, "changes": changes}, separators=(",", ":")) + "\n"
        with self._lock:
            self._replay()
            try:
                with (self._folder / EDITS).open("r+b") as file:
                    file.seek(self._read_to)
                    file.truncate()  # half a line, of an update that was killed
                    file.write(line.encode())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise LamlamError(f"the prefix index {self._folder} cannot be written: {error.strerror}") from error
            self._replay()

    def compact(self) -> None:
        """Write the files anew, as if what was ever taken out had never been in. All nodes are void afterwards."""
        with self._lock:
            self._replay()
            if self._read_to:
                write(self._contents(), self._folder, self._fingerprint, self.stamp)
                self._load()

    def refresh(self) -> bool:
        """Take over what another process has changed. True where the files are new: then all nodes are void."""
        with self._lock:
            if self._files() != self._loaded:
                self._load()
                return True
            self._replay()
            return False

    def stats(self) -> dict[str, int]:
        """`nodes` and `pairs` of entity and relation in the files, `edits`: entities changed since, `bytes`: of all."""
        size = sum(file.stat().st_size for file in self._folder.iterdir())
        return {
            "nodes": self._entities.size,
            "pairs": len(self._base_own),
            "edits": len(self._changed),
            "bytes": size,
        }

    def _load(self) -> None:
        self._loaded = self._files()
        opened: Opened = read(self._folder, self._fingerprint)
        self._entities, self._relations = opened.entities, opened.relations
        self._own_first, self._base_own = opened.own_first, opened.own
        self.stamp: int = opened.meta["stamp"]
        self._changed: dict[int, tuple[int, ...]] = {}
        self._hot_tokens: dict[int, Int64] = {}
        self._hot_rows: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
        self._own_tries: dict[int, dict[int, dict[int, int]]] = {}
        self._steps: dict[int, tuple[int, int]] = {}
        self._read_to = 0
        self._replay()

    def _files(self) -> tuple[int, int]:
        try:
            stat = (self._folder / "meta.json").stat()
        except OSError:
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns

    def _replay(self) -> None:
        """Apply the edits that were not read yet."""
        with (self._folder / EDITS).open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                edit = json.loads(line)
                for entity, relations in edit["changes"]:
                    self._change(entity, relations)
                self.stamp = edit["stamp"]
                self._read_to += len(line)
                self._hot_tokens.clear()
                self._hot_rows.clear()

    def _change(self, entity: list[int], relations: list[list[int]]) -> None:
        own = tuple(sorted({self._relations.insert(relation) for relation in relations if relation}))
        if entity and own:
            node = self._entities.insert(entity)
            self._changed[node] = own
            self._own_tries.pop(node, None)
        elif entity and (node := self._entities.find(entity)) > 0:
            self._changed[node] = ()
            self._own_tries.pop(node, None)
            while node and not self._own(node) and self._entities.is_leaf(node):
                parent = self._entities.above(node)[0]
                self._entities.remove(node)
                if node >= self._entities.size:
                    self._changed.pop(node, None)
                node = parent

    def _own(self, entity: int) -> tuple[int, ...]:
        """The relations of the entity that ends at a node; empty where none does."""
        if (changed := self._changed.get(entity)) is not None:
            return changed
        if entity >= self._entities.size:
            return ()
        return tuple(self._base_own[self._own_first[entity] : self._own_first[entity + 1]].tolist())

    def _is_end(self, node: int) -> bool:
        if node < 0:
            return False
        entity, relation = divmod(node, 2**_SHIFT)
        return relation in self._own(entity) if entity else bool(self._own(relation))

    def _written(self, node: int) -> dict[int, int]:
        """What can continue at a node of a relation: token → node among relations."""
        entity, relation = divmod(node, 2**_SHIFT)
        trie = self._own_tries.get(entity)
        if trie is None:
            trie = {}
            for there in self._own(entity):
                while there:
                    if there not in self._steps:
                        self._steps[there] = self._relations.above(there)
                    parent, token = self._steps[there]
                    trie.setdefault(parent, {})[token] = there
                    there = parent
            if len(self._own_tries) >= _OWN_KEPT:
                self._own_tries.clear()
            self._own_tries[entity] = trie
        return trie.get(relation, {})

    def _hot(self, nodes: Int64) -> npt.NDArray[np.bool_]:
        """Which nodes have so many children that what may come next is kept."""
        return self._entities.degree(nodes) >= _HOT

    def _few(self, nodes: Int64) -> tuple[Int64, Int64]:
        """Rows and tokens of what may come next at all nodes but the hot ones."""
        rows, tokens = self._entities.children(np.where((nodes >> _SHIFT == 0) & ~self._hot(nodes), nodes, -1))
        relations = [
            (row, token) for row in np.flatnonzero(nodes >> _SHIFT > 0) for token in self._written(int(nodes[row]))
        ]
        if not relations:
            return rows, tokens
        came = np.array(relations)
        rows, tokens = np.concatenate([rows, came[:, 0]]), np.concatenate([tokens, came[:, 1]])
        order = np.lexsort((tokens, rows))
        return rows[order], tokens[order]

    def _many(self, node: int) -> Int64:
        if (tokens := self._hot_tokens.get(node)) is None:
            tokens = self._entities.children(np.array([node]))[1]
            if len(self._hot_tokens) >= _HOT_KEPT:
                self._hot_tokens.clear()
            self._hot_tokens[node] = tokens
        return tokens

    def _hot_row(self, node: int, width: int) -> npt.NDArray[np.bool_]:
        if (row := self._hot_rows.get((node, width))) is None:
            row = np.zeros(width, bool)
            row[self._many(node)] = True
            if len(self._hot_rows) >= _HOT_KEPT:
                self._hot_rows.clear()
            self._hot_rows[node, width] = row
        return row

    def _contents(self) -> Contents:
        """All that is in the index now."""
        counts = self._own_first[1:].astype(np.int64) - self._own_first[:-1]
        kept = counts > 0
        kept[[node for node in self._changed if node < len(kept)]] = False
        changed = {node: own for node, own in self._changed.items() if own}
        entities = [
            self._entities.sequences(np.flatnonzero(kept)),
            Sequences.of([self._entities.spelled(node) for node in changed]),
        ]
        lengths = np.concatenate([counts[kept], np.array([len(own) for own in changed.values()], np.int64)])
        came = np.array([relation for own in changed.values() for relation in own], np.int64)
        nodes: Int64 = np.concatenate([self._base_own[np.repeat(kept, counts)].astype(np.int64), came])
        used = np.flatnonzero(np.bincount(nodes))
        own_starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        size = self._relations.size
        relations = [
            self._relations.sequences(used[used < size]),
            Sequences.of([self._relations.spelled(int(node)) for node in used[used >= size]]),
        ]
        return Contents(
            Sequences.joined(entities), Sequences.joined(relations), own_starts, np.searchsorted(used, nodes)
        )
