"""The prefix index: which tokens can continue the name of an entity of the base, and then of that entity's relations.

A node is an int64 that stands for what has been written of a query so far. Nodes of entities are those of a trie. A
node of a relation is a stretch of its entity's relations, which lie in the order of their tokens, and the number of
tokens in which all of that stretch agree with what was written. -1 is no beginning of anything. Rows of a batch may
stand at nodes of both kinds, and all are answered together by a few operations on arrays.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError
from lamlam.kb.prefix_files import LONGEST_RELATION, TOKENIZER, Contents, Encode, encoded, locked, read, write
from lamlam.kb.prefix_trie import Int64, Sequences, none
from lamlam.kb.prefix_wipe import wipe

Stamp = tuple[int, float]
"""The number of a base's last transaction that an index has seen, and its time."""
Entries = Iterable[tuple[str, Iterable[str]]]
"""Names of entities, each with its relations."""
Left = tuple[Entries, Sequence[str], Stamp]
"""Of names that have changed the relations that are left, the relations that nobody has any more, and the moment."""

_RELATION = 1 << 32  # nodes below are an entity's; others (start + 1) << 32 | count << 11 | depth
_DEPTH, _COUNT = (1 << 11) - 1, (1 << 21) - 1


class Allowed(NamedTuple):
    """What may come next in each of some rows: tokens one by one, or, where they are many, a row of `PrefixIndex.hot`.

    `pairs`: int64[2, n], a row and a token that may come in it, each once. `hot`: int64[rows], which row of `hot` holds
    besides, -1 for none.
    """

    pairs: Int64
    hot: Int64


class PrefixIndex:
    """The names of a base in a tokenizer's ids, in a folder. `PrefixIndex.build` makes one, the class opens it.

    `encode` gives the ids of names as they stand in a call, `closing` the tokens after an entity and after a relation.
    Any number of processes may read a folder, one at a time may change it; any thread may call anything.
    """

    def __init__(self, folder: str | Path, encode: Encode, closing: tuple[int, int], fingerprint: str) -> None:
        self._folder, self._fingerprint, self._encode, self._closing = Path(folder), fingerprint, encode, closing
        self._meta_file = str(self._folder / "meta.json")
        self._lock = threading.RLock()
        self.hot_version = 0
        self._hot_rows: npt.NDArray[np.bool_] | None = None
        with locked(self._folder):
            self._load()

    @classmethod
    def build(
        cls,
        entries: Entries,
        encode: Encode,
        closing: tuple[int, int],
        fingerprint: str,
        folder: str | Path,
        stamp: Stamp = (0, 0.0),
    ) -> PrefixIndex:
        """Make the index of names and their relations in a folder, in place of what is there; in any order.

        Those of a name that comes twice are united. Names without relations are left out: nothing can be asked of them.
        """
        with locked(Path(folder)):
            write(encoded(entries, encode), Path(folder), {"fingerprint": fingerprint, "stamp": stamp})
        return cls(folder, encode, closing, fingerprint)

    @property
    def entity_root(self) -> int:
        """The node at which every name of an entity begins."""
        return 0

    def allowed(self, nodes: npt.ArrayLike) -> Allowed:
        """What may come next at each of `nodes` (int[rows]), the token that ends an entity or a relation included."""
        nodes = np.asarray(nodes, np.int64)
        with self._lock:
            hot = self._hot_of(nodes)
            rows, tokens = self._entities.children(np.where(hot < 0, nodes, -1))
            ends = (self._own_of(nodes)[1] > 0).nonzero()[0]
            there, its = self._relation_tokens(nodes)[:2]
        new = np.ones(len(there), bool)
        new[1:] = (there[1:] != there[:-1]) | (its[1:] != its[:-1])
        there, its = there[new], its[new]
        pairs = np.empty((2, len(rows) + len(ends) + len(there)), np.int64)
        np.concatenate([rows, ends, there], out=pairs[0])
        np.concatenate([tokens, np.full(len(ends), self._closing[0]), its], out=pairs[1])
        return Allowed(pairs, hot)

    def advance(self, nodes: npt.ArrayLike, tokens: npt.ArrayLike) -> Int64:
        """The nodes after one more token in each row; -1 where it may not come there.

        After the token that ends an entity: the node at which its relations begin; after the one that ends a relation:
        `entity_root` again.
        """
        nodes, tokens = np.asarray(nodes, np.int64), np.asarray(tokens, np.int64)
        with self._lock:
            after = self._entities.child(nodes, tokens)
            closed = (tokens == self._closing[0]).nonzero()[0]
            if len(closed):
                start, count = self._own_of(nodes[closed])
                after[closed] = np.where(count > 0, (start + 1) << 32 | count << 11, -1)
            rows, its, places = self._relation_tokens(nodes)
        same = its == tokens[rows]
        rows, places = rows[same], places[same]
        count = np.bincount(rows, minlength=len(nodes))
        begun = count.nonzero()[0]
        start = places[rows.searchsorted(begun)]
        node = (start + 1) << 32 | count[begun] << 11 | (nodes[begun] & _DEPTH) + 1
        after[begun] = np.where(tokens[begun] == self._closing[1], 0, node)
        return after

    def walk(self, node: int, tokens: Sequence[int]) -> int:
        """The node after several tokens; -1 where they lead nowhere."""
        for token in tokens:
            node = int(self.advance([node], [token])[0])
        return node

    def hot(self, vocabulary: int) -> npt.NDArray[np.bool_]:
        """What may come next at the nodes with many children; bool[hot nodes, vocabulary], not to be written to.

        It is another one when `hot_version` is another number.
        """
        with self._lock:
            if self._hot_rows is None or self._hot_rows.shape[1] != vocabulary:
                self._hot_rows = np.zeros((len(self._hot), vocabulary), bool)
                rows, tokens = self._entities.children(self._hot)
                self._hot_rows[rows, tokens] = True
            return self._hot_rows

    def mask(self, nodes: npt.ArrayLike, out: npt.NDArray[np.bool_]) -> None:
        """Write into `out` (bool[rows, vocabulary]) which tokens may come next at each of `nodes` (int[rows])."""
        with self._lock:
            (rows, tokens), hot = self.allowed(nodes)
            many = np.flatnonzero(hot >= 0)
            out[:] = False
            if len(many):
                out[many] = self.hot(out.shape[1])[hot[many]]
            out[rows, tokens] = True

    def update(self, entries: Entries, stamp: Stamp) -> bool:
        """Take over what the base now says: for each changed name all its relations, none where it is gone.

        Gives what `refresh` gives. Nodes stay good; those of a name that went lead to what it was. What went can be
        read off the files until `compact`. After a power cut the last updates may be missing, and the stamp says so.
        """
        with self._lock, locked(self._folder):
            renewed = self._catch_up()
            self._append(entries, stamp)
            return renewed

    def wipe(self, left: Callable[[Stamp], Left | None]) -> bool:
        """Overwrite what was forgotten, in place and in milliseconds; on the disk when it returns.

        `left` is given the index's stamp and tells, while nobody else changes the files, what is left of the names that
        have changed since. False where it cannot tell; nothing is wiped then. All nodes are void afterwards.
        """
        with self._lock, locked(self._folder):
            self._catch_up()
            told = left(self.stamp)
            if told is not None:
                self._wipe(*told)
            return told is not None

    def compact(self) -> None:
        """Write the files anew, as if what was ever taken out had never been in. All nodes are void afterwards."""
        with self._lock, locked(self._folder):
            self._catch_up()
            meta = {key: value for key, value in self._meta.items() if key in ("fingerprint", "base")}
            tokenizer = (self._folder / TOKENIZER).read_text()
            write(self._contents(), self._folder, meta | {"stamp": self.stamp}, tokenizer)
            self._load()

    def refresh(self) -> bool:
        """Take over what another process has changed. True where the files are new: then all nodes are void."""
        with self._lock:
            if self._files() == self._loaded and self._replay():
                return False
            with locked(self._folder):
                return self._catch_up()

    def stats(self) -> dict[str, int]:
        """`nodes` of entities and `pairs` of entity and relation in the files, `edits` since, `bytes` of all files."""
        size = sum(file.stat().st_size for file in self._folder.iterdir())
        return {"nodes": self._entities.size, "pairs": self._own_end, "edits": len(self._changed), "bytes": size}

    def _encoded(self, entries: Entries) -> list[tuple[list[int], list[list[int]]]]:
        named = [(entity, list(relations)) for entity, relations in entries]
        ids = iter(self._encode([name for entity, relations in named for name in (entity, *relations)]))
        return [(next(ids), [next(ids) for _ in relations]) for _, relations in named]

    def _append(self, entries: Entries, stamp: Stamp) -> None:
        """`update` for who holds the lock of the folder and has caught up."""
        changes = self._encoded(entries)
        line = json.dumps({"stamp": stamp, "changes": changes}, separators=(",", ":")) + "\n"
        try:
            with self._edits.open("r+b") as file:
                file.seek(self._read_to)
                file.truncate()  # half a line, of an update that was killed
                file.write(line.encode())
        except OSError as error:
            raise LamlamError(f"the prefix index {self._folder} cannot be written: {error.strerror}") from error
        self._replay()

    def _wipe(self, entries: Entries, gone: Iterable[str], stamp: Stamp) -> None:
        ids = self._encoded(entries)
        for entity, relations in ids:
            self._change(entity, relations)
        forgotten = {tuple(entity) for entity, relations in ids if not relations}
        kept = [
            (name, [self._relation_tuples[own] for own in self._more[start : start + count]])
            for node, (start, count) in self._changed.items()
            if tuple(name := self._entities.spelled(node)) not in forgotten
        ]
        wipe(self._folder, ids, self._encode(list(gone)), kept, stamp)
        self._load()

    def _catch_up(self) -> bool:
        """`refresh` for who holds the lock of the folder."""
        renewed = self._files() != self._loaded
        if renewed:
            self._load()
        else:
            self._replay()
        return renewed

    def _load(self) -> None:
        self._loaded = self._files()
        opened = read(self._folder, self._fingerprint)
        self._meta: dict[str, Any] = opened.meta
        self._entities, self._own_first, self._own = opened.entities, opened.own_first, opened.own
        self._relations, self._hot = opened.relations, opened.hot
        self._own_end, self._wiped = len(opened.own), none(opened.own)
        self._has_wiped = bool(opened.meta.get("wiped"))
        self._edits = self._folder / Path(opened.meta["edits"]).name
        self.stamp: Stamp = (int(opened.meta["stamp"][0]), float(opened.meta["stamp"][1]))
        self._more: list[int] = []  # what came to `own`
        self._changed: dict[int, tuple[int, int]] = {}  # node → where its relations begin in `_more`, how many
        self._relation_tuples: list[tuple[int, ...]] = []
        self._relation_numbers: dict[tuple[int, ...], int] = {}
        self._read_to = 0
        self._settle()
        self._replay()
        self._hot_rows = None
        self.hot_version += 1

    def _files(self) -> tuple[int, int]:
        try:
            stat = os.stat(self._meta_file)
        except OSError:
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns

    def _replay(self) -> bool:
        """Apply the edits that were not read yet; False where their file has gone, because there is another."""
        before = self._read_to
        try:
            file = self._edits.open("rb")
        except FileNotFoundError:
            return False
        with file:
            file.seek(before)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    edit = json.loads(line)
                    for entity, relations in edit["changes"]:
                        self._change(entity, relations)
                    self.stamp = (int(edit["stamp"][0]), float(edit["stamp"][1]))
                except (ValueError, KeyError, TypeError) as error:
                    raise LamlamError(f"the prefix index {self._folder} is damaged; build it again") from error
                self._read_to += len(line)
        if self._read_to > before:
            self._settle()
        return True

    def _change(self, entity: list[int], relations: list[list[int]]) -> None:
        own = sorted({tuple(relation) for relation in relations if 0 < len(relation) <= LONGEST_RELATION})[:_COUNT]
        if entity and own:
            self._changed[self._entities.insert(entity)] = len(self._more), len(own)
            self._more += [self._number(relation) for relation in own]
        elif entity and (node := self._entities.find(entity)) > 0:
            self._changed[node] = 0, 0
            while node and not self._has_own(node) and self._entities.is_leaf(node):
                parent = self._entities.above(node)[0]
                self._entities.remove(node)
                if node >= self._entities.size:
                    self._changed.pop(node, None)
                node = parent

    def _number(self, relation: tuple[int, ...]) -> int:
        if not self._relation_tuples:
            tokens, starts = self._relations
            bounds = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
            self._relation_tuples = [tuple(tokens[first:last].tolist()) for first, last in bounds]
            self._relation_numbers = {its: number for number, its in enumerate(self._relation_tuples)}
        number = self._relation_numbers.setdefault(relation, len(self._relation_tuples))
        if number == len(self._relation_tuples):
            self._relation_tuples.append(relation)
        return number

    def _has_own(self, node: int) -> bool:
        if (changed := self._changed.get(node)) is not None:
            return changed[1] > 0
        return node < self._entities.size and bool(self._base_own(np.array([node]))[1][0])

    def _settle(self) -> None:
        """Put changes into arrays."""
        self._asked: tuple[Int64, tuple[Int64, Int64, Int64]] | None = None
        if len(self._relation_tuples) >= len(self._relations.starts):
            self._relations = Sequences.of(self._relation_tuples)
        self._more_own = np.array(self._more, np.int64)
        nodes = sorted(self._changed)
        self._changed_nodes = np.array(nodes, np.int64)
        self._changed_own = np.array([self._changed[node] for node in nodes], np.int64).reshape(-1, 2)
        self._changed_own[:, 0] += self._own_end
        if not self._entities.altered.isdisjoint(self._hot.tolist()):
            self._hot_rows = None
            self.hot_version += 1
        self._entities.altered.clear()

    def _hot_of(self, nodes: Int64) -> Int64:
        """Which row of `hot` is a node's; -1 for none."""
        if not len(self._hot):
            return np.full(len(nodes), -1)
        at = np.minimum(self._hot.searchsorted(nodes), len(self._hot) - 1)
        return np.where(self._hot[at] == nodes, at, -1)

    def _base_own(self, nodes: Int64) -> tuple[Int64, Int64]:
        """Where the relations of the nodes begin in the files, and how many there are; none where that is empty."""
        inside = np.where(nodes.view(np.uint64) < self._entities.size, nodes, 0)  # the root has none
        start = self._own_first[inside].astype(np.int64)
        count = np.minimum(self._own_first[inside + 1] - start, _COUNT)
        if self._has_wiped and self._own_end:
            count[self._own[np.minimum(start, self._own_end - 1)] == self._wiped] = 0
        return start, count

    def _own_of(self, nodes: Int64) -> tuple[Int64, Int64]:
        """Where the relations of the entities begin that end at the nodes, and how many there are."""
        start, count = self._base_own(nodes)
        if len(self._changed_nodes):
            at = np.minimum(self._changed_nodes.searchsorted(nodes), len(self._changed_nodes) - 1)
            rows = (self._changed_nodes[at] == nodes).nonzero()[0]
            start[rows], count[rows] = self._changed_own[at[rows]].T
        return start, count

    def _relation_tokens(self, nodes: Int64) -> tuple[Int64, Int64, Int64]:
        """For each relation that may be meant at a node of one: the row, its next token, its place in `own`."""
        if self._asked is not None and np.array_equal(self._asked[0], nodes):
            return self._asked[1]  # what may come next, and then what did
        begun = (nodes >= _RELATION).nonzero()[0]
        start, count = (nodes[begun] >> 32) - 1, nodes[begun] >> 11 & _COUNT
        rows = begun.repeat(count)
        places = np.arange(len(rows)) + (start - count.cumsum() + count).repeat(count)
        own = self._own_at(places)
        if not (there := own >= 0).all():
            rows, places, own = rows[there], places[there], own[there]
        tokens, starts = self._relations
        at = starts[own] + (nodes[rows] & _DEPTH)
        its = np.where(at < starts[own + 1], tokens[np.minimum(at, len(tokens) - 1)], self._closing[1])
        self._asked = nodes.copy(), (rows, its, places)
        return rows, its, places

    def _own_at(self, places: Int64) -> Int64:
        """The relations at places of `own`; -1 for what is wiped."""
        if not self._more:
            own = self._own[places].astype(np.int64)
            own[own == self._wiped] = -1
            return own
        own = np.zeros(len(places), np.int64)
        in_files = places < self._own_end
        its = self._own[places[in_files]]
        own[in_files] = np.where(its == self._wiped, -1, its.astype(np.int64))  # ids may be kept in 16 bits
        own[~in_files] = self._more_own[places[~in_files] - self._own_end]
        return own

    def _contents(self) -> Contents:
        """All that is in the index now."""
        first = self._own_first.astype(np.int64)
        rows = np.repeat(np.arange(len(first) - 1), first[1:] - first[:-1])
        kept = self._own != self._wiped
        kept &= ~np.isin(rows, self._changed_nodes)
        rows, own = rows[kept], self._own[kept].astype(np.int64)
        nodes, counts = np.unique(rows, return_counts=True)
        came = [node for node, (_, count) in self._changed.items() if count]
        ranges = [self._changed[node] for node in came]
        entities = [
            self._entities.sequences(nodes),
            Sequences.of([self._entities.spelled(node) for node in came]),
        ]
        lengths = np.concatenate([counts, np.array([count for _, count in ranges], np.int64)])
        more = [self._more_own[start : start + count] for start, count in ranges]
        return Contents(
            Sequences.joined(entities),
            self._relations,
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            np.concatenate([own, *more]),
        )
